"""Tells what DER is by its outermost structure, and what else a file that is none may be."""

from __future__ import annotations

import codecs
import enum

from certificates.parsing import der, refusals
from certificates.parsing.der import Element
from challenges.problems import Problem

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")  # pkcs7-signedData


class Kind(enum.Enum):
    """What can be told apart."""

    CERTIFICATES = enum.auto()
    KEY = enum.auto()
    ENCRYPTED_KEY = enum.auto()
    PFX = enum.auto()
    REQUEST = enum.auto()
    REVOCATION_LIST = enum.auto()
    PUBLIC_KEY = enum.auto()
    UNKNOWN = enum.auto()


# By the tags of the parts. An encrypted key and a public key differ in the second one alone.
_BY_TAGS: dict[tuple[int, ...], Kind] = {
    (der.SEQUENCE, der.OCTET_STRING): Kind.ENCRYPTED_KEY,  # EncryptedPrivateKeyInfo, RFC 5958 §3
    (der.SEQUENCE, der.BIT_STRING): Kind.PUBLIC_KEY,  # SubjectPublicKeyInfo, RFC 5280 §4.1
    (der.INTEGER, der.INTEGER): Kind.PUBLIC_KEY,  # RSAPublicKey, RFC 8017 A.1.1
}


def recognize(data: bytes) -> tuple[Kind, list[bytes]]:
    """The kind, and the DER of its parts: several only of certificates in PKCS#7."""
    try:
        outer = der.first(data)
        if outer.tag != der.SEQUENCE:
            return Kind.UNKNOWN, []
        parts = der.children(outer)
        if _is_signed_data(parts):
            return Kind.CERTIFICATES, _certificates_of(parts[1])
        # A TRUSTED CERTIFICATE of OpenSSL goes on after the certificate itself.
        return _kind_of(parts), [outer.raw]
    except ValueError:
        return Kind.UNKNOWN, []


def _kind_of(parts: list[Element]) -> Kind:
    tags = tuple(part.tag for part in parts)
    if tags[:3] == (der.SEQUENCE, der.SEQUENCE, der.BIT_STRING):
        return _signed_kind(der.children(parts[0]))
    if tags[:1] == (der.INTEGER,):
        version = der.number(parts[0])
        if version == 3 and tags[1:2] == (der.SEQUENCE,):
            return Kind.PFX
        if (version == 0 and len(parts) > 2) or version == 1:
            return Kind.KEY  # PKCS#8, PKCS#1, SEC1, and DSA's own form
    return _BY_TAGS.get(tags, Kind.UNKNOWN)


def _signed_kind(parts: list[Element]) -> Kind:
    """Of what is signed: a certificate, a request or a revocation list."""
    tags = [part.tag for part in parts]
    if tags[:1] == [der.TAGGED_0]:
        return Kind.CERTIFICATES
    if len(tags) > 2 and tags[0] == der.INTEGER and tags[1] == der.SEQUENCE:
        inner = der.children(parts[1])
        if not inner or inner[0].tag == der.SET:
            return Kind.REQUEST  # version, subject (RFC 2986 §4.1)
        # version, signature, issuer, a time; or serial, signature, issuer, a pair of times
        is_pair = len(tags) > 3 and tags[3] == der.SEQUENCE
        return Kind.CERTIFICATES if is_pair else Kind.REVOCATION_LIST
    return Kind.REVOCATION_LIST if tags[:2] == [der.SEQUENCE, der.SEQUENCE] else Kind.UNKNOWN


def _is_signed_data(parts: list[Element]) -> bool:
    return (
        len(parts) == 2
        and parts[0].tag == der.OBJECT_IDENTIFIER
        and parts[0].content == _SIGNED_DATA
        and parts[1].tag == der.TAGGED_0
    )


def _certificates_of(explicit: Element) -> list[bytes]:
    """The certificates in a SignedData (RFC 5652 §5.1). Raises ValueError when there are none."""
    (signed_data,) = der.children(explicit)
    for part in der.children(signed_data):
        if part.tag == der.TAGGED_0:
            return [item.raw for item in der.children(part) if item.tag == der.SEQUENCE]
    raise ValueError("SignedData without certificates")


def as_text(content: bytes) -> bytes:
    """The text in the bytes of ASCII, whatever editor it was saved with."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace").encode("ascii", "replace")
    # Without the mark that Notepad writes: every second byte of what is ASCII is zero.
    for encoding, zeros in (("utf-16-le", content[1:64:2]), ("utf-16-be", content[0:64:2])):
        if zeros and not zeros.strip(b"\0"):
            return content.decode(encoding, "replace").encode("ascii", "replace")
    return content.removeprefix(codecs.BOM_UTF8)


def stranger(text: bytes) -> Problem:
    """What a file is that holds nothing of ours."""
    start = text[:512].lstrip().lower()
    for marks, problem in _MARKS:
        if start.startswith(marks):
            return problem
    return refusals.NOT_RECOGNIZED


_MARKS: tuple[tuple[tuple[bytes, ...], Problem], ...] = (
    ((b"<!doctype html", b"<html", b"<head", b"<?xml", b"<!--"), refusals.WEB_PAGE),
    ((b"pk\x03\x04", b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"rar!"), refusals.ARCHIVE),
    ((b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"), refusals.JAVA_KEYSTORE),
    ((b"putty-user-key-file-",), refusals.PUTTY_KEY),
    ((b"ssh-", b"ecdsa-sha2-", b"---- begin ssh2"), refusals.OPENSSH_KEY),
)
