"""Makes real files cost what no program would: rounds of key derivation beyond all measure."""

from __future__ import annotations

import base64
import functools

from certificates.parsing import costs, der
from certificates.parsing.der import Element
from tests.certificates.parsing.reader import material

# What openssl 3.0 writes.
USUAL_ROUNDS = 2048
USUAL_SCRYPT = 16384
HUNDRED_MILLION = 100_000_000


def with_integer(data: bytes, old: int, new: int) -> bytes:
    """The same DER with another number in each place where the old one stood."""
    return _rewritten(der.first(data), old, new)


@functools.cache
def costly_files() -> dict[str, bytes]:
    """By what is wrong with them: each would keep a processor busy, or fill the memory."""
    key, bundle = material("openssl/ec.encrypted.der"), material("openssl/modern.pfx")
    scrypt = material("openssl/ec.scrypt.pem")
    bare = material("openssl/without-mac.pfx")
    scrypt_der = _from_pem(scrypt)
    return {
        "key, 100 million rounds": with_integer(key, USUAL_ROUNDS, HUNDRED_MILLION),
        "key, one round too many": with_integer(key, USUAL_ROUNDS, costs.MAX_ROUNDS + 1),
        "PFX, 100 million rounds": with_integer(bundle, USUAL_ROUNDS, HUNDRED_MILLION),
        "PFX, 100 million rounds inside": with_integer(bare, USUAL_ROUNDS, HUNDRED_MILLION),
        "PFX, 2 billion rounds inside": with_integer(bare, USUAL_ROUNDS, 2**31 - 1),
        "scrypt, 1 GiB": with_integer(scrypt_der, USUAL_SCRYPT, 1 << 20),
        "scrypt, too large to count": with_integer(scrypt_der, USUAL_SCRYPT, 1 << 60),
    }


def keys_that_cost(*rounds: int) -> list[bytes]:
    """A key of each of these numbers of rounds."""
    key = material("openssl/ec.encrypted.der")
    return [with_integer(key, USUAL_ROUNDS, number) for number in rounds]


def nested(tag: int, depth: int, innermost: bytes = b"") -> bytes:
    """Values inside of values."""
    for _ in range(depth):
        innermost = encoded(tag, innermost)
    return innermost


def nested_files() -> dict[str, bytes]:
    """By what they seem to be: files that send whoever reads them down thousands of steps."""
    pbes2 = bytes.fromhex("06092a864886f70d01050d")
    algorithm = encoded(der.SEQUENCE, pbes2 + nested(der.SEQUENCE, 7000))
    key = encoded(der.SEQUENCE, algorithm + encoded(der.OCTET_STRING, b"x" * 16))
    version, data = b"\x02\x01\x03", bytes.fromhex("06092a864886f70d010701")
    pieces = encoded(der.TAGGED_0, nested(0x24, 6000))
    deep_safe = encoded(der.SEQUENCE, version + encoded(der.SEQUENCE, data + pieces))
    whole = encoded(der.TAGGED_0, encoded(der.OCTET_STRING, encoded(der.SEQUENCE, b"")))
    safe = encoded(der.SEQUENCE, data + whole)
    deep_mac = encoded(der.SEQUENCE, version + safe + nested(der.SEQUENCE, 7000))
    return {"key": key, "PFX in pieces": deep_safe, "PFX with a deep MAC": deep_mac}


def _rewritten(element: Element, old: int, new: int) -> bytes:
    content = element.content
    if element.tag == der.INTEGER and der.number(element) == old:
        content = new.to_bytes(new.bit_length() // 8 + 1, "big")
    elif element.tag & 0x20:
        content = b"".join(_rewritten(part, old, new) for part in der.children(element))
    elif element.tag == der.OCTET_STRING and content[:1] == b"\x30":
        try:
            inner = der.first(content)
        except ValueError:
            inner = None
        if inner is not None and inner.raw == content:
            content = _rewritten(inner, old, new)
    return encoded(element.tag, content)


def encoded(tag: int, content: bytes) -> bytes:
    """One value in DER."""
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(digits)]) + digits + content


def _from_pem(text: bytes) -> bytes:
    return base64.b64decode(b"".join(text.splitlines()[1:-1]))
