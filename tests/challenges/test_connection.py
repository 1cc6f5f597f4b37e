"""What the server does with peers and with a database that hang: in one process, real sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import pytest

from challenges import binding, connection, serving
from challenges.serving import Server
from challenges.visits import Book
from tests.challenges.conftest import AUTHORIZATION, TOKEN, get, received
from tests.parts.processes import free_port, wait_until

PATH = f"/.well-known/acme-challenge/{TOKEN}"
REQUEST = f"GET {PATH} HTTP/1.1\r\nHost: a.test\r\n\r\n".encode()


class Database:
    """Has one token; can be made to hang, and to lose one reply."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.loses_one = False
        self.is_over = threading.Event()

    def read(self, tokens: Collection[str]) -> Mapping[str, str]:
        if self.loses_one:
            self.loses_one = False
            assert self.is_over.wait(30)
        assert self.answers.wait(30)
        return {TOKEN: AUTHORIZATION} if TOKEN in tokens else {}


class Running:
    """A server in a thread, on a port."""

    def __init__(self, most_connections: int, most_held: int) -> None:
        self.database = Database()
        self.book = Book()
        self.port = free_port()
        self.loop = asyncio.new_event_loop()
        self.server = Server(
            self.loop,
            read=self.database.read,
            book=self.book,
            most_connections=most_connections,
            most_held=most_held,
        )
        self.server.listen(binding.listen(["127.0.0.1"], self.port, backlog=100))
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def stop(self) -> float:
        """Stop it; how many seconds that took."""
        started = time.monotonic()
        asyncio.run_coroutine_threadsafe(self.server.stop(), self.loop).result(10)
        return time.monotonic() - started

    def end(self) -> None:
        """Stop it, if that is still to be done, and its thread."""
        self.stop()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


Serve = Callable[..., Running]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(most_connections: int, *, most_held: int = serving.MOST_HELD) -> Running:
            running = Running(most_connections, most_held)
            stack.callback(running.end)
            stack.callback(running.database.answers.set)
            stack.callback(running.database.is_over.set)
            return running

        yield start


@contextmanager
def connected(port: int, number: int) -> Iterator[Sequence[socket.socket]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=15))
            for _ in range(number)
        ]


def is_closed(peer: socket.socket) -> bool:
    """Whether the server has hung up; reads what has come until then."""
    peer.setblocking(False)
    try:
        return peer.recv(65536) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        peer.settimeout(15)


def can_send(peer: socket.socket, data: bytes) -> bool:
    """Sends as much as can be sent; whether the server has not hung up."""
    peer.setblocking(False)
    try:
        peer.send(data)
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    return True


def test_a_database_that_hangs_delays_an_answer_and_never_hangs_the_port(serve: Serve) -> None:
    running = serve(100)
    assert get(running.port).endswith(AUTHORIZATION.encode())
    running.database.answers.clear()
    started = time.monotonic()
    elsewhere = f"/.well-known/acme-challenge/{'x' * 43}"
    with connected(running.port, 1) as (other,):
        other.sendall(REQUEST.replace(PATH.encode(), elsewhere.encode()))
        assert get(running.port).endswith(AUTHORIZATION.encode()), "what was known last"
        assert received(other).startswith(b"HTTP/1.1 503 ")
    assert time.monotonic() - started < connection.ANSWER_DEADLINE + 1.5
    assert get(running.port, "/").startswith(b"HTTP/1.1 404 "), "needs no database"
    running.database.answers.set()
    assert get(running.port, elsewhere).startswith(b"HTTP/1.1 404 ")


def test_one_lost_reply_of_the_database_does_not_silence_the_port(serve: Serve) -> None:
    running = serve(100)
    running.database.loses_one = True
    assert get(running.port).startswith(b"HTTP/1.1 503 ")
    wait_until(lambda: get(running.port).endswith(AUTHORIZATION.encode()), "the token", timeout=4)


def test_requests_one_after_the_other_on_one_connection_are_all_answered(serve: Serve) -> None:
    with connected(serve(100).port, 1) as (peer,):
        for _ in range(20):
            peer.sendall(REQUEST)
            assert peer.recv(4096).endswith(AUTHORIZATION.encode())
        peer.sendall(REQUEST * 19 + REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        answers = received(peer)
    assert answers.count(AUTHORIZATION.encode()) == 20
    assert answers.count(b"Connection: close") == 1


def test_a_peer_that_shuts_its_side_still_gets_its_answer(serve: Serve) -> None:
    running = serve(100)
    with connected(running.port, 1) as (peer,):
        peer.sendall(REQUEST)
        peer.shutdown(socket.SHUT_WR)
        assert received(peer).endswith(AUTHORIZATION.encode())


def test_every_connection_is_over_within_ten_seconds_whatever_the_peer_does(serve: Serve) -> None:
    running = serve(100)
    started = time.monotonic()
    with connected(running.port, 5) as (silent, busy, slow, body, deaf):
        body.sendall(b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n")
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sends = {silent: b"", busy: REQUEST, slow: b"G", body: b"x", deaf: REQUEST * 50}
        left = list(sends)

        def all_are_over() -> bool:
            left[:] = [
                peer
                for peer in left
                if can_send(peer, sends[peer]) and (peer is deaf or not is_closed(peer))
            ]
            return not left

        wait_until(all_are_over, "all are over", timeout=12, every=0.05)
    assert time.monotonic() - started < 10


def test_a_peer_that_does_not_read_its_answers_is_hung_up_on(serve: Serve) -> None:
    running = serve(100)
    (listener,) = running.server._listeners
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect(("127.0.0.1", running.port))
        wait_until(lambda: running.server._connections, "the connection")
        deaf.sendall(REQUEST * 100)
        wait_until(lambda: not running.server._connections, "the end", timeout=1.5)


def test_when_all_places_are_taken_the_oldest_silent_connection_makes_room(serve: Serve) -> None:
    running = serve(10)
    with connected(running.port, 10) as strangers:
        wait_until(lambda: len(running.server._connections) == 10, "all are there")
        running.database.answers.clear()
        strangers[0].sendall(REQUEST)  # not silent
        wait_until(lambda: running.server._questions._is_looking, "the question")
        for _ in range(3):
            with connected(running.port, 1) as (peer,):
                peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert received(peer).startswith(b"HTTP/1.1 404 ")
        wait_until(lambda: is_closed(strangers[1]), "the oldest has made room")
        assert not is_closed(strangers[9])
        running.database.answers.set()
        assert strangers[0].recv(4096).endswith(AUTHORIZATION.encode())


def held_by_each(running: Running) -> list[int]:
    return [connection._held for connection in tuple(running.server._holders)]


def test_heads_without_an_end_take_no_more_memory_than_they_may(serve: Serve) -> None:
    running = serve(100, most_held=10_000)
    unfinished = b"GET / HTTP/1.1\r\nA: " + b"a" * 3980
    with connected(running.port, 5) as strangers:
        for stranger in strangers[:4]:
            stranger.sendall(unfinished[:2000])
            wait_until(lambda: 2000 in held_by_each(running), "the first part")
            stranger.sendall(unfinished[2000:])
            wait_until(lambda: 2000 not in held_by_each(running), "the rest")
        assert [is_closed(stranger) for stranger in strangers] == [True, True, False, False, False]
        assert running.server._held == 2 * len(unfinished)
        assert get(running.port).endswith(AUTHORIZATION.encode())
        strangers[2].sendall(b"\r\n\r\n")
        assert received(strangers[2]).startswith(b"HTTP/1.1 404 ")
    wait_until(lambda: not running.server._connections, "the end")
    assert running.server._held == 0
    assert not running.server._holders


def test_what_waits_behind_a_question_counts_as_well(serve: Serve) -> None:
    running = serve(100, most_held=5000)
    running.database.answers.clear()
    with connected(running.port, 2) as (first, second):
        first.sendall(REQUEST)
        wait_until(lambda: running.server._questions._is_looking, "the question")
        first.sendall(b"x" * 4000)
        wait_until(lambda: running.server._held == 4000, "more")
        second.sendall(b"GET / HTTP/1.1\r\nA: " + b"a" * 3980)
        wait_until(lambda: is_closed(first), "the first has made room")
        assert not is_closed(second)


class Flooded(socket.socket):
    """A listening socket to which somebody new has always connected."""

    accepted = 0

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        self.accepted += 1
        ours, theirs = socket.socketpair()
        theirs.close()
        return ours, ("192.0.2.1", 1)


def test_a_flood_does_not_keep_the_port_from_being_changed() -> None:
    async def run() -> int:
        server = Server(
            asyncio.get_running_loop(), read=lambda _tokens: {}, book=Book(), most_connections=0
        )
        with Flooded() as flooded:
            flooded.bind(("127.0.0.1", 0))
            flooded.listen()
            server.listen([flooded])
            server.listen([])
            await server.stop()
            return flooded.accepted

    assert asyncio.run(run()) == serving.BACKLOG


def test_stopping_answers_what_is_under_way_and_waits_for_nobody_who_is_silent(
    serve: Serve,
) -> None:
    running = serve(100)
    with connected(running.port, 3) as (silent, idle, asking):
        idle.sendall(REQUEST)
        assert idle.recv(4096).endswith(AUTHORIZATION.encode())
        running.database.answers.clear()
        asking.sendall(REQUEST)
        wait_until(lambda: running.server._questions._is_looking, "the question")
        threading.Timer(0.3, running.database.answers.set).start()
        assert running.stop() < 3.5
        assert received(asking).endswith(AUTHORIZATION.encode())
        assert received(idle) == b""
        assert received(silent) == b""


def test_stopping_answers_what_has_arrived_and_nobody_has_read_yet(serve: Serve) -> None:
    running = serve(100)
    with connected(running.port, 1) as (peer,):
        peer.sendall(REQUEST)
        assert peer.recv(4096).endswith(AUTHORIZATION.encode())

        async def send_and_stop() -> None:
            peer.sendall(REQUEST)
            await running.server.stop()

        asyncio.run_coroutine_threadsafe(send_and_stop(), running.loop).result(10)
        assert received(peer).endswith(AUTHORIZATION.encode())


def test_who_connected_before_the_stop_may_still_ask(serve: Serve) -> None:
    running = serve(100)
    with connected(running.port, 1) as (peer,):
        stopping = asyncio.run_coroutine_threadsafe(running.server.stop(), running.loop)
        wait_until(lambda: running.server._is_stopping, "the stop")
        peer.sendall(REQUEST)
        assert received(peer).endswith(AUTHORIZATION.encode())
        stopping.result(1)


def test_evidence_is_noted_of_tokens_and_of_nothing_else(serve: Serve) -> None:
    running = serve(100)
    get(running.port)
    get(running.port, "/")
    with connected(running.port, 1) as (peer,):
        peer.sendall(
            f"HEAD {PATH}x HTTP/1.0\r\nHost: b.test:80\r\nUser-Agent: \xe4\r\n\r\n".encode(
                "latin-1"
            )
        )
        assert received(peer).startswith(b"HTTP/1.1 404 ")
    wait_until(lambda: len(running.book._unwritten) == 2, "both are noted")
    known, unknown = running.book.take()
    assert known.was_sent
    assert unknown.was_sent
    assert (known.token, known.is_known, known.host) == (TOKEN, True, "a.test")
    assert (known.address, known.user_agent) == ("127.0.0.1", "")
    assert (unknown.token, unknown.is_known) == (f"{TOKEN}x", False)
    assert (unknown.host, unknown.user_agent) == ("b.test", "ä")
    assert known.received_at <= unknown.received_at


def test_who_asked_and_hung_up_before_the_answer_has_come_and_was_not_answered(
    serve: Serve,
) -> None:
    running = serve(100)
    running.database.answers.clear()
    with connected(running.port, 1) as (peer,):
        peer.sendall(REQUEST)
        wait_until(lambda: running.server._questions._is_looking, "the question")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_until(lambda: running.book._unwritten, "it is noted", timeout=2)
    (gone,) = running.book.take()
    assert (gone.token, gone.is_known, gone.was_sent) == (TOKEN, None, False)


def test_an_answer_that_cannot_be_sent_any_more_is_not_noted_as_an_answer(serve: Serve) -> None:
    running = serve(100)
    running.database.answers.clear()
    with connected(running.port, 1) as (peer,):
        peer.sendall(REQUEST)
        wait_until(lambda: running.server._questions._is_looking, "the question")
        (asking,) = running.server._connections
        asking.socket.shutdown(socket.SHUT_WR)  # the next to be sent is refused by the kernel
        running.database.answers.set()
        wait_until(lambda: running.book._unwritten, "it is noted")
    (unsent,) = running.book.take()
    assert (unsent.is_known, unsent.was_sent) == (True, False)


def test_a_request_that_the_database_could_not_be_asked_about_is_noted_as_such(
    serve: Serve,
) -> None:
    running = serve(100)
    running.database.answers.clear()
    with connected(running.port, 1) as (peer,):
        peer.sendall(REQUEST)
        assert received(peer).startswith(b"HTTP/1.1 503 ")
    wait_until(lambda: running.book._unwritten, "it is noted")
    (put_off,) = running.book.take()
    assert (put_off.token, put_off.is_known, put_off.was_sent) == (TOKEN, None, True)
