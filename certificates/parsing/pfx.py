"""Opens PKCS#12 files (PFX), those of Windows' past with RC2 and 3DES as well."""

from __future__ import annotations

import contextlib
import dataclasses

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import RC2
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from certificates import keys
from certificates.parsing import der, refusals
from certificates.parsing.private_keys import usable
from challenges.problems import ProblemError

# pkcs-12PbeIds with RC4 and RC2 (RFC 7292, appendix C), and both bags that hold a key.
_OUTDATED = tuple(bytes.fromhex(f"2a864886f70d010c01{last}") for last in ("01", "02", "05", "06"))
# PBES2, all of pkcs-12PbeIds, and PKCS#7's encryptedData.
_ENCRYPTION = tuple(
    bytes.fromhex(oid) for oid in ("2a864886f70d01050d", "2a864886f70d010c01", "2a864886f70d010706")
)
_KEY_BAGS = tuple(bytes.fromhex(f"060b2a864886f70d010c0a01{last}") for last in ("01", "02"))


@dataclasses.dataclass(frozen=True)
class Opened:
    """What a PFX file holds; ``key_count`` is what its structure shows, as the library hands out
    one key only."""

    certificates: list[bytes]
    key_count: int
    key: keys.PrivateKey | None = dataclasses.field(repr=False)


def open_pfx(data: bytes, password: str | None) -> Opened:
    """The certificates and the key. Raises ProblemError."""
    key, leaf, others = _load(data, password)
    found = [item for item in (leaf, *others) if item is not None]
    return Opened(
        certificates=[item.public_bytes(Encoding.DER) for item in found],
        key_count=sum(data.count(bag) for bag in _KEY_BAGS),
        key=None if key is None else usable(key),
    )


def _load(
    data: bytes, password: str | None
) -> tuple[object, x509.Certificate | None, list[x509.Certificate]]:
    if password and "\0" in password:
        # No such file has one, and the library panics, which no handler expects.
        raise ProblemError(refusals.PFX_PASSWORD_WRONG)
    # One attempt only: each costs up to hundreds of thousands of rounds. Of the two ways to spell
    # no password the library itself tries both.
    attempt = password.encode("utf-8", "replace") if password else None
    with contextlib.suppress(ValueError, TypeError):
        try:
            return pkcs12.load_key_and_certificates(data, attempt)
        except UnsupportedAlgorithm:
            raise ProblemError(refusals.PFX_UNREADABLE) from None
    if not _is_whole(data) or not _is_protected(data):
        raise ProblemError(refusals.PFX_UNREADABLE)
    if any(cipher in data for cipher in _OUTDATED) and not _can_open_outdated():
        raise ProblemError(refusals.PFX_CIPHER_TOO_OLD)
    raise ProblemError(refusals.PFX_PASSWORD_WRONG if password else refusals.PFX_PASSWORD_MISSING)


def _is_whole(data: bytes) -> bool:
    """Whether the parts that no password hides are there: PFX, AuthenticatedSafe, its contents."""
    try:
        _, safe, *_ = der.children(der.first(data))
        _, explicit = der.children(safe)
        (content,) = der.children(explicit)
        for part in der.children(der.first(der.octets(content))):
            der.children(part)
    except ValueError:
        return False
    return True


def _is_protected(data: bytes) -> bool:
    """Whether a password has to do with it: by a check of integrity (MacData), or by encryption."""
    has_mac = len(der.children(der.first(data))) > 2
    return has_mac or any(mark in data for mark in _ENCRYPTION)


def _can_open_outdated() -> bool:
    """Whether the library has OpenSSL's outdated methods, which a system may leave out."""
    try:
        Cipher(RC2(bytes(16)), modes.CBC(bytes(8))).encryptor()
    except UnsupportedAlgorithm:
        return False
    return True
