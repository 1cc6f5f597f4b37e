"""What of a request has to be there before a thread is given to it."""

from __future__ import annotations

import selectors
import socket

import pytest

from gateway_admin.launch.arriving import (
    MOST_AWAITED,
    TOO_LARGE,
    Arrival,
    RefusedError,
    is_complete,
)

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (b"", False),
        (b"GET / HT", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", False),
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (HEAD + b"content-length: 3\r\n\r\nab", False),
        (HEAD + b"Content-Length: 3\r\n\r\nabc", True),
        (HEAD + b"Content-Length: 3\r\n\r\nabcGET", True),
        (HEAD + b"Content-Length: -3\r\n\r\n", True),
        (HEAD + b"X-Content-Length: 3\r\n\r\n", True),
        (HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", True),
        (HEAD + b"Content-Length: %d\r\n\r\n" % MOST_AWAITED, True),
        (HEAD + b"Content-Length: 999999999999999999\r\n\r\n", True),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", True),
    ],
)
def test_a_request_is_complete_with_its_head_and_a_short_body(
    received: bytes, expected: bool
) -> None:
    assert is_complete(received) is expected


def test_pieces_are_put_together_as_they_come() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    arrival = Arrival(ours)
    with ours, theirs:
        for byte in HEAD:
            assert arrival.go_on() == selectors.EVENT_READ
            theirs.sendall(bytes([byte]))
        theirs.sendall(b"\r\n")
        assert arrival.go_on() == 0
        assert arrival.received == HEAD + b"\r\n"


def test_a_head_without_an_end_is_refused_and_a_client_who_leaves_is_gone() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    arrival = Arrival(ours, received=b"x" * MOST_AWAITED)
    with ours, theirs, pytest.raises(RefusedError) as caught:
        arrival.go_on()
    assert caught.value.answer == TOO_LARGE
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        with pytest.raises(ConnectionResetError):
            Arrival(ours).go_on()
