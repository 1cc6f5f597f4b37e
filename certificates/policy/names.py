"""Which host names a certificate holds."""

from __future__ import annotations

from collections.abc import Collection


def covers(certificate_names: Collection[str], hostname: str) -> bool:
    """Whether one of the names is the hostname or a wildcard for it (RFC 6125 §6.4.3)."""
    wildcard = f"*.{hostname.partition('.')[2]}"
    return hostname in certificate_names or wildcard in certificate_names
