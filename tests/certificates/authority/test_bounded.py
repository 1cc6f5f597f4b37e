from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certificates.authority import InvalidAnswerError, UnreachableError
from certificates.authority.bounded import Address, Deadline, first_to_answer
from certificates.authority.transport import EXCHANGE_LIMIT, Transport
from certificates.leases import LEASE
from tests.certificates.authority.ca import Ca
from tests.parts.pki import HttpsAuthority
from tests.parts.processes import free_port

LIMIT = 0.4  # seconds
MEBIBYTE = 1024 * 1024

Talk = Callable[["Line"], None]


class Line:
    """The server's end of a connection."""

    def __init__(self, opened: socket.socket, stop: threading.Event) -> None:
        self.opened = opened
        self.stop = stop

    def trickle(self, pieces: Iterator[bytes]) -> None:
        """One piece after the other, far more often than any read would wait for one."""
        for piece in pieces:
            self.opened.sendall(piece)
            if self.stop.wait(0.02):
                return


class Server:
    """Says to everybody who connects what ``talk`` says."""

    def __init__(self, directory: Path, talk: Talk, *, encrypted: bool = True) -> None:
        authority = HttpsAuthority(directory)
        self.bundle = authority.bundle
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(authority.files.certificate, authority.files.key)
        self._talk, self._encrypted = talk, encrypted
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}/directory"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop talking and listening."""
        self._stop.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(OSError):
                opened, _ = self._listener.accept()
                with opened:
                    opened.settimeout(10)
                    self._speak(opened)

    def _speak(self, opened: socket.socket) -> None:
        if not self._encrypted:
            self._talk(Line(opened, self._stop))
            return
        with self._context.wrap_socket(opened, server_side=True) as wrapped:
            asked = b""
            while b"\r\n\r\n" not in asked:
                asked += wrapped.recv(4096)
            self._talk(Line(wrapped, self._stop))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers."""
    with contextlib.ExitStack() as servers:

        def start(talk: Talk, **options: bool) -> Server:
            server = Server(tmp_path, talk, **options)
            servers.callback(server.close)
            return server

        yield start


def slow_status(line: Line) -> None:
    line.trickle(itertools.repeat(b"H"))


def slow_headers(line: Line) -> None:
    line.opened.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    line.trickle(itertools.repeat(b"x"))


def slow_lines(line: Line) -> None:
    line.opened.sendall(b"HTTP/1.1 200 OK\r\n")
    line.trickle(itertools.repeat(b"X: x\r\n"))


def slow_body(line: Line) -> None:
    line.opened.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    line.trickle(itertools.repeat(b"x"))


def slow_body_until_the_end(line: Line) -> None:
    line.opened.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    line.trickle(itertools.repeat(b"x"))


def slow_chunks(line: Line) -> None:
    line.opened.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    line.trickle(itertools.repeat(b"1\r\nx\r\n"))


def slow_chunk_size(line: Line) -> None:
    line.opened.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    line.trickle(itertools.repeat(b"0"))


def slow_trailer(line: Line) -> None:
    line.opened.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    line.trickle(itertools.repeat(b"X: x\r\n"))


def go_on(line: Line) -> None:
    line.trickle(itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"))


def silence(line: Line) -> None:
    line.stop.wait(10)


@pytest.mark.parametrize(
    "talk",
    [
        slow_status,
        slow_headers,
        slow_lines,
        slow_body,
        slow_body_until_the_end,
        slow_chunks,
        slow_chunk_size,
        slow_trailer,
        go_on,
        silence,
    ],
)
def test_an_answer_that_trickles_is_given_up_at_the_deadline(
    serve: Callable[..., Server], talk: Talk
) -> None:
    server = serve(talk)
    transport = Transport(server.url, server.bundle, limit=LIMIT)
    begin = time.monotonic()
    with pytest.raises(UnreachableError, match=r"longer than 0\.4 seconds"):
        transport.send("GET", server.url)
    assert LIMIT <= time.monotonic() - begin < LIMIT + 2


def test_a_handshake_that_trickles_is_given_up_at_the_deadline(
    serve: Callable[..., Server],
) -> None:
    def handshake(line: Line) -> None:
        # A record of 16 KiB is announced and never whole.
        line.trickle(itertools.chain([b"\x16\x03\x03\x40\x00"], itertools.repeat(b"\x02")))

    server = serve(handshake, encrypted=False)
    transport = Transport(server.url, server.bundle, limit=LIMIT)
    begin = time.monotonic()
    with pytest.raises(UnreachableError, match=r"longer than 0\.4 seconds"):
        transport.send("GET", server.url)
    assert time.monotonic() - begin < LIMIT + 2


def test_an_answer_that_promises_too_much_is_refused_before_it_is_read(
    serve: Callable[..., Server],
) -> None:
    closed = threading.Event()

    def promise(line: Line) -> None:
        line.opened.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n")
        with contextlib.suppress(OSError):
            assert line.opened.recv(1) == b""
        closed.set()

    server = serve(promise)
    transport = Transport(server.url, server.bundle, limit=20)
    with pytest.raises(InvalidAnswerError, match="larger than 1 MiB"):
        transport.send("GET", server.url)
    assert closed.wait(10)


def test_an_endless_answer_is_read_up_to_the_limit(serve: Callable[..., Server]) -> None:
    sent = 0
    ended = threading.Event()

    def pour(line: Line) -> None:
        nonlocal sent
        try:
            line.opened.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not line.stop.is_set():
                line.opened.sendall(bytes(65536))
                sent += 65536
        except OSError:
            ended.set()

    server = serve(pour)
    transport = Transport(server.url, server.bundle, limit=20)
    with pytest.raises(InvalidAnswerError, match="larger than 1 MiB"):
        transport.send("GET", server.url)
    assert ended.wait(10)
    assert sent < 32 * MEBIBYTE  # what the kernel keeps for both sides


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where connecting neither works nor fails: its queue is full."""
    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            caller = waiting.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def address(port: int) -> Address:
    return (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))


def test_an_address_that_is_silent_or_refuses_leaves_time_for_the_next(
    ca: Ca, silent_port: int
) -> None:
    deadline = Deadline()
    there = int(ca.base.rpartition(":")[2])
    # No socket can be made for it, as for IPv6 on some machines.
    where = ("127.0.0.1", there)
    impossible = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_UDP, "", where)
    begin = time.monotonic()
    with (
        deadline.within(3 * LIMIT),
        first_to_answer(
            [impossible, address(free_port()), address(silent_port), address(there)], deadline
        ) as opened,
    ):
        assert opened.getpeername()[1] == there
        assert 0 < (opened.gettimeout() or 0) < 3 * LIMIT
    assert LIMIT <= time.monotonic() - begin < 3 * LIMIT


def test_where_no_address_answers_there_is_no_connection(silent_port: int) -> None:
    deadline = Deadline()
    with deadline.within(LIMIT):
        with pytest.raises(ConnectionRefusedError):
            first_to_answer([address(free_port())], deadline)
        with pytest.raises(TimeoutError):
            first_to_answer([address(silent_port)] * 2, deadline)
        with pytest.raises(OSError, match="no address"):
            first_to_answer([], deadline)


def test_a_server_or_a_proxy_that_is_silent_is_given_up_at_the_deadline(
    ca: Ca, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(url: str) -> None:
        begin = time.monotonic()
        with pytest.raises(UnreachableError, match=r"longer than 0\.4 seconds"):
            Transport(url, ca.bundle, limit=LIMIT).directory()
        assert time.monotonic() - begin < LIMIT + 2

    ask(f"https://127.0.0.1:{silent_port}/directory")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{silent_port}")
    monkeypatch.setenv("no_proxy", "")
    ask("https://ca.example/directory")


def test_a_name_that_does_not_exist_is_unreachable(ca: Ca) -> None:
    transport = Transport("https://ca.invalid/directory", ca.bundle)
    with pytest.raises(UnreachableError, match=r"ca\.invalid"):
        transport.directory()


def test_an_exchange_ends_before_a_kept_lease_runs_out() -> None:
    # keep() leaves a lease as it is as long as two thirds of it are left.
    assert (LEASE * 2 / 3).total_seconds() > EXCHANGE_LIMIT


def test_a_deadline_within_another_does_not_extend_it() -> None:
    deadline = Deadline()
    assert deadline.left(5) == 5
    with deadline.within(60):
        with deadline.within(1000):
            assert 59 < deadline.left(2000) <= 60
            assert deadline.left(5) == 5
        assert deadline.left(2000) <= 60
    assert deadline.left(2000) == 2000
    with deadline.within(0), pytest.raises(TimeoutError):
        deadline.left(5)
    assert not deadline.has_passed


@pytest.fixture
def proxied(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[Server, list[bytes]]:
    """A proxy in the environment that leads everybody to one slow server, and what it was asked."""
    asked: list[bytes] = []
    inner = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = HttpsAuthority(tmp_path).files
    inner.load_cert_chain(files.certificate, files.key)

    def relay(line: Line) -> None:
        asked.append(line.opened.recv(4096))
        line.opened.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with inner.wrap_socket(line.opened, server_side=True) as wrapped:
            wrapped.recv(4096)
            slow_headers(Line(wrapped, line.stop))

    proxy = serve(relay, encrypted=False)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "")
    return proxy, asked


def test_a_proxy_of_the_environment_is_used_under_the_same_deadline(
    proxied: tuple[Server, list[bytes]],
) -> None:
    proxy, asked = proxied
    transport = Transport("https://localhost:1/directory", proxy.bundle, limit=LIMIT)
    with pytest.raises(UnreachableError, match=r"longer than 0\.4 seconds"):
        transport.directory()
    assert asked[0].startswith(b"CONNECT localhost:1 ")


def test_a_server_of_another_name_is_not_believed(proxied: tuple[Server, list[bytes]]) -> None:
    proxy, asked = proxied
    transport = Transport("https://ca.example/directory", proxy.bundle)
    with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
        transport.directory()
    assert asked[0].startswith(b"CONNECT ca.example:443 ")
