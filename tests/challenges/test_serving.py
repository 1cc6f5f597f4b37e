"""What strangers get from the challenge port: raw bytes in, raw bytes out."""

from __future__ import annotations

import re
import resource
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from challenges import connection
from tests.challenges.conftest import (
    AUTHORIZATION,
    TOKEN,
    ChallengeProcess,
    exchange,
    get,
    received,
)

PATH = f"/.well-known/acme-challenge/{TOKEN}"
PRODUCTS = re.compile(rb"gunicorn|django|python|gateway|admin|wsgi", re.IGNORECASE)


@pytest.fixture
def port(challenges: ChallengeProcess) -> int:
    row = challenges.listener()
    assert row is not None
    return int(row["port"])


def head_and_body(answer: bytes) -> tuple[dict[str, str], bytes]:
    head, _empty, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    return {"status": lines[0], **dict(line.split(": ", 1) for line in lines[1:])}, body


def test_the_answers_to_get_and_head(port: int, challenges: ChallengeProcess) -> None:
    headers, body = head_and_body(get(port))
    assert body == AUTHORIZATION.encode()
    assert set(headers) == {"status", "Date", "Connection", "Content-Type", "Content-Length"}
    assert headers["status"] == "HTTP/1.1 200 OK"
    head = exchange(port, f"HEAD {PATH} HTTP/1.0\r\nHost: a.test\r\n\r\n".encode())
    assert head_and_body(head) == (headers | {"Date": head_and_body(head)[0]["Date"]}, b"")
    assert "WARNING" not in challenges.process.output()


REQUESTS = {
    b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n": b"404",
    b"GET /sign-in/ HTTP/1.1\r\nHost: a.test\r\nCookie: sessionid=1\r\n\r\n": b"404",
    b"GET / HTTP/1.0\r\n\r\n": b"404",
    b"HEAD / HTTP/1.1\r\n\r\n": b"404",
    b"get / HTTP/1.1\r\nHost: a.test\r\n\r\n": b"404",
    b"get %(path)s HTTP/1.1\r\nHost: a.test\r\n\r\n": b"405",
    b"GET http://evil.example%(path)s HTTP/1.0\r\nHost: a.test\r\n\r\n": b"200",
    b"GET https://evil.example%(path)s HTTP/1.1\r\nHost: a.test\r\n\r\n": b"404",
    b"GET %(path)s?x=y HTTP/1.0\r\n\r\n": b"200",
    b"GET %(path)sx HTTP/1.0\r\n\r\n": b"404",
    b"\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n": b"404",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: a.test\r\n\r\n": b"404",
    b"OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n": b"404",
    b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n": b"404",
    b"GET /%ff%00 HTTP/1.1\r\nHost: \xff\r\n\r\n": b"404",
    b"FOO %(path)s HTTP/1.1\r\nHost: a.test\r\n\r\n": b"405",
    b"POST %(path)s HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nx=y": b"405",
    b"GET /\r\n": b"400",
    b"GET / HTTP/1.1\n\n": b"400",
    b"GET / HTTP/1.1\nHost: a\n\n": b"400",
    b"GET /\x00 HTTP/1.1\r\n\r\n": b"400",
    b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n": b"400",
    b"GET / HTTP/9.9\r\nHost: a.test\r\n\r\n": b"400",
    b"GET / HTTP/1.1\r\nHost : a.test\r\n\r\n": b"400",
    b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n": b"400",
    b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n": b"400",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": b"400",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n": b"400",
    b"GET / HTTP/1.1\r\nA: " + b"b" * 5000: b"431",
    b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 65 + b"\r\n": b"431",
}


def test_odd_requests_get_bare_answers_that_name_no_product(port: int) -> None:
    for request, status in REQUESTS.items():
        answer = exchange(port, request.replace(b"%(path)s", PATH.encode()))
        headers, body = head_and_body(answer)
        assert headers["status"].split()[1].encode() == status, request
        assert headers["Connection"] == "close"
        assert not {"Server", "Location", "Set-Cookie", "X-Powered-By"} & set(headers)
        assert body in (status + b"\n", b"", AUTHORIZATION.encode())
        assert len(body) < 128
        assert len(answer) < 400
        assert not PRODUCTS.search(answer)


def test_the_host_may_be_anything_or_missing(port: int) -> None:
    for host in (b"Host: gateway.test\r\n", b"Host: 192.0.2.1:80\r\n", b"Host: a_b\r\n", b""):
        answer = exchange(port, f"GET {PATH} HTTP/1.0\r\n".encode() + host + b"\r\n")
        assert answer.endswith(AUTHORIZATION.encode())


def test_headers_of_a_proxy_change_nothing(port: int) -> None:
    answer = exchange(
        port,
        f"GET {PATH} HTTP/1.0\r\nHost: a.test\r\nX-Forwarded-Proto: https\r\n"
        "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n\r\n".encode(),
    )
    assert answer.endswith(AUTHORIZATION.encode())


def test_a_request_in_small_pieces_is_answered(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for byte in f"\r\n\r\nGET {PATH} HTTP/1.0\r\nHost: a\r\n\r\n".encode():
            connection.send(bytes([byte]))
        assert received(connection).endswith(AUTHORIZATION.encode())


def test_requests_that_come_together_are_answered_in_their_order(port: int) -> None:
    unknown = PATH.replace(TOKEN, "x" * 43)
    requests = [f"{verb} HTTP/1.1\r\n\r\n" for verb in (f"GET {PATH}", f"HEAD {PATH}")]
    requests += [f"GET {unknown} HTTP/1.1\r\n\r\n", f"GET {PATH} HTTP/1.0\r\n\r\n"]
    answers = exchange(port, "".join(requests).encode())
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"200", b"404", b"200"]
    assert answers.count(AUTHORIZATION.encode()) == 2


def test_a_connection_that_is_used_no_more_is_closed_soon(port: int) -> None:
    started = time.monotonic()
    answer = exchange(port, f"GET {PATH} HTTP/1.1\r\nHost: a.test\r\n\r\n".encode())
    assert answer.endswith(AUTHORIZATION.encode())
    assert time.monotonic() - started < connection.IDLE_DEADLINE + 1.5


def test_a_long_body_does_not_cut_off_the_answer(port: int) -> None:
    request = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20000
    assert b"404" in exchange(port, request)
    known = f"GET {PATH} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + b"x" * 20000
    assert exchange(port, known).endswith(AUTHORIZATION.encode())


def test_silent_and_slow_strangers_delay_nobody_and_are_hung_up_on(port: int) -> None:
    with ExitStack() as stack:
        strangers = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            for _ in range(300)
        ]
        for stranger in strangers[::2]:
            stranger.sendall(b"GET / HTTP/1.1\r\nHost: slow")
        started = time.monotonic()
        for _ in range(20):
            assert get(port).endswith(AUTHORIZATION.encode())
        assert time.monotonic() - started < 4
        for stranger in strangers:
            assert stranger.recv(100) == b""
        assert time.monotonic() - started < connection.HEAD_DEADLINE + 3


def test_a_stranger_who_does_not_hang_up_delays_nobody(port: int) -> None:
    with ExitStack() as stack:
        request = b"GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\n"
        for _ in range(30):
            stranger = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            stranger.sendall(request)
        started = time.monotonic()
        assert get(port).endswith(AUTHORIZATION.encode())
        assert time.monotonic() - started < 3


def test_when_descriptors_run_out_silent_strangers_make_room(
    port: int, challenges: ChallengeProcess
) -> None:
    _soft, hard = resource.prlimit(challenges.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(challenges.process.pid, resource.RLIMIT_NOFILE, (100, hard))
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        for _ in range(5):
            assert get(port).endswith(AUTHORIZATION.encode())
    assert len(challenges.process.output().splitlines()) == 1


def test_the_process_loads_none_of_the_heavy_libraries(challenges: ChallengeProcess) -> None:
    code = (
        "import sys, runpy; runpy.run_module('challenges', run_name='not main'); "
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=challenges.environ, capture_output=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.decode().split()}
    assert {"challenges", "django"} <= loaded
    assert not loaded & {
        "celery",
        "gunicorn",
        "kombu",
        "cryptography",
        "acme",
        "requests",
        "dns",
        "certificates",
    }


def test_no_keys_are_made_or_read(challenges: ChallengeProcess) -> None:
    names = {path.name for path in challenges.data_dir.iterdir()}
    assert {name.partition("-")[0] for name in names} == {"db.sqlite3"}


PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            *(b"GET ", b"HEAD ", b"POST ", b"/", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", PATH.encode()),
            *(b"\r\n", b"\n", b"\r\n\r\n", b": ", b"Host: a", b"Content-Length: 5\r\n", b"\0"),
            *(b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"x" * 5000),
        ]
    ),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_whatever_is_sent_the_answers_are_the_known_ones(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=9) as peer:
        try:
            peer.sendall(sent)
            peer.shutdown(socket.SHUT_WR)
            answers = received(peer)
        except ConnectionError:  # hung up on after too much
            return
    rest = ANSWER.sub(b"", answers)
    assert rest in {b"", AUTHORIZATION.encode(), *(b"%d\n" % status for status in STATUSES)}


STATUSES = (400, 404, 405, 431)
ANSWER = re.compile(
    rb"(?:\d\d\d\n|" + re.escape(AUTHORIZATION.encode()) + rb")?HTTP/1\.1 (?:200|400|404|405|431) "
    rb"[A-Za-z ]+\r\nDate: [^\r]+\r\n(?:Connection: close\r\n)?(?:Allow: GET, HEAD\r\n)?"
    rb"Content-Type: [^\r]+\r\nContent-Length: \d+\r\n\r\n"
)


def test_no_traceback_and_no_line_of_log_comes_of_strangers(
    port: int, challenges: ChallengeProcess
) -> None:
    for request in REQUESTS:
        exchange(port, request.replace(b"%(path)s", PATH.encode()))
    assert len(challenges.process.output().splitlines()) == 1
