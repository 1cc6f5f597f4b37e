"""A request on its way in, taken piece by piece as it comes: handshake, head, and a short body.

Nothing here waits, so that clients who say nothing cost no thread. Knows nothing of gunicorn.
"""

from __future__ import annotations

import errno
import re
import selectors
import socket
import ssl
from collections.abc import Callable

TLS_HANDSHAKE = b"\x16"  # RFC 8446 §5.1
# Bytes of head and body together. Beyond it the rest of a body is read by whoever answers.
MOST_AWAITED = 64 * 1024
_PIECE = 16 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_EXPECTATION = re.compile(rb"\r\nexpect:", re.IGNORECASE)
_ANSWER = "HTTP/1.1 {}\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n{}\n"
SPOKE_HTTP = _ANSWER.format(
    "400 Bad Request",
    "This console speaks HTTPS only: write https:// in front of its address.",
).encode()
TOO_LARGE = _ANSWER.format(
    "431 Request Header Fields Too Large", "The head of this request is too long."
).encode()


class RefusedError(Exception):
    """The client gets this answer, and its connection is closed."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(answer)
        self.answer = answer


class Arrival:
    """One request on one non-blocking connection."""

    def __init__(
        self,
        connection: socket.socket,
        wrap: Callable[[socket.socket], ssl.SSLSocket] | None = None,
        received: bytes = b"",
    ) -> None:
        """``wrap`` begins TLS without a handshake; None where it is spoken already, or never."""
        self.connection, self._wrap = connection, wrap
        self._greeting: ssl.SSLSocket | None = None
        self.received = received

    def go_on(self) -> int:
        """Take what has come. What to wait for (selectors.EVENT_...), or 0: it is complete.

        Raises OSError when the client has left or speaks no proper TLS, RefusedError when it has
        to be told something, and whatever ``wrap`` raises.
        """
        try:
            self._greet()
            while not is_complete(self.received):
                if len(self.received) >= MOST_AWAITED:
                    raise RefusedError(TOO_LARGE)
                self.received += self._some(self.connection.recv(_PIECE))
        except (BlockingIOError, ssl.SSLWantReadError):
            return selectors.EVENT_READ
        except ssl.SSLWantWriteError:
            return selectors.EVENT_WRITE
        return 0

    def _greet(self) -> None:
        if self._wrap:
            # Past TLS, which has nothing to say to those who do not speak it.
            first = self._some(self.connection.recv(1, socket.MSG_PEEK))
            if first != TLS_HANDSHAKE:
                raise RefusedError(SPOKE_HTTP)
            self.connection = self._greeting = self._wrap(self.connection)
            self._wrap = None
        if self._greeting:
            self._greeting.do_handshake()
            self._greeting = None

    def _some(self, data: bytes) -> bytes:
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "closed by the client")
        return data


def is_complete(received: bytes) -> bool:
    """Whether somebody can answer: the head is here, and the body unless it is a long one.

    Decides about waiting alone: what the request means is for whoever reads it after that.
    """
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return False
    end += 4
    head = received[:end]
    if _EXPECTATION.search(head):
        return True  # The client waits to be asked for the body (RFC 9110 §10.1.1).
    length = _LENGTH.search(head)
    wanted = end + (int(length[1]) if length else 0)
    return wanted > MOST_AWAITED or len(received) >= wanted
