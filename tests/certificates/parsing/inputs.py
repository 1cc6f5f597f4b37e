"""Uploads of any kind: real files whole, damaged, spliced and disguised, and plain garbage."""

from __future__ import annotations

import base64

from hypothesis import strategies as st

from certificates.parsing import refusals
from tests.certificates.parsing.hostile import encoded
from tests.certificates.parsing.reader import MATERIAL, PASSWORD

# Files of 600,000 rounds and more take most of the time and are read in other tests.
_SLOW = ("gnutls", "nss")
PIECES = [
    path.read_bytes()
    for path in sorted(MATERIAL.rglob("*"))
    if path.is_file() and path.name != "make" and path.parent.name not in _SLOW
]
_LABELS = [
    b"CERTIFICATE",
    b"TRUSTED CERTIFICATE",
    b"PRIVATE KEY",
    b"ENCRYPTED PRIVATE KEY",
    b"RSA PRIVATE KEY",
    b"EC PRIVATE KEY",
    b"PKCS7",
    b"CERTIFICATE REQUEST",
    b"X509 CRL",
]
_INSERTIONS = [
    b"A",
    b"\n",
    b"\x00",
    b"\x30\x80",
    b"\x02\x01\x00",
    b"-----BEGIN CERTIFICATE-----",
    b"-----END CERTIFICATE-----",
    b"DEK-Info: AES-256-CBC,00\n",
    b"Proc-Type: 4,ENCRYPTED\n",
]


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """A real file of which a part is missing, inserted or changed."""
    content = draw(st.sampled_from(PIECES))
    for _ in range(draw(st.integers(0, 3))):
        position = draw(st.integers(0, len(content)))
        removed = draw(st.sampled_from([0, 0, 1, 1, 2, 4, 64, 1000]))
        put = draw(st.sampled_from([b"", *_INSERTIONS]) | st.binary(min_size=1, max_size=4))
        content = content[:position] + put + content[position + removed :]
    return content


@st.composite
def _flipped(draw: st.DrawFn) -> bytes:
    """A real file in which single bytes are others: in PEM of what stands in the base64."""
    content = draw(st.sampled_from(PIECES))
    lines = content.splitlines()
    is_pem = content.startswith(b"-----BEGIN") and b":" not in content
    blocks = content.count(b"-----BEGIN")
    if is_pem and blocks == 1:
        content = base64.b64decode(b"".join(lines[1:-1]))
    changed = bytearray(content)
    for position in draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        changed[position] = draw(st.integers(0, 255))
    if not (is_pem and blocks == 1):
        return bytes(changed)
    return lines[0] + b"\n" + base64.encodebytes(bytes(changed)) + lines[-1] + b"\n"


def _values(depth: int) -> st.SearchStrategy[bytes]:
    """DER of any shape."""
    plain = st.builds(
        encoded, st.sampled_from([1, 2, 3, 4, 5, 6, 12, 19, 23, 24]), st.binary(max_size=20)
    )
    if depth == 0:
        return plain
    inside = st.lists(_values(depth - 1), max_size=4).map(b"".join)
    return plain | st.builds(encoded, st.sampled_from([0x30, 0x31, 0xA0, 0xA1, 0x24]), inside)


@st.composite
def _labelled(draw: st.DrawFn) -> bytes:
    """Any bytes between lines that promise something."""
    label = draw(st.sampled_from(_LABELS))
    body = base64.encodebytes(draw(st.binary(max_size=200) | _values(3)))
    return b"-----BEGIN " + label + b"-----\n" + body + b"-----END " + label + b"-----\n"


@st.composite
def _disguised(draw: st.DrawFn) -> bytes:
    """Whatever it is, as an editor or a form may have saved it."""
    content = draw(_damaged() | _flipped() | _labelled())
    form = draw(st.sampled_from(["plain", "plain", "crlf", "bom", "utf-16", "doubled", "text"]))
    match form:
        case "crlf":
            content = content.replace(b"\n", b"\r\n")
        case "bom":
            content = b"\xef\xbb\xbf" + content
        case "utf-16":
            content = content.decode("latin-1").encode("utf-16")
        case "doubled":
            content = content + content
        case "text":
            content = b"Bag Attributes\n" + content + b"\nthe end"
    return content[: refusals.MAX_FILE]


def uploads() -> st.SearchStrategy[tuple[list[bytes], str | None]]:
    """Files and a password."""
    garbage = st.binary(max_size=300)
    real = st.sampled_from(PIECES)
    files = st.lists(
        _disguised() | _disguised() | real | garbage | _values(4), min_size=1, max_size=4
    )
    return st.tuples(files, st.sampled_from([None, PASSWORD, PASSWORD, "wrong"]) | st.text())
