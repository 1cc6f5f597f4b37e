"""Reads the outermost structure of DER and BER (X.690) without judging what it says.

Only as much as tells one kind of file from another, and what opening it would cost.
"""

from __future__ import annotations

import dataclasses

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
SEQUENCE = 0x30
SET = 0x31
# [0], constructed.
TAGGED_0 = 0xA0
# The bit of a tag that says that values are inside.
CONSTRUCTED = 0x20

_DEEPEST = 24
_END_OF_CONTENTS = b"\x00\x00"


class TooDeepError(ValueError):
    """Values inside of values inside of values, deeper than any file has them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Element:
    """One value: its tag byte, what is in it, and all its bytes."""

    tag: int
    content: bytes
    raw: bytes


def first(data: bytes) -> Element:
    """The value that the bytes begin with. Raises ValueError."""
    return _read(data, 0, 0)[0]


def children(element: Element) -> list[Element]:
    """The values inside of one. Raises ValueError."""
    return _all_of(element.content, 0)


def number(element: Element) -> int:
    """The INTEGER's value; -1 when it is none, or longer than 16 bytes."""
    if element.tag != INTEGER or not 0 < len(element.content) <= 16:
        return -1
    return int.from_bytes(element.content, "big", signed=True)


def octets(element: Element) -> bytes:
    """The content of an OCTET STRING, also of one that BER sends in pieces. Raises ValueError."""
    return _octets(element, 0)


def _octets(element: Element, depth: int) -> bytes:
    if not element.tag & CONSTRUCTED:
        return element.content
    if depth > _DEEPEST:
        raise TooDeepError("an OCTET STRING is in too many pieces of pieces")
    return b"".join(_octets(part, depth + 1) for part in children(element))


def _all_of(content: bytes, depth: int) -> list[Element]:
    found, position = [], 0
    while position < len(content):
        element, position = _read(content, position, depth)
        found.append(element)
    return found


def _read(data: bytes, begin: int, depth: int) -> tuple[Element, int]:
    if depth > _DEEPEST or begin + 2 > len(data) or data[begin] & 0x1F == 0x1F:
        raise ValueError("not a value in DER")
    tag, length, position = data[begin], data[begin + 1], begin + 2
    if length == 0x80:
        return _read_open(data, begin, depth)
    if length > 0x80:
        digits = data[position : position + length - 0x80]
        position += length - 0x80
        length = int.from_bytes(digits, "big")
    end = position + length
    if end > len(data):
        raise ValueError("a value in DER is cut off")
    return Element(tag, data[position:end], data[begin:end]), end


def _read_open(data: bytes, begin: int, depth: int) -> tuple[Element, int]:
    """A value of BER that says only at its end that it ends."""
    position = begin + 2
    while data[position : position + 2] != _END_OF_CONTENTS:
        position = _read(data, position, depth + 1)[1]
    end = position + 2
    return Element(data[begin], data[begin + 2 : position], data[begin:end]), end
