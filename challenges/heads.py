"""The head of an HTTP/1 request (RFC 9112), read strictly, and the bytes of an answer.

Nothing is passed on to another server and no body is ever read, so there is no framing to agree
on: a request that announces a body is answered and its connection closed. Pure.
"""

from __future__ import annotations

import dataclasses
import re

from challenges.answering import Answer

# Let's Encrypt's own requests have about 300 bytes; a forwarding proxy may add some headers.
LONGEST = 4096
MOST_FIELDS = 64  # each costs more than its bytes
_TCHAR = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_REQUEST_LINE = rb"(" + _TCHAR + rb"{1,32}) ([\x21-\x7e\x80-\xff]++) HTTP/1\.([0-9])\r\n"
_FIELD = _TCHAR + rb"++:[\t\x20-\x7e\x80-\xff]*+\r\n"
_HEAD = re.compile(_REQUEST_LINE + rb"((?:" + _FIELD + rb")*+)\r\n")
_FIRST_LINE = re.compile(_REQUEST_LINE)
_FIRST_BYTE = re.compile(_TCHAR)
# A bare LF ends a line nowhere in this parser; it is looked for here so that nobody has to wait.
_END = re.compile(rb"\r?\n\r?\n")
_ABSOLUTE = re.compile(r"http://([^/?#]*)(.*)", re.IGNORECASE)


class Malformed(Exception):
    """Bytes that are no HTTP/1 request."""


class TooManyFields(Exception):
    """A head with more than MOST_FIELDS lines of fields."""


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What a request says. Texts are as the stranger wrote them, each byte a character.

    ``host`` is still with its port.
    """

    method: str
    path: str
    host: str
    user_agent: str
    has_body: bool
    is_persistent: bool


def end(received: bytes, seen: int = 0) -> int | None:
    """Where the head at the beginning of ``received`` ends; None while more of it must come.

    The first ``seen`` bytes have been looked at before, in vain. Raises Malformed as soon as it
    can be seen that no head will come of it.
    """
    start = max(0, seen - 3)
    found = received.find(b"\r\n\r\n", start)
    if found >= 0:
        return found + 4
    if match := _END.search(received, start):
        return match.end()
    if not _FIRST_BYTE.match(received):
        raise Malformed
    if received.find(b"\n") >= seen and not _FIRST_LINE.match(received):
        raise Malformed
    return None


def parse(head: bytes) -> Request:
    """The request of a whole head. Raises Malformed and TooManyFields."""
    if head.count(b"\n") > MOST_FIELDS + 2:  # the request line and the empty one
        raise TooManyFields
    match = _HEAD.fullmatch(head)
    if match is None:
        raise Malformed
    method, target, minor, lines = match.groups()
    fields = _fields(lines)
    path, host = target.decode("latin-1"), fields.get(b"host", b"").decode("latin-1")
    if not path.startswith("/") and (absolute := _ABSOLUTE.fullmatch(path)):
        # The target names the host, whatever the field says (RFC 9112 §3.2.2).
        host, path = absolute.groups()
    has_body = _has_body(fields.get(b"content-length"), fields.get(b"transfer-encoding"))
    return Request(
        method=method.decode("ascii"),
        path=path.partition("?")[0],
        host=host,
        user_agent=fields.get(b"user-agent", b"").decode("latin-1"),
        has_body=has_body,
        is_persistent=minor != b"0" and not has_body and not _closes(fields.get(b"connection")),
    )


def written(answer: Answer, *, date: str, is_last: bool, with_body: bool) -> bytes:
    """The bytes of an answer; ``is_last`` says that the connection is closed after it."""
    status = answer.status
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", f"Date: {date}"]
    if is_last:
        lines.append("Connection: close")
    lines += [f"{name}: {value}" for name, value in answer.headers]
    head = "\r\n".join((*lines, "", "")).encode("ascii")
    return head + answer.body if with_body else head


def _fields(lines: bytes) -> dict[bytes, bytes]:
    """Fields by their names in lower case; repeated ones are one list (RFC 9110 §5.3)."""
    found: dict[bytes, bytes] = {}
    for line in lines.split(b"\r\n")[:-1]:
        name, _colon, value = line.partition(b":")
        name, value = name.lower(), value.strip(b"\t ")
        found[name] = found[name] + b"," + value if name in found else value
    return found


def _closes(connection: bytes | None) -> bool:
    if connection is None:
        return False
    return b"close" in (option.strip() for option in connection.lower().split(b","))


def _has_body(length: bytes | None, encoding: bytes | None) -> bool:
    if length is None:
        return encoding is not None
    # Both, or a list, is how a request is smuggled past one server to another (RFC 9112 §6.3).
    if encoding is not None or not length.isdigit():
        raise Malformed
    return length.strip(b"0") != b""
