"""The one request for a token: bounded, following nothing, resolving nothing."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from challenges.preflight.fetching import MOST_BYTES, MOST_HEAD, Answer, Outcome, fetch
from tests.parts.processes import free_port

LOOPBACK = ipaddress.ip_address("127.0.0.1")
OK = b"HTTP/1.1 200 OK\r\n\r\n"


class Peer:
    """A TCP server that answers the first connection as told, and remembers what it was asked."""

    def __init__(self, answer: bytes, *, pause: float = 0.0, silent: bool = False) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.server.getsockname()[1])
        self.answer, self.pause, self.silent = answer, pause, silent
        self.over = threading.Event()
        self.asked = b""
        self.sent = 0
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        with self.server, self.server.accept()[0] as client:
            self.asked = client.recv(4096)
            if self.silent:
                self.over.wait(10)
            step = 1 if self.pause else len(self.answer) or 1
            try:
                for start in range(0, len(self.answer), step):
                    client.sendall(self.answer[start : start + step])
                    self.sent += step
                    if self.pause and self.over.wait(self.pause):
                        return
            except OSError:
                return


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """Starts a peer; it is gone after the test."""
    started: list[Peer] = []

    def start(answer: bytes = b"", **options: object) -> Peer:
        started.append(Peer(answer, **options))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for each in started:
        each.over.set()
        each.thread.join(10)


def ask(port: int, *, seconds: float = 2) -> Answer:
    return fetch(LOOPBACK, port, "token", host="a.test", seconds=seconds)


@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [
        (OK + b"authorization", Outcome.ANSWERED, 200),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", Outcome.ANSWERED, 404),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nauthorization\r\n0\r\n\r\n",
            Outcome.ANSWERED,
            200,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nauthorization", Outcome.ANSWERED, 200),
        (b"", Outcome.CUT_OFF, 0),
        (OK[:10], Outcome.CUT_OFF, 0),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 3000 + b"\r\n", Outcome.CUT_OFF, 0),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Outcome.NOT_HTTP, 0),
        (b"\x15\x03\x01\x00\x02\x02F", Outcome.NOT_HTTP, 0),
    ],
)
def test_whatever_a_peer_answers_is_an_outcome(
    peer: Callable[..., Peer], answer: bytes, outcome: Outcome, status: int
) -> None:
    got = ask(peer(answer).port)
    assert (got.outcome, got.status) == (outcome, status)
    assert got.is_token("authorization") is (status == 200)


def test_what_is_asked_is_what_a_certificate_authority_asks(peer: Callable[..., Peer]) -> None:
    server = peer(OK)
    ask(server.port)
    lines = server.asked.split(b"\r\n")
    assert lines[:2] == [b"GET /.well-known/acme-challenge/token HTTP/1.1", b"Host: a.test"]


def test_not_more_is_read_than_is_looked_at(peer: Callable[..., Peer]) -> None:
    got = ask(peer(OK + b"x" * 10_000_000).port)
    assert got.body == b"x" * MOST_BYTES
    endless = peer(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 10_000_000)
    assert ask(endless.port).body == b""
    assert (MOST_HEAD, MOST_BYTES) == (8 * 1024, 1024), "as the documentation says"


@pytest.mark.parametrize(
    ("after", "is_token"),
    [
        (b"\r\n", True),
        (b"\n" * 114, True),
        (b"\n" * 115, False),
        (b"\n" * 200, False),
        (b"\x0b", False),
        (b"\0", False),
    ],
)
def test_a_body_that_a_ca_refuses_is_no_token(after: bytes, is_token: bool) -> None:
    got = Answer(Outcome.ANSWERED, 200, b"authorization" + after)
    assert got.is_token("authorization") is is_token


@pytest.mark.parametrize(
    ("said", "came"),
    [(OK + b"a secret", "HTTP 200"), (b"a secret\r\n", "not HTTP"), (b"", "cut off")],
)
def test_what_came_can_be_told_without_a_word_of_the_peer(
    peer: Callable[..., Peer], said: bytes, came: str
) -> None:
    server = peer(said)
    assert ask(server.port).without_words == f"127.0.0.1:{server.port}: {came}"


@pytest.mark.parametrize("answer", [OK + b"x" * 400, b"HTTP/1.1 200 OK\r\nA: " + b"x" * 400])
def test_a_peer_that_trickles_is_left_in_time(peer: Callable[..., Peer], answer: bytes) -> None:
    started = time.monotonic()
    assert ask(peer(answer, pause=0.02).port, seconds=0.5).outcome is Outcome.MUTE
    assert time.monotonic() - started < 2


def test_a_peer_that_says_nothing_has_at_least_taken_the_connection(
    peer: Callable[..., Peer],
) -> None:
    assert ask(peer(silent=True).port, seconds=0.3).outcome is Outcome.MUTE


def test_a_redirect_is_not_followed(peer: Callable[..., Peer]) -> None:
    elsewhere = socket.create_server(("127.0.0.1", 0))
    target = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/"
    got = ask(peer(f"HTTP/1.1 301 Moved\r\nLocation: {target}\r\n\r\n".encode()).port)
    assert (got.status, got.header("location")) == (301, target)
    elsewhere.setblocking(False)
    with elsewhere, pytest.raises(BlockingIOError):
        elsewhere.accept()


def test_a_closed_port_is_refused() -> None:
    assert ask(free_port()).outcome is Outcome.REFUSED


def test_a_network_without_a_route_is_told_from_silence() -> None:
    # Class E (RFC 1112 §4) and an address that only routers of the past know lead nowhere.
    got = fetch(ipaddress.ip_address("255.255.255.255"), 80, "token", host="a.test", seconds=1)
    assert got.outcome in {Outcome.NO_ROUTE, Outcome.UNREACHABLE}


def test_nothing_is_resolved_so_that_a_second_answer_of_the_dns_cannot_redirect_it(
    peer: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = peer(OK + b"authorization")

    def rebound(*_asked: object, **_options: object) -> object:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    monkeypatch.setattr(socket, "create_connection", rebound)
    got = fetch(LOOPBACK, server.port, "token", host="rebinding.test", seconds=2)
    assert got.is_token("authorization")
