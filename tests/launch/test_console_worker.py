"""The console's worker with its real gunicorn: who is slow or silent keeps nobody else waiting."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway_admin.launch import console_worker, programs
from gateway_admin.launch.console_worker import PatientUnreader
from tests.parts.processes import Process, answers, free_port, wait_until
from tests.parts.product import CHECKOUT, clean_environment

COUNT = 20
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


@dataclasses.dataclass(frozen=True)
class Server:
    """Gunicorn as the console's own command starts it, with a small application."""

    process: Process
    port: int
    context: ssl.SSLContext | None

    def connected(self, *, in_tls: bool = True) -> socket.socket:
        """A connection that has said nothing but, over TLS, the handshake."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return self.context.wrap_socket(plain) if self.context and in_tls else plain

    def client(self) -> http.client.HTTPConnection:
        """A well-behaved client."""
        return client_of(self.connected())

    def seconds_for_a_page(self) -> float:
        """How long one waits for an answer."""
        begin = time.monotonic()
        with closing(self.client()) as client:
            client.request("GET", "/")
            assert client.getresponse().read() == b"/ 0"
        return time.monotonic() - begin


def client_of(connection: socket.socket) -> http.client.HTTPConnection:
    """HTTP on that connection."""
    client = http.client.HTTPConnection("localhost")
    client.sock = connection
    return client


def context() -> ssl.SSLContext:
    """Trusts everybody."""
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


@pytest.fixture(scope="module", params=[True, False], ids=["https", "http"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    data_dir: Path = tmp_path_factory.mktemp("worker")
    port = free_port()
    console = programs.product(f"127.0.0.1:{port}", tls=request.param)[0]
    command = [
        part.replace("gateway_admin.wsgi", "tests.launch.echoing") for part in console.command
    ]
    env = clean_environment() | {"GATEWAY_ADMIN_DATA_DIR": str(data_dir)}
    env |= {"GATEWAY_ADMIN_CONSOLE_CERTIFICATE": "self-signed"} if request.param else {}
    process = Process(command, log=data_dir / "log", env=env, cwd=CHECKOUT)
    process.wait_until(lambda: answers(port), "The console listens")
    yield Server(process, port, context() if request.param else None)
    process.stop()


def slow_ones(server: Server, kept: contextlib.ExitStack) -> list[socket.socket]:
    """Many of each kind: silent before and after the handshake, half of it, half requests, …"""

    def many(first: bytes, *, in_tls: bool = True) -> list[socket.socket]:
        made = [kept.enter_context(server.connected(in_tls=in_tls)) for _ in range(COUNT)]
        for connection in made:
            connection.sendall(first)
        return made

    return [
        *many(b"", in_tls=False),
        *(many(b"\x16\x03\x01", in_tls=False) if server.context else ()),
        *many(b""),
        *many(b"GET / HT"),
        *many(HEAD + b"Content-Length: 9\r\n\r\nhalf"),
        *many(HEAD + b"Connection: close\r\n\r\n"),
        *many(HEAD + b"\r\nGET / HT"),
    ]


def test_nobody_waits_for_those_who_are_silent_or_slow(server: Server) -> None:
    server.seconds_for_a_page()
    with contextlib.ExitStack() as kept:
        slow_ones(server, kept)
        assert max(server.seconds_for_a_page() for _ in range(20)) < 2.0


def test_of_very_many_the_oldest_makes_room(server: Server) -> None:
    with contextlib.ExitStack() as kept:
        oldest = kept.enter_context(server.connected())
        for _ in range(console_worker.MOST_ARRIVING):
            kept.enter_context(server.connected())
        assert oldest.recv(1) == b""
        assert server.seconds_for_a_page() < 2.0


@pytest.mark.slow
def test_they_are_let_go_in_time(server: Server) -> None:
    begin = time.monotonic()
    with contextlib.ExitStack() as kept:
        for connection in slow_ones(server, kept):
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(4096):
                    pass
    assert time.monotonic() - begin < console_worker.ARRIVAL_PATIENCE + 4.0


def test_one_connection_serves_many_requests_and_bodies_of_any_length(server: Server) -> None:
    with closing(server.client()) as client:
        for length in (0, 1, 60_000, 70_000, 3_000_000):
            client.request("POST", "/x", b"x" * length)
            assert client.getresponse().read() == b"/x %d" % length
        client.request("POST", "/x", iter([b"ab", b"c"]), encode_chunked=True)
        assert client.getresponse().read() == b"/x 3"


def test_requests_sent_at_once_are_answered_one_after_the_other(server: Server) -> None:
    with closing(server.connected()) as connection:
        asked = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(9))
        connection.sendall(asked)
        received = b""
        while b"/8 0" not in received:
            received += connection.recv(4096) or pytest.fail("It was closed early.")
        assert [received.index(b"\r\n/%d 0" % number) for number in range(9)] == sorted(
            received.index(b"\r\n/%d 0" % number) for number in range(9)
        )


def test_a_head_without_an_end_is_told_so(server: Server) -> None:
    with closing(server.connected()) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 12_000)
        assert connection.recv(12) == b"HTTP/1.1 431"


def test_a_client_who_waits_to_be_asked_for_the_body_is_asked(server: Server) -> None:
    with closing(server.connected()) as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert b"100 Continue" in connection.recv(100)
        connection.sendall(b"abc")
        wait_until(lambda: connection.recv(4096).endswith(b"/ 3"), "It is answered")


def test_silent_clients_do_not_keep_it_from_stopping(tmp_path: Path) -> None:
    port = free_port()
    command = (sys.executable, "-m", "gunicorn", "tests.launch.echoing:application")
    options = (f"--bind=127.0.0.1:{port}", "--no-control-socket", "--graceful-timeout=60")
    worker = "--worker-class=gateway_admin.launch.console_worker.ConsoleWorker"
    env = clean_environment()
    process = Process([*command, *options, worker], log=tmp_path / "log", env=env, cwd=CHECKOUT)
    process.wait_until(lambda: answers(port), "It listens")
    # A signal that comes while gunicorn's worker is being started is lost to it.
    Server(process, port, None).seconds_for_a_page()
    with closing(socket.create_connection(("127.0.0.1", port), timeout=30)):
        begin = time.monotonic()
        process.stop()
        assert time.monotonic() - begin < 5.0


def test_the_rest_of_a_long_body_is_waited_for_until_its_deadline() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        unreader = PatientUnreader(ours)
        unreader.deadline = time.monotonic() + 0.02
        with pytest.raises(ConnectionResetError):
            unreader.chunk()
        with pytest.raises(ConnectionResetError):
            unreader.chunk()
        assert ours.gettimeout() is None
        unreader.deadline = time.monotonic() + 20
        theirs.sendall(b"x")
        assert unreader.chunk() == b"x"
