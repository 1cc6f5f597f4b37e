"""One bounded HTTP request for a token, to one address, following nothing and resolving nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import errno
import http.client
import io
import socket
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from challenges import answering
from challenges.preflight.surroundings import Address

PATH = "/.well-known/acme-challenge/"
MOST_BYTES = 1024  # of what an answer says
MOST_HEAD = 8192  # bytes; a proxy may add a lot that is no fault
_SHOWN = 200  # characters of a header field
# Let's Encrypt reads no further, and refuses a body of this size or more.
_REFUSED_FROM = 128  # bytes
_CUT_OFF_BY_CAS = b" \t\r\n"
_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.EACCES, errno.EHOSTDOWN})


class Outcome(enum.Enum):
    """What came of it."""

    ANSWERED = "answered"
    REFUSED = "refused"
    SILENT = "no connection in time"
    MUTE = "connected, but no answer in time"
    CUT_OFF = "cut off"
    NOT_HTTP = "not HTTP"
    UNREACHABLE = "reported as unreachable"
    NO_ROUTE = "no route"
    NOT_ASKED = "not asked, because this is no address of another machine"


@dataclasses.dataclass(frozen=True)
class Answer:
    """An HTTP answer, or why there is none. All but ``outcome`` and ``status`` is a stranger's.

    ``headers`` have lower-case names. Of what is not HTTP, ``body`` holds the first bytes.
    """

    outcome: Outcome
    status: int = 0
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    detail: str = ""
    where: str = ""

    @property
    def without_words(self) -> str:
        """Where it was asked and what came of it, without a word of whoever answered."""
        came = f"HTTP {self.status}" if self.status else self.outcome.value
        return f"{self.where}: {came}"

    def header(self, name: str) -> str:
        """The first field of this lower-case name, else empty."""
        return next((value for found, value in self.headers if found == name), "")

    def is_of_service(self, known: answering.Answer) -> bool:
        """Whether it is this answer of a challenge service; with a Server header it is none's."""
        is_it = (self.status, self.body) == (known.status, known.body)
        return is_it and not self.header("server")

    def is_token(self, authorization: str) -> bool:
        """Whether this is what a CA accepts: 200 and the key authorization (RFC 8555 §8.3)."""
        is_short = len(self.body) < _REFUSED_FROM
        said = self.body.rstrip(_CUT_OFF_BY_CAS)
        return self.status == HTTPStatus.OK and is_short and said == authorization.encode()


def fetch(address: Address, port: int, token: str, *, host: str, seconds: float) -> Answer:
    """GET the token from ``address``, by the name ``host``, within ``seconds`` all together.

    Never raises for what the peer does. The address is one and not a name, so that no second
    look-up can lead elsewhere than the first.
    """
    peer = _Peer(time.monotonic() + seconds)
    where = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    try:
        with peer.connected(address, port):
            return _ask(peer, token, host, where)
    except (OSError, http.client.HTTPException) as error:
        outcome = _outcome(error, peer)
        detail = f"{where}: {outcome.value} ({str(error) or type(error).__name__})"
        first = peer.first if outcome is Outcome.NOT_HTTP else b""
        return Answer(outcome, body=first, detail=detail, where=where)


class _Peer(io.RawIOBase):
    """The connection as http.client reads it: up to so many bytes, until one moment."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline
        self._socket: socket.socket | None = None
        self._left = MOST_HEAD + MOST_BYTES
        self.first = b""

    @property
    def is_connected(self) -> bool:
        """Whether it ever was."""
        return self._socket is not None

    @contextlib.contextmanager
    def connected(self, address: Address, port: int) -> Iterator[None]:
        """Connect, and hang up at the end."""
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as opened:
            opened.settimeout(self._seconds())
            opened.connect((str(address), port))
            self._socket = opened
            yield

    def send(self, data: bytes) -> None:
        """Send all of it."""
        assert self._socket is not None  # noqa: S101 - for the type checker
        self._socket.settimeout(self._seconds())
        self._socket.sendall(data)

    def makefile(self, *_args: Any, **_options: Any) -> io.BufferedReader:
        """What http.client asks a socket for."""
        return io.BufferedReader(self, buffer_size=512)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """As of RawIOBase; the end comes after as much as anybody needs."""
        assert self._socket is not None  # noqa: S101 - for the type checker
        self._socket.settimeout(self._seconds())
        count = self._socket.recv_into(buffer, min(len(buffer), self._left)) if self._left else 0
        self._left -= count
        self.first = (self.first + bytes(buffer[:count]))[:64]
        return count

    def _seconds(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the whole answer took too long")
        return left


def _ask(peer: _Peer, token: str, host: str, where: str) -> Answer:
    peer.send(
        f"GET {PATH}{token} HTTP/1.1\r\nHost: {host}\r\n"
        "User-Agent: gateway-admin (preflight)\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode(
            "ascii", "replace"
        )
    )
    response = http.client.HTTPResponse(peer)  # type: ignore[arg-type]  # all it uses is makefile
    response.begin()
    try:
        body = response.read(MOST_BYTES)
    except http.client.IncompleteRead as error:
        body = error.partial[:MOST_BYTES]
    headers = tuple((name.lower(), value[:_SHOWN]) for name, value in response.getheaders())
    server = response.getheader("Server") or ""
    detail = f"{where}: {response.status} {server[:80]!r} {body[:200]!r}"
    return Answer(Outcome.ANSWERED, response.status, body, headers, detail, where)


def _outcome(error: Exception, peer: _Peer) -> Outcome:
    if isinstance(error, ConnectionRefusedError):
        return Outcome.REFUSED
    if isinstance(error, TimeoutError):
        return Outcome.MUTE if peer.is_connected else Outcome.SILENT
    if isinstance(error, http.client.HTTPException) and peer.first:
        return Outcome.CUT_OFF if peer.first.startswith(b"HTTP/") else Outcome.NOT_HTTP
    if peer.is_connected:
        return Outcome.CUT_OFF
    number = error.errno if isinstance(error, OSError) else None
    return Outcome.UNREACHABLE if number in _UNREACHABLE else Outcome.NO_ROUTE
