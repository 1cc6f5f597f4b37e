"""Which host names a certificate holds, and what identifies a set of them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable


def covers(certificate_names: Collection[str], hostname: str) -> bool:
    """Whether one of the names is the hostname or a wildcard for it (RFC 6125 §6.4.3)."""
    wildcard = f"*.{hostname.partition('.')[2]}"
    return hostname in certificate_names or wildcard in certificate_names


def identifier_set(names: Iterable[str]) -> str:
    """The fingerprint of a set of names, whatever their order: SHA-256, hexadecimal.

    What a CA limits per "exact set of identifiers" and what is tried at most once at a time.
    """
    return hashlib.sha256("\n".join(sorted(set(names))).encode()).hexdigest()
