"""What the bytes of a file are: PEM in any disguise, DER, PKCS#7, PKCS#12 or something else.

The structure decides and not the label or the file's name: people rename files, and programs
write PKCS#7 between lines that say CERTIFICATE.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re

from certificates.parsing import recognizing, refusals
from certificates.parsing.recognizing import Kind
from challenges.problems import Problem, ProblemError

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 #]{1,40})-----")
_PRIVATE_KEY = b"PRIVATE KEY"
_CERTIFICATE_LABELS = frozenset(
    {b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE", b"PKCS7", b"CMS"}
)
# RFC 1421 §4.6.1.3, of keys in OpenSSL's old form.
_PROC_TYPE = b"Proc-Type"
# Line breaks may have become two characters in an environment variable or a JSON document.
_SPACE = re.compile(rb"(?:\\[rn]|\s)+")
_NOTHING_ELSE = re.compile(rb"[A-Za-z0-9+/\s]+=*\s*")
_STRANGE_LABELS = {
    b"OPENSSH PRIVATE KEY": refusals.OPENSSH_KEY,
    b"SSH2 ENCRYPTED PRIVATE KEY": refusals.OPENSSH_KEY,
    b"PGP PRIVATE KEY BLOCK": refusals.PGP_KEY,
    b"PGP PUBLIC KEY BLOCK": refusals.PGP_KEY,
    b"PGP MESSAGE": refusals.PGP_KEY,
}


@dataclasses.dataclass(frozen=True)
class StoredKey:
    """A private key as it stands in a file: DER, or with ``is_headed`` the PEM with its headers."""

    data: bytes = dataclasses.field(repr=False)
    is_encrypted: bool
    is_headed: bool = False

    @property
    def is_derived(self) -> bool:
        """Whether a password opens it by as many rounds as the file itself says."""
        return self.is_encrypted and not self.is_headed


@dataclasses.dataclass
class Contents:
    """What one file holds; ``strangers`` tell what it holds instead of what is wanted."""

    certificates: list[bytes] = dataclasses.field(default_factory=list)
    keys: list[StoredKey] = dataclasses.field(default_factory=list)
    pfx: list[bytes] = dataclasses.field(default_factory=list)
    strangers: list[Problem] = dataclasses.field(default_factory=list)


def look_into(content: bytes) -> Contents:
    """The parts of a file, none of them opened yet. Raises ProblemError for a damaged part."""
    contents = Contents()
    if not content.strip():
        raise ProblemError(refusals.EMPTY)
    if not _take(content, contents):
        text = recognizing.as_text(content)
        if not _take_blocks(text, contents) and not _take_bare_base64(text, contents):
            contents.strangers.append(recognizing.stranger(text))
    return contents


def _take(data: bytes, contents: Contents) -> bool:
    """Sort DER to its kind; False when it is of none."""
    kind, parts = recognizing.recognize(data)
    match kind:
        case Kind.CERTIFICATES:
            contents.certificates.extend(parts)
        case Kind.KEY | Kind.ENCRYPTED_KEY:
            contents.keys.append(StoredKey(parts[0], is_encrypted=kind is Kind.ENCRYPTED_KEY))
        case Kind.PFX:
            contents.pfx.append(data)
        case Kind.REQUEST:
            contents.strangers.append(refusals.REQUEST_INSTEAD)
        case Kind.REVOCATION_LIST:
            contents.strangers.append(refusals.REVOCATION_LIST)
        case Kind.PUBLIC_KEY:
            contents.strangers.append(refusals.PUBLIC_KEY)
        case Kind.UNKNOWN:
            return False
    return True


def _take_blocks(text: bytes, contents: Contents) -> bool:
    """All blocks of a PEM text; False when there is none."""
    position, found = 0, False
    # One expression for a whole block takes seconds for a file of beginnings without ends.
    while begin := _BEGIN.search(text, position):
        label = begin[1]
        last_line = b"-----END " + label + b"-----"
        end = text.find(last_line, begin.end())
        if end < 0 and _is_ours(label):
            raise ProblemError(refusals.CUT_OFF)
        position = begin.end() if end < 0 else end + len(last_line)
        if end >= 0:
            found = True
            _take_block(label, text[begin.end() : end], contents)
    return found


def _is_ours(label: bytes) -> bool:
    return label in _CERTIFICATE_LABELS or label.endswith(_PRIVATE_KEY)


def _take_block(label: bytes, body: bytes, contents: Contents) -> None:
    if stranger := _STRANGE_LABELS.get(label):
        contents.strangers.append(stranger)
    elif _PROC_TYPE in body and label.endswith(_PRIVATE_KEY):
        contents.keys.append(_headed_key(label, body))
    elif not _take(_decoded(body), contents) and _is_ours(label):
        raise ProblemError(
            refusals.KEY_UNREADABLE
            if label.endswith(_PRIVATE_KEY)
            else refusals.CERTIFICATE_UNREADABLE
        )


def _headed_key(label: bytes, body: bytes) -> StoredKey:
    lines = [line.strip() for line in body.strip().splitlines()]
    whole = [b"-----BEGIN " + label + b"-----", *lines, b"-----END " + label + b"-----", b""]
    return StoredKey(b"\n".join(whole), is_encrypted=True, is_headed=True)


def _decoded(body: bytes) -> bytes:
    """What stands in base64 between the lines, without headers; nothing when it is damaged."""
    if b":" in body:
        body = b"\n".join(line for line in body.splitlines() if b":" not in line)
    packed = _SPACE.sub(b"", body).rstrip(b"=")
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except binascii.Error:
        return b""


def _take_bare_base64(text: bytes, contents: Contents) -> bool:
    """A text whose first and last line were lost when it was copied."""
    return _NOTHING_ELSE.fullmatch(text.strip()) is not None and _take(_decoded(text), contents)
