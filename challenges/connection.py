"""One connection to the challenge port, driven by the event loop.

Every wait has a deadline and every buffer a bound, whatever the peer sends, or does not send, or
does not read. An answer fits into the kernel's buffer; who lets that fill up is hung up on.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import socket
import struct
import termios
from typing import Protocol

from challenges import answering, heads
from challenges.answering import Answer
from challenges.heads import Request

# Seconds. Deadlines are looked at twice a second, so that all is over within ten.
LONGEST_LIFE = 9.0
HEAD_DEADLINE = 5.0
ANSWER_DEADLINE = 3.0
LINGER = 1.0
# After an answer: how long another request is waited for, and up to which age of the connection.
IDLE_DEADLINE = 2.0
LAST_REQUEST_AT = 4.0
_RECEIVED_AT_ONCE = 4096
_MOST_DRAINED = 1 << 20
_INT = struct.Struct("i")
_RESET = struct.pack("ii", 1, 0)  # struct linger: on, for no time


class State(enum.Enum):
    """What the connection waits for."""

    READING = enum.auto()  # the rest of a head
    ASKING = enum.auto()  # the database
    LEAVING = enum.auto()  # the peer, to have read the last answer


class Port(Protocol):
    """What a connection needs of the server that it belongs to."""

    def time(self) -> float:
        """The event loop's clock."""

    def date(self) -> str:
        """The Date header."""

    def watch(self, connection: Connection) -> None:
        """Call ``readable`` when something arrives."""

    def unwatch(self, connection: Connection) -> None:
        """Do not, for now."""

    def ask(self, token: str, connection: Connection) -> None:
        """Have ``hear`` called with the answer."""

    def forget(self, token: str, connection: Connection) -> None:
        """Nobody waits for that answer any longer."""

    def remembered(self, token: str) -> Answer:
        """The answer to give without the database."""

    def note(
        self, request: Request, token: str, answer: Answer, address: str, *, was_sent: bool
    ) -> None:
        """Evidence of a request for a token, and whether the answer could be sent."""

    def hold(self, connection: Connection, more: int, total: int) -> None:
        """So many more bytes, and so many in all, wait for the rest of a head."""

    def gone(self, connection: Connection) -> None:
        """The connection is closed."""


class Connection:
    """A peer, what it has sent so far, and what it waits for."""

    __slots__ = (
        "_buffer",
        "_drained",
        "_has_answered",
        "_held",
        "_request",
        "_seen",
        "_token",
        "address",
        "begun",
        "deadline",
        "is_stopping",
        "is_watched",
        "port",
        "socket",
        "state",
    )

    def __init__(self, port: Port, sock: socket.socket, address: str) -> None:
        self.port = port
        self.socket = sock
        self.address = address
        self.begun = port.time()
        self.deadline = self.begun + HEAD_DEADLINE
        self.state = State.READING
        self.is_watched = False
        self.is_stopping = False
        self._buffer = b""
        self._seen = 0  # bytes in which the end of a head has been looked for in vain
        self._held = 0  # bytes that the port knows of
        self._drained = 0
        self._has_answered = False
        self._token = ""
        self._request: Request | None = None

    @property
    def is_idle(self) -> bool:
        """Whether a request has been answered and nothing of another has come."""
        return self._has_answered and self.state is State.READING and not self._buffer

    def readable(self) -> None:
        """Called by the event loop."""
        try:
            data = self.socket.recv(_RECEIVED_AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        if self.state is State.LEAVING:
            self._drain(data)
        elif self.state is State.ASKING:
            self._keep(data)
        elif data:
            self._buffer += data
            self._read()
        else:
            self.close()

    def hear(self, answer: Answer) -> None:
        """The answer to what was asked; called by the event loop."""
        request, token = self._request, self._token
        if self.state is not State.ASKING or request is None:
            return
        self._request, self._token = None, ""
        is_last = (
            self.is_stopping
            or not request.is_persistent
            or answer is answering.AWAY
            or self.port.time() - self.begun > LAST_REQUEST_AT
        )
        was_sent = self._send(answer, is_last=is_last, with_body=request.method != "HEAD")
        self.port.note(request, token, answer, self.address, was_sent=was_sent)
        if not was_sent:
            return
        if is_last:
            self._leave(is_clean=not self._buffer and not request.has_body)
            return
        self._has_answered = True
        self._wait(State.READING, IDLE_DEADLINE)
        self.port.watch(self)
        if self._buffer:
            self._read()

    def late(self) -> None:
        """The deadline has passed."""
        if self.state is State.ASKING:
            self.port.forget(self._token, self)
            self.is_stopping = True
            self.hear(self.port.remembered(self._token))
        else:
            self.give_up()

    def give_up(self) -> None:
        """Hang up on a peer that may not have read what was sent to it."""
        with contextlib.suppress(OSError):
            # The kernel would go on offering it for minutes to a peer that reads nothing.
            (unread,) = _INT.unpack(fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(_INT.size)))
            if unread:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close()

    def close(self) -> None:
        """Hang up, once and for all."""
        if self.state is State.ASKING and self._request:
            self.port.forget(self._token, self)
            # Who asked and went has come all the same.
            known = self.port.remembered(self._token)
            self.port.note(self._request, self._token, known, self.address, was_sent=False)
        self.state = State.LEAVING
        self._buffer = b""
        if self._held:
            self._tell_held()
        self.port.unwatch(self)
        self.socket.close()
        self.port.gone(self)

    def _wait(self, state: State, seconds: float) -> None:
        self.state = state
        self.deadline = min(self.port.time() + seconds, self.begun + LONGEST_LIFE)

    def _read(self) -> None:
        if not self._seen:
            # An empty line before the request line is allowed (RFC 9112 §2.2).
            self._buffer = self._buffer.lstrip(b"\r\n")
        try:
            end = heads.end(self._buffer, self._seen) if self._buffer else None
            if (end or len(self._buffer)) > heads.LONGEST:
                self._refuse(answering.HEAD_TOO_LARGE)
            elif end is not None:
                head, self._buffer, self._seen = self._buffer[:end], self._buffer[end:], 0
                self._serve(heads.parse(head))
            else:
                self._seen = len(self._buffer)
        except heads.Malformed:
            self._refuse(answering.BAD_REQUEST)
        except heads.TooManyFields:
            self._refuse(answering.HEAD_TOO_LARGE)
        if len(self._buffer) != self._held:
            self._tell_held()

    def _tell_held(self) -> None:
        more, self._held = len(self._buffer) - self._held, len(self._buffer)
        self.port.hold(self, more, self._held)

    def _serve(self, request: Request) -> None:
        asked = answering.asked(request.method, request.path)
        if isinstance(asked, Answer):
            self._refuse(asked, with_body=request.method != "HEAD", is_clean=not request.has_body)
            return
        self._token, self._request = asked, request
        self._wait(State.ASKING, ANSWER_DEADLINE)
        self.port.ask(asked, self)

    def _keep(self, data: bytes) -> None:
        """What comes while an answer is waited for: the next request, or the end of them."""
        self._buffer += data
        if not data:
            self.is_stopping = True
        if not data or len(self._buffer) > heads.LONGEST:
            self.port.unwatch(self)
        if len(self._buffer) != self._held:
            self._tell_held()

    def _refuse(self, answer: Answer, *, with_body: bool = True, is_clean: bool = False) -> None:
        """A last answer: who asks for anything but a token has no business here."""
        if self._send(answer, is_last=True, with_body=with_body):
            self._leave(is_clean=is_clean and not self._buffer)

    def _send(self, answer: Answer, *, is_last: bool, with_body: bool) -> bool:
        data = heads.written(answer, date=self.port.date(), is_last=is_last, with_body=with_body)
        try:
            sent = self.socket.send(data)
        except OSError:
            sent = 0
        if sent < len(data):
            self.give_up()
            return False
        return True

    def _leave(self, *, is_clean: bool) -> None:
        """Close without cutting off the answer: unread bytes would turn the end into a reset."""
        if is_clean:
            self.close()
            return
        self._buffer = b""
        if self._held:
            self._tell_held()
        self._wait(State.LEAVING, LINGER)
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        self.port.watch(self)

    def _drain(self, data: bytes) -> None:
        self._drained += len(data)
        if not data or self._drained > _MOST_DRAINED:
            self.close()
