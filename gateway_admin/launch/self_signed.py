"""The console's own self-signed certificate: made at the first start, made anew before it ends.

Key and certificate are one file, so that they are replaced together and always fit.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import socket
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certificates import disk, keys, self_signed
from certificates.policy.keys import KeyType

RENEWED_BEFORE = datetime.timedelta(days=30)
ALWAYS = ("localhost", "127.0.0.1", "::1")


def names(allowed_hosts: Iterable[str], bound_hosts: Iterable[str]) -> tuple[str, ...]:
    """By what the console is reached: the loopback, this machine's name, and what is configured.

    Host names and IP addresses, each once; what no certificate can hold is left out.
    """
    wanted = [*ALWAYS, socket.gethostname(), *bound_hosts, *map(_plain, allowed_hosts)]
    return tuple(dict.fromkeys(name for name in wanted if _general_name(name) is not None))


def _plain(host: str) -> str:
    """A Host header as Django's settings write it; .example.org stands for all names below it."""
    return f"*{host}" if host.startswith(".") else host.removeprefix("[").removesuffix("]")


def ensure(path: Path, names: Iterable[str], now: datetime.datetime) -> bool:
    """Make the certificate where it is missing, about to end, or lacks a name; True if made.

    Raises OSError when it cannot be written.
    """
    names = tuple(names)
    if _is_usable(path, names, now):
        return False
    path.parent.mkdir(mode=disk.PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    with disk.exclusively(path.parent):
        # Another of the console's processes may have been first.
        if _is_usable(path, names, now):
            return False
        disk.replace_file(path, _made(names, now))
    return True


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate, written as browsers do."""
    return hashlib.sha256(der).digest().hex(":").upper()


def _is_usable(path: Path, names: Iterable[str], now: datetime.datetime) -> bool:
    try:
        content = path.read_bytes()
        key = serialization.load_pem_private_key(content, password=None)
        certificate = x509.load_pem_x509_certificate(content)
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    return (
        key.public_key() == certificate.public_key()
        and certificate.not_valid_before_utc <= now
        and now < certificate.not_valid_after_utc - RENEWED_BEFORE
        and set(_general_names(names)) <= set(held)
    )


def _made(names: Iterable[str], now: datetime.datetime) -> bytes:
    key = keys.generate(KeyType.ECDSA_P256)
    subject = [x509.NameAttribute(x509.NameOID.COMMON_NAME, "Gateway Admin")]
    certificate = self_signed.make(key, subject, _general_names(names), now)
    return keys.to_pem(keys.to_der(key)) + certificate.public_bytes(serialization.Encoding.PEM)


def _general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    return [found for name in names if (found := _general_name(name)) is not None]


def _general_name(name: str) -> x509.GeneralName | None:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        is_host = name.strip("*.") and name.isascii() and name.isprintable()
        return x509.DNSName(name) if is_host else None
    return None if address.is_unspecified else x509.IPAddress(address)
