"""What opening something with a password would cost, read before it is tried.

The process's limit of computing time ends whatever is not seen here, only later.
"""

from __future__ import annotations

import itertools

from certificates.parsing import der
from certificates.parsing.der import Element

# Of all that one upload holds together, in rounds of PBKDF2 with HMAC-SHA-256: about a second of a
# processor. Programs write thousands, careful ones 600,000 for each of the five parts of a PFX.
MAX_ROUNDS = 3_000_000
# Memory of scrypt is 128·N·r bytes (RFC 7914 §2), its time N·r·p; both in no usual file are more.
MAX_SCRYPT = 1 << 20
_PBES2 = bytes.fromhex("2a864886f70d01050d")
_PBKDF2 = bytes.fromhex("2a864886f70d01050c")
_SCRYPT = bytes.fromhex("2b06010401da47040b")
_HMAC_SHA256 = bytes.fromhex("2a864886f70d0209")
_DEEPEST = 24


def of_key(data: bytes) -> int:
    """The rounds of an EncryptedPrivateKeyInfo (RFC 5958 §3). Raises ValueError as of_pfx.

    Those of the methods before PBES2 take the library three times as long.
    """
    return of_pfx(data) * (1 if _PBES2 in data[:64] else 3)


def of_pfx(data: bytes) -> int:
    """The rounds of a PFX (RFC 7292 §4), as far as no password hides them.

    Raises ValueError for what is nested deeper than any file is.
    """
    try:
        return _of(der.first(data), 0)
    except der.TooDeepError:
        raise
    except ValueError:
        return 0


def _of(element: Element, depth: int) -> int:
    """The cost of what stands in one value, also in DER that an OCTET STRING holds."""
    if depth > _DEEPEST:
        raise der.TooDeepError("nested too deeply")
    parts = der.children(element)
    return _own(parts) + sum(_inside(part, depth + 1) for part in parts)


def _inside(part: Element, depth: int) -> int:
    try:
        if part.tag & ~der.CONSTRUCTED == der.OCTET_STRING:
            content = der.octets(part)
            return _of(der.first(content), depth) if content[:1] == b"\x30" else 0
        return _of(part, depth) if part.tag & der.CONSTRUCTED else 0
    except der.TooDeepError:
        raise
    except ValueError:
        return 0  # no DER, such as what is encrypted


def _own(parts: list[Element]) -> int:
    """A salt and then rounds: PBES1, pkcs-12PbeIds, MacData and PBKDF2 (RFC 8018, RFC 7292)."""
    found = 0
    for salt, count in itertools.pairwise(parts):
        if salt.tag == der.OCTET_STRING:
            found += max(der.number(count), 0)
    if len(parts) > 1 and parts[0].content == _PBKDF2:
        found += _more_of_pbkdf2(der.children(parts[1]))
    elif len(parts) > 1 and parts[0].content == _SCRYPT:
        found += _of_scrypt(der.children(parts[1]))
    return found


def _more_of_pbkdf2(parameters: list[Element]) -> int:
    """Every other function than HMAC-SHA-256 takes twice as long for a key of 256 bits."""
    function = der.children(parameters[-1]) if len(parameters) > 2 else []
    if function and function[0].content == _HMAC_SHA256:
        return 0
    return max(der.number(parameters[1]), 0) if len(parameters) > 1 else 0


def _of_scrypt(parameters: list[Element]) -> int:
    if len(parameters) < 4:
        return 0
    cost, size, parallel = (der.number(part) for part in parameters[1:4])
    if min(cost, size, parallel) < 0 or cost * size * parallel > MAX_SCRYPT:
        return MAX_ROUNDS + 1
    return cost * size * parallel * 3 // 2
