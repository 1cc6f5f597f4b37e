"""What a refused form may show again of a pasted text: what is public, and nothing else.

Whatever may be a private key or a part of one is not searched for: it has too many disguises.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from django import forms

from certificates.importing import MAX_FILE
from certificates.parsing import der, recognizing
from certificates.parsing.recognizing import Kind

_BLOCK = re.compile(
    r"-----BEGIN (?P<label>[A-Z0-9 ]{1,40})-----(?P<body>[A-Za-z0-9+/=\s]*)-----END (?P=label)-----"
)
_LABELS = {Kind.REQUEST: "CERTIFICATE REQUEST", Kind.REVOCATION_LIST: "X509 CRL"}
_PKCS7 = frozenset({"PKCS7", "CMS"})


def public_part(text: str) -> str:
    """The certificates, requests and revocation lists of a PEM text, written anew.

    A text that is longer than any that is read has none.
    """
    if len(text) > MAX_FILE:
        return ""
    return "".join(map(_written_anew, _BLOCK.finditer(text)))


def is_all_public(text: str) -> bool:
    """Whether :func:`public_part` leaves nothing of the text out but white space."""
    return "".join(public_part(text).split()) == "".join(text.split())


def _written_anew(block: re.Match[str]) -> str:
    """The block, if what stands in it is public by its structure and nothing stands behind it."""
    try:
        data = base64.b64decode("".join(block["body"].split()), validate=True)
        if der.first(data).raw != data:
            return ""
    except (ValueError, binascii.Error):
        return ""
    kind, _parts = recognizing.recognize(data)
    if kind is Kind.CERTIFICATES:
        label = block["label"] if block["label"] in _PKCS7 else "CERTIFICATE"
    elif kind in _LABELS:
        label = _LABELS[kind]
    else:
        return ""
    encoded = base64.b64encode(data).decode()
    lines = [encoded[start : start + 64] for start in range(0, len(encoded), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


class PublicTextarea(forms.Textarea):
    """Shows again what is public of that which was pasted."""

    def format_value(self, value: Any) -> str | None:
        """As it stands in the page."""
        return public_part(str(value)) if value else None


class SecretTextarea(forms.Textarea):
    """Never shows again what was pasted."""

    def format_value(self, value: Any) -> str | None:
        """Nothing."""
        return None
