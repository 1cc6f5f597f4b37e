"""The preflight's questions to real servers: DNS, an ACME directory, and odd HTTP servers."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from challenges.preflight import directory, dns
from challenges.preflight.directory import Outcome as DirectoryOutcome
from challenges.preflight.dns import Failure
from challenges.preflight.fetching import MOST_BYTES, Outcome, fetch
from tests.challenges.surroundings import surroundings
from tests.parts.dns import DnsServer
from tests.parts.pebble import TestAuthorities
from tests.parts.pki import HttpsAuthority
from tests.parts.processes import free_port


def look_up(server: str, *names: str) -> list[dns.Lookup]:
    return dns.look_up(names, [server])


def codes(lookups: list[dns.Lookup], server: str) -> list[str]:
    return [p.code for p in dns.findings(lookups, surroundings(dns_servers=(server,)))]


def test_addresses_of_both_families_are_found(dns: DnsServer) -> None:
    dns.set_addresses("both.test", "192.0.2.1", "192.0.2.2", "2001:db8::1")
    (found,) = look_up(dns.address, "both.test")
    assert {str(address) for address in found.addresses} == {
        "192.0.2.1",
        "192.0.2.2",
        "2001:db8::1",
    }
    assert codes([found], dns.address) == []


def test_an_alias_is_followed_and_shown(dns: DnsServer) -> None:
    dns.set_alias("alias.test", "target.test")
    dns.set_addresses("target.test", "192.0.2.1")
    (found,) = look_up(dns.address, "alias.test")
    assert [str(address) for address in found.addresses] == ["192.0.2.1"]
    assert "alias of target.test" in found.detail


def test_a_name_without_addresses_is_found_out(dns: DnsServer) -> None:
    dns.set_default("")
    found = look_up(dns.address, "nothing.test")
    assert codes(found, dns.address) == ["dns-no-address"]


def test_a_broken_zone_is_found_out(dns: DnsServer) -> None:
    dns.set_failing("broken.test")
    found = look_up(dns.address, "broken.test", "fine.test")
    assert codes(found, dns.address) == ["dns-server-failure"]
    assert "SERVFAIL" in found[0].detail


def test_a_hundred_names_are_asked_within_seconds(dns: DnsServer) -> None:
    started = time.monotonic()
    found = look_up(dns.address, *(f"n{number}.test" for number in range(100)))
    assert all(lookup.addresses for lookup in found)
    assert time.monotonic() - started < 4


@pytest.fixture
def nxdomain_server() -> Iterator[str]:
    """A DNS server for which no name exists."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", free_port()))

        def serve() -> None:
            while True:
                query, client = server.recvfrom(512)
                if not query:
                    return
                # The same message as a response (QR, RA) with RCODE 3, RFC 1035 §4.1.1.
                server.sendto(query[:2] + b"\x81\x83" + query[4:], client)

        thread = threading.Thread(target=serve)
        thread.start()
        host, port = server.getsockname()
        yield f"{host}:{port}"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", (host, port))
        thread.join(5)


def test_a_name_that_does_not_exist_is_found_out(nxdomain_server: str) -> None:
    found = look_up(nxdomain_server, "missing.test")
    assert found[0].replies[0].failure is Failure.NO_SUCH_NAME
    assert codes(found, nxdomain_server) == ["dns-no-such-name"]


def test_a_server_that_does_not_answer_is_waited_for_only_briefly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dns, "LIFETIME", 0.5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", free_port()))
        server = f"127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        found = look_up(server, "a.test", "b.test")
        assert time.monotonic() - started < 3
    assert codes(found, server) == ["dns-timeout"]


def test_without_a_usable_server_nothing_is_claimed_about_the_name() -> None:
    for server in ("no-such-server.invalid", f"127.0.0.1:{free_port()}"):
        assert codes(look_up(server, "a.test"), server) == ["dns-timeout"]


def test_real_directories_are_found_and_agree_about_the_time(
    authorities: TestAuthorities,
) -> None:
    url = authorities.staging.directory_url
    answer = directory.fetch(url, authorities.https.bundle)
    assert answer.outcome is DirectoryOutcome.FOUND
    assert answer.date


def test_a_directory_with_an_unknown_root_is_not_trusted(authorities: TestAuthorities) -> None:
    answer = directory.fetch(authorities.staging.directory_url, None)
    assert answer.outcome is DirectoryOutcome.NOT_TRUSTED


def test_another_page_of_an_acme_server_is_no_directory(authorities: TestAuthorities) -> None:
    url = authorities.staging.directory_url.replace("/dir", "/nonce-plz")
    answer = directory.fetch(url, authorities.https.bundle)
    assert answer.outcome in {DirectoryOutcome.NOT_A_DIRECTORY, DirectoryOutcome.STATUS}


Respond = Callable[[http.server.BaseHTTPRequestHandler], None]


@pytest.fixture
def https(tmp_path: Path) -> Iterator[Callable[[Respond], tuple[str, Path]]]:
    """Starts an HTTPS server that answers as a test wants; gives its URL and its bundle."""
    authority = HttpsAuthority(tmp_path / "pki")
    files = authority.files
    running: list[tuple[http.server.ThreadingHTTPServer, threading.Thread]] = []

    def start(respond: Respond) -> tuple[str, Path]:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                respond(self)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        running.append((server, thread))
        return f"https://127.0.0.1:{server.server_port}/dir", authority.bundle

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join(5)


def respond_with(status: int, body: bytes, **headers: str) -> Respond:
    def respond(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return respond


@pytest.mark.parametrize(
    ("respond", "outcome"),
    [
        (respond_with(503, b"busy"), DirectoryOutcome.STATUS),
        (respond_with(302, b"", Location="https://127.0.0.1:1/"), DirectoryOutcome.STATUS),
        (respond_with(200, b"<html>"), DirectoryOutcome.NOT_A_DIRECTORY),
        (respond_with(200, b"[]"), DirectoryOutcome.NOT_A_DIRECTORY),
        (respond_with(200, b'{"newNonce": "x"}'), DirectoryOutcome.NOT_A_DIRECTORY),
        (respond_with(200, b"\xff" * 100_000), DirectoryOutcome.NOT_A_DIRECTORY),
        (
            respond_with(200, b'{"newNonce": 1, "newAccount": 2, "newOrder": 3}'),
            DirectoryOutcome.FOUND,
        ),
    ],
)
def test_what_an_https_server_answers_is_judged(
    https: Callable[[Respond], tuple[str, Path]], respond: Respond, outcome: DirectoryOutcome
) -> None:
    assert directory.fetch(*https(respond)).outcome is outcome


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("http://ca.test/dir", DirectoryOutcome.NOT_HTTPS),
        ("file:///etc/passwd", DirectoryOutcome.NOT_HTTPS),
        ("https://no-such-name.invalid/dir", DirectoryOutcome.NAME_UNKNOWN),
    ],
)
def test_a_directory_that_cannot_be_asked(url: str, outcome: DirectoryOutcome) -> None:
    assert directory.fetch(url, None).outcome is outcome


def test_a_closed_port_refuses() -> None:
    url = f"https://127.0.0.1:{free_port()}/dir"
    assert directory.fetch(url, None).outcome is DirectoryOutcome.REFUSED


@pytest.fixture
def peer() -> Iterator[Callable[[bytes, float], int]]:
    """A TCP server that answers the first connection with these bytes, one after another."""
    threads: list[threading.Thread] = []

    def start(answer: bytes, pause: float = 0.0) -> int:
        server = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            with server, server.accept()[0] as client:
                client.recv(4096)
                try:
                    for byte in answer if pause else [answer]:
                        client.sendall(bytes([byte]) if isinstance(byte, int) else byte)
                        time.sleep(pause)
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        threads.append(thread)
        return int(server.getsockname()[1])

    yield start
    for thread in threads:
        thread.join(10)


OK = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [
        (OK + b"authorization", Outcome.ANSWERED, 200),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", Outcome.ANSWERED, 404),
        (b"", Outcome.CUT_OFF, 0),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Outcome.CUT_OFF, 0),
        (OK[:10], Outcome.CUT_OFF, 0),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n", Outcome.CUT_OFF, 0),
    ],
)
def test_whatever_a_peer_answers_is_an_outcome(
    peer: Callable[..., int], answer: bytes, outcome: Outcome, status: int
) -> None:
    got = fetch("127.0.0.1", peer(answer), "token", host="a.test", seconds=2)
    assert (got.outcome, got.status) == (outcome, status)
    assert got.is_token("authorization") is (status == 200)


def test_not_more_than_a_kilobyte_is_read(peer: Callable[..., int]) -> None:
    got = fetch("127.0.0.1", peer(OK + b"x" * 1_000_000), "token", host="a.test", seconds=2)
    assert len(got.body) == MOST_BYTES


def test_a_peer_that_trickles_is_left_in_time(peer: Callable[..., int]) -> None:
    started = time.monotonic()
    got = fetch("127.0.0.1", peer(OK + b"x" * 40, 0.05), "token", host="a.test", seconds=1)
    assert got.outcome is Outcome.SILENT
    assert time.monotonic() - started < 2.5


def test_a_redirect_is_not_followed(peer: Callable[..., int]) -> None:
    answer = b"HTTP/1.1 301 Moved\r\nLocation: http://192.0.2.1/\r\n\r\n"
    got = fetch("127.0.0.1", peer(answer), "token", host="a.test", seconds=2)
    assert (got.status, got.location) == (301, "http://192.0.2.1/")


def test_a_closed_port_is_refused() -> None:
    got = fetch("127.0.0.1", free_port(), "token", host="a.test", seconds=1)
    assert got.outcome is Outcome.REFUSED
