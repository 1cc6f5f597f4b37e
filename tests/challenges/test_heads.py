"""Reading the head of a request strictly, and writing an answer."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenges import answering, heads
from challenges.heads import Malformed, Request, TooManyFields


def parsed(*lines: str) -> Request:
    return heads.parse("".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1"))


def test_a_request_of_a_ca_is_read() -> None:
    request = parsed(
        "GET /.well-known/acme-challenge/abc HTTP/1.1",
        "Host: gateway.test",
        "User-Agent: Mozilla/5.0 (compatible; Let's Encrypt validation server; +https://x)",
        "Accept: */*",
        "Connection: close",
    )
    assert request == Request(
        method="GET",
        path="/.well-known/acme-challenge/abc",
        host="gateway.test",
        user_agent="Mozilla/5.0 (compatible; Let's Encrypt validation server; +https://x)",
        has_body=False,
        is_persistent=False,
    )


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        ("/a", "/a", "field.test"),
        ("/a?b=/c", "/a", "field.test"),
        ("*", "*", "field.test"),
        ("http://target.test/a", "/a", "target.test"),
        ("HTTP://target.test:80/a?b", "/a", "target.test:80"),
        ("http://target.test", "", "target.test"),
        ("https://target.test/a", "https://target.test/a", "field.test"),
        ("//target.test/a", "//target.test/a", "field.test"),
        ("target.test:443", "target.test:443", "field.test"),
        ("/\xff%ff", "/\xff%ff", "field.test"),
    ],
)
def test_the_target_is_a_path_or_an_absolute_address(target: str, path: str, host: str) -> None:
    request = parsed(f"GET {target} HTTP/1.1", "Host: field.test")
    assert (request.path, request.host) == (path, host)


@pytest.mark.parametrize(
    ("version", "fields", "is_persistent", "has_body"),
    [
        ("1.1", [], True, False),
        ("1.1", ["Connection: keep-alive"], True, False),
        ("1.1", ["Connection: x, CLOSE"], False, False),
        ("1.1", ["Connection: x", "connection:close"], False, False),
        ("1.1", ["Connection: disclose"], True, False),
        ("1.0", [], False, False),
        ("1.0", ["Connection: keep-alive"], False, False),
        ("1.9", [], True, False),
        ("1.1", ["Content-Length: 0"], True, False),
        ("1.1", ["Content-Length: 00"], True, False),
        ("1.1", ["Content-Length:9 "], False, True),
        ("1.1", ["Transfer-Encoding: chunked"], False, True),
    ],
)
def test_whether_another_request_may_follow(
    version: str, fields: list[str], *, is_persistent: bool, has_body: bool
) -> None:
    request = parsed(f"GET / HTTP/{version}", *fields)
    assert (request.is_persistent, request.has_body) == (is_persistent, has_body)


@pytest.mark.parametrize(
    "head",
    [
        b"\r\n",
        b"GET /\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1 \r\n\r\n",
        b"GET / / HTTP/1.1\r\n\r\n",
        b" GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.10\r\n\r\n",
        b"GET / http/1.1\r\n\r\n",
        b"G@T / HTTP/1.1\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        b"GET /\x7f HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\n\n",
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        b"GET / HTTP/1.1\r\n: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
        b"GET / HTTP/1.1\r\nA\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: \r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"X" * 33 + b" / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_exactly_a_head_is_refused(head: bytes) -> None:
    with pytest.raises(Malformed):
        heads.parse(head)


def test_a_head_ends_at_its_empty_line() -> None:
    received = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n"
    assert heads.end(received) == len(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert heads.end(b"GET / HTTP/1.1\n\nrest") == len(b"GET / HTTP/1.1\n\n")


def test_more_is_waited_for_while_a_head_can_come_of_it() -> None:
    head = b"GET /.well-known/x HTTP/1.1\r\nHost: a\r\n\r\n"
    assert [heads.end(head[:length]) for length in range(1, len(head))] == [None] * (len(head) - 1)


def test_what_has_been_looked_at_is_not_looked_at_again() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert heads.end(head + b"more", seen=len(head) + 3) is None
    for seen in range(len(head)):
        assert heads.end(head, seen) == len(head)


def test_a_head_may_have_many_fields_and_not_any_number() -> None:
    fields = ["a:b"] * heads.MOST_FIELDS
    assert parsed("GET / HTTP/1.1", *fields).path == "/"
    with pytest.raises(TooManyFields):
        parsed("GET / HTTP/1.1", *fields, "a:b")


@pytest.mark.parametrize(
    "received", [b"\x16\x03\x01", b"\x00", b"\xff", b"GET /\r\n", b"SSH-2.0-x\r\n", b"EHLO a\r\n"]
)
def test_nobody_waits_for_the_end_of_what_is_no_head(received: bytes) -> None:
    with pytest.raises(Malformed):
        heads.end(received)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_head_or_refused_or_to_be_continued(received: bytes) -> None:
    with contextlib.suppress(Malformed, TooManyFields):
        end = heads.end(received)
        if end is not None:
            heads.parse(received[:end])


PARTS = st.sampled_from(
    [
        *(b"GET", b" ", b"/", b"HTTP/1.1", b"http://", b"\r\n", b"\n", b"\r", b"\t", b":", b"\0"),
        *(b"a", b"\xff", b"Host", b"Connection: close", b"Content-Length: 1"),
        b"Transfer-Encoding: chunked",
    ]
)


@given(st.lists(PARTS, max_size=30).map(b"".join))
def test_any_mixture_of_the_parts_of_a_head_is_one_or_none(received: bytes) -> None:
    with contextlib.suppress(Malformed, TooManyFields):
        end = heads.end(received)
        if end is not None:
            assert "\0" not in heads.parse(received[:end]).host


@given(st.lists(PARTS, max_size=30))
def test_a_head_in_pieces_is_seen_to_end_where_it_does_in_one(parts: list[bytes]) -> None:
    def verdict(received: bytes, seen: int) -> int | str | None:
        try:
            return heads.end(received, seen)
        except Malformed:
            return "malformed"

    received = b""
    for part in parts:
        seen, received = len(received), received + part
        found = verdict(received, seen)
        assert found == verdict(received, 0)
        if found is not None:
            return


def test_an_answer_says_when_it_is_the_last_one_and_has_no_body_for_head() -> None:
    date = "Mon, 23 Nov 2026 12:00:00 GMT"
    whole = heads.written(answering.NOT_FOUND, date=date, is_last=True, with_body=True)
    assert whole == (
        b"HTTP/1.1 404 Not Found\r\nDate: Mon, 23 Nov 2026 12:00:00 GMT\r\nConnection: close\r\n"
        b"Content-Type: text/plain\r\nContent-Length: 4\r\n\r\n404\n"
    )
    head = heads.written(answering.NOT_FOUND, date=date, is_last=False, with_body=False)
    assert head == whole.replace(b"Connection: close\r\n", b"").removesuffix(b"404\n")
