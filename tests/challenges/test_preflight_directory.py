"""The way to the CA: real ACME servers, odd HTTPS servers and proxies, and what is said of them."""

from __future__ import annotations

import base64
import contextlib
import errno
import http.client
import http.server
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from urllib3.exceptions import ProtocolError

from challenges.preflight import clock, directory, directory_fetching
from challenges.preflight.directory_fetching import Answer, Shown, fetch
from challenges.preflight.directory_outcomes import Outcome, outcome_of
from challenges.preflight.limited import Limit
from challenges.preflight.report import Fact
from challenges.problems import Severity
from tests.challenges.surroundings import NOW, surroundings
from tests.parts.pebble import TestAuthorities
from tests.parts.pki import HttpsAuthority
from tests.parts.processes import free_port

URL = "https://ca.example.de/dir"
DIRECTORY = b'{"newNonce": 1, "newAccount": 2, "newOrder": 3}'


def test_real_directories_are_found_and_agree_about_the_time(
    authorities: TestAuthorities,
) -> None:
    urls = (authorities.staging.directory_url, authorities.production.directory_url)
    around = surroundings(
        directory_urls=urls, ca_bundle=authorities.https.bundle, now=datetime.now(UTC)
    )
    report = directory.check(around)
    assert report.findings == ()
    assert [known.fact for known in report.established] == [Fact.CA_REACHABLE, Fact.CLOCK_RIGHT]


def test_another_page_of_an_acme_server_is_no_directory(authorities: TestAuthorities) -> None:
    url = authorities.staging.directory_url.replace("/dir", "/nonce-plz")
    assert fetch(url, authorities.https.bundle).outcome in {
        Outcome.NOT_A_DIRECTORY,
        Outcome.STATUS,
    }


Respond = Callable[[http.server.BaseHTTPRequestHandler], None]


def respond_with(status: int, body: bytes, **headers: str) -> Respond:
    def respond(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return respond


def certificate_in(folder: Path, name: str, issuer: str, begins: datetime, days: int = 30) -> Path:
    """A file with a key and a certificate of its own making, for ``name``."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "shown.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


class Server:
    """Answers every request as told, over TLS if there is a certificate; remembers the lines."""

    def __init__(self, respond: Respond, certificate: Path | None, key: Path | None = None) -> None:
        asked: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.requestline)
                respond(self)

            do_CONNECT = do_GET  # noqa: N815 - the name that the server looks for

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.asked = asked
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self.server.server_port
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}
        )
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


Start = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers, and stops them after the test."""
    running: list[Server] = []

    def begin(respond: Respond, certificate: Path | None = None, key: Path | None = None) -> Server:
        running.append(Server(respond, certificate, key))
        return running[-1]

    yield begin
    for server in running:
        server.stop()


@pytest.fixture
def authority(tmp_path: Path) -> HttpsAuthority:
    return HttpsAuthority(tmp_path / "pki")


@pytest.fixture
def https(start: Start, authority: HttpsAuthority) -> Callable[[Respond], tuple[str, Path]]:
    """Starts a trusted HTTPS server; gives its URL and the bundle to trust."""

    def begin(respond: Respond) -> tuple[str, Path]:
        files = authority.files
        server = start(respond, files.certificate, files.key)
        return f"https://127.0.0.1:{server.port}/dir", authority.bundle

    return begin


@pytest.mark.parametrize(
    ("respond", "outcome"),
    [
        (respond_with(503, b"busy"), Outcome.STATUS),
        (respond_with(302, b"", Location="https://127.0.0.1:1/"), Outcome.STATUS),
        (respond_with(200, b"<html>"), Outcome.NOT_A_DIRECTORY),
        (respond_with(200, b"[]"), Outcome.NOT_A_DIRECTORY),
        (respond_with(200, b"[" * 60_000), Outcome.NOT_A_DIRECTORY),
        (respond_with(200, b'{"newNonce": "x"}'), Outcome.NOT_A_DIRECTORY),
        (respond_with(200, b"\xff" * 100_000), Outcome.NOT_A_DIRECTORY),
        (respond_with(200, DIRECTORY), Outcome.FOUND),
    ],
)
def test_what_an_https_server_answers_is_judged(
    https: Callable[[Respond], tuple[str, Path]], respond: Respond, outcome: Outcome
) -> None:
    assert fetch(*https(respond)).outcome is outcome


@pytest.mark.parametrize(
    ("url", "proxy", "outcome"),
    [
        ("http://ca.test/dir", "", Outcome.NOT_HTTPS),
        ("file:///etc/passwd", "", Outcome.NOT_HTTPS),
        (URL, "socks5://127.0.0.1:9", Outcome.PROXY_UNUSABLE),
        (URL, "http://[::1:3128", Outcome.PROXY_UNUSABLE),
        (URL, "http://127.0.0.1:proxy", Outcome.PROXY_UNUSABLE),
        ("https://255.255.255.255/dir", "", Outcome.NO_ROUTE),
    ],
)
def test_a_directory_that_cannot_be_asked(url: str, proxy: str, outcome: Outcome) -> None:
    assert fetch(url, None, proxy).outcome is outcome


def test_a_proxy_whose_address_makes_no_sense_is_said_and_not_raised() -> None:
    report = directory.check(
        surroundings(directory_urls=(URL,), proxies={URL: "http://user:hidden@[::1:3128"})
    )
    (found,) = report.findings
    assert found.code == "directory-proxy-unusable"
    assert "The proxy ? that is configured for ca.example.de" in found.explanation
    assert "hidden" not in str(found)


def test_a_name_that_nobody_knows_is_told_apart_from_a_resolver_that_is_away() -> None:
    # Which of the two depends on whether the machine of the tests has a resolver.
    unknown = {Outcome.NAME_UNKNOWN, Outcome.NAME_UNANSWERED}
    assert fetch("https://no-such-name.invalid/dir", None).outcome in unknown
    of_proxy = {Outcome.PROXY_UNREACHABLE, Outcome.PROXY_SILENT}
    assert fetch(URL, None, "http://no-such-proxy.invalid:3128").outcome in of_proxy


def test_a_closed_port_refuses_that_of_a_proxy_as_well() -> None:
    port = free_port()
    assert fetch(f"https://127.0.0.1:{port}/dir", None).outcome is Outcome.REFUSED
    assert fetch(URL, None, f"http://127.0.0.1:{port}").outcome is Outcome.PROXY_UNREACHABLE


def test_a_bundle_that_is_not_there_is_named(tmp_path: Path) -> None:
    answer = fetch(URL, tmp_path / "roots.pem")
    assert answer.outcome is Outcome.BUNDLE_UNREADABLE
    assert "roots.pem" in answer.detail


def test_the_issuer_of_a_certificate_that_is_not_trusted_is_named(
    start: Start, tmp_path: Path, authority: HttpsAuthority
) -> None:
    shown = certificate_in(tmp_path, "localhost", "Guarding Firewall CA", datetime.now(UTC))
    server = start(respond_with(200, DIRECTORY), shown)
    url = f"https://localhost:{server.port}/dir"
    around = surroundings(directory_urls=(url,), ca_bundle=authority.bundle)
    (found, *_clock) = directory.check(around).findings
    assert found.code == "directory-not-trusted"
    assert "“Guarding Firewall CA”" in found.explanation
    assert "inspects HTTPS" in found.remedy[0]


def test_a_trusted_certificate_of_another_server_is_told_apart(
    start: Start, tmp_path: Path
) -> None:
    shown = certificate_in(tmp_path, "hotspot.example.de", "hotspot.example.de", datetime.now(UTC))
    server = start(respond_with(200, DIRECTORY), shown)
    around = surroundings(directory_urls=(f"https://localhost:{server.port}/dir",), ca_bundle=shown)
    found = directory.check(around).findings[0]
    assert found.code == "directory-other-server"
    assert "hotspot.example.de" in found.explanation


@pytest.mark.parametrize("begins", [timedelta(days=-60), timedelta(days=30)])
def test_a_certificate_that_is_not_valid_by_this_clock_is_about_the_clock(
    start: Start, tmp_path: Path, begins: timedelta
) -> None:
    shown = certificate_in(tmp_path, "localhost", "localhost", datetime.now(UTC) + begins)
    server = start(respond_with(200, DIRECTORY), shown)
    around = surroundings(directory_urls=(f"https://localhost:{server.port}/dir",), ca_bundle=shown)
    found = directory.check(around).findings[0]
    assert found.code == "directory-certificate-time"
    assert clock.written(NOW) in found.explanation
    assert "timedatectl" in found.remedy[0]


def test_what_does_not_speak_tls_is_found(start: Start) -> None:
    server = start(respond_with(200, DIRECTORY))
    assert fetch(f"https://127.0.0.1:{server.port}/dir", None).outcome is Outcome.TLS_FAILED


def test_a_proxy_that_refuses_is_named_and_what_it_says_but_not_its_password(
    start: Start,
) -> None:
    server = start(respond_with(407, b""))
    proxy = f"http://user:hidden@127.0.0.1:{server.port}"
    around = surroundings(directory_urls=(URL,), proxies={URL: proxy})
    (found,) = directory.check(around).findings
    assert found.code == "directory-proxy-refuses"
    assert f"127.0.0.1:{server.port}" in found.explanation
    assert "407 Proxy Authentication Required" in found.explanation
    assert "hidden" not in str(found)
    assert "hidden" not in repr(around)
    assert [line.rpartition(" ")[0] for line in server.asked] == ["CONNECT ca.example.de:443"]


@pytest.mark.parametrize(
    ("status", "severity"), [(403, Severity.ERROR), (407, Severity.ERROR), (503, Severity.WARNING)]
)
def test_a_proxys_own_trouble_is_no_certainty(
    start: Start, status: int, severity: Severity
) -> None:
    server = start(respond_with(status, b""))
    around = surroundings(directory_urls=(URL,), proxies={URL: f"http://127.0.0.1:{server.port}"})
    (found,) = directory.check(around).findings
    assert (found.code, found.severity) == ("directory-proxy-refuses", severity)


class Tunnel(http.server.BaseHTTPRequestHandler):
    """A proxy that connects to wherever it is asked to, and says under which password."""

    credentials: list[str]

    def do_CONNECT(self) -> None:
        self.credentials.append(self.headers.get("Proxy-Authorization", ""))
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=relay, args=(there, self.connection))
            back.start()
            relay(self.connection, there)
            back.join(10)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def relay(source: socket.socket, target: socket.socket) -> None:
    """All bytes, then the end."""
    try:
        while part := source.recv(4096):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def tunnel() -> Iterator[tuple[str, list[str]]]:
    """A proxy's address, and the credentials that it is shown."""
    shown: list[str] = []
    handler = type("Handler", (Tunnel,), {"credentials": shown})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"127.0.0.1:{server.server_port}", shown
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_directory_is_found_through_the_proxy_which_is_named(
    https: Callable[[Respond], tuple[str, Path]], tunnel: tuple[str, list[str]]
) -> None:
    url, bundle = https(respond_with(200, DIRECTORY))
    proxy, shown = tunnel
    around = surroundings(
        directory_urls=(url,), ca_bundle=bundle, proxies={url: f"http://user:hidden@{proxy}"}
    )
    report = directory.check(around)
    assert report.findings[1:] == ()
    assert f"through the proxy {proxy}" in report.established[0].sentence
    assert shown == [f"Basic {base64.b64encode(b'user:hidden').decode()}"]


def test_who_inspects_https_behind_a_proxy_is_named_as_well(
    start: Start, tmp_path: Path, authority: HttpsAuthority, tunnel: tuple[str, list[str]]
) -> None:
    certificate = certificate_in(tmp_path, "localhost", "Guarding Proxy CA", datetime.now(UTC))
    server = start(respond_with(200, DIRECTORY), certificate)
    url = f"https://localhost:{server.port}/dir"
    around = surroundings(
        directory_urls=(url,), ca_bundle=authority.bundle, proxies={url: f"http://{tunnel[0]}"}
    )
    found = directory.check(around).findings[0]
    assert "“Guarding Proxy CA”" in found.explanation


def test_a_server_that_says_nothing_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("challenges.preflight.directory_fetching.SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/dir"
        assert fetch(url, None).outcome is Outcome.SILENT


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.FOUND])
def test_every_failure_of_a_directory_has_its_code_and_its_words(outcome: Outcome) -> None:
    shown = Shown("Somebody", "a.test", NOW, NOW)
    around = surroundings(proxies={URL: "http://proxy.test:3128"})
    for answer in (Answer(outcome, detail="why", shown=shown), Answer(outcome)):
        problem = directory.judge(URL, answer, around)
        assert problem is not None
        assert problem.code == f"directory-{outcome.value}"
        assert "%(" not in " ".join((problem.explanation, *problem.remedy))
        assert problem.severity is not Severity.INFO


def test_what_may_pass_or_what_patience_overcomes_is_no_certainty() -> None:
    for outcome in (
        Outcome.SILENT,
        Outcome.STATUS,
        Outcome.CUT_OFF,
        Outcome.NAME_UNANSWERED,
        Outcome.PROXY_SILENT,
    ):
        problem = directory.judge(URL, Answer(outcome), surroundings())
        assert problem is not None
        assert problem.severity is Severity.WARNING


def test_a_directory_that_was_found_is_no_problem() -> None:
    assert directory.judge(URL, Answer(Outcome.FOUND), surroundings()) is None


@pytest.mark.parametrize(
    ("off", "code"),
    [
        (timedelta(), ""),
        (timedelta(minutes=10), ""),
        (timedelta(minutes=-10), ""),
        (timedelta(minutes=11), "clock-differs"),
        (timedelta(minutes=-11), "clock-differs"),
        (timedelta(days=-3650), "clock-differs"),
    ],
)
def test_a_clock_that_differs_from_the_authoritys_is_found(off: timedelta, code: str) -> None:
    report = clock.compare(NOW, format_datetime(NOW + off, usegmt=True), "ca.test")
    assert [problem.code for problem in report.findings] == ([code] if code else [])
    facts = [known.fact for known in report.established]
    assert facts == ([] if code else [Fact.CLOCK_RIGHT])


@pytest.mark.parametrize("header", ["", "yesterday", "Mon, 99 Foo 2026 99:99:99 GMT"])
def test_a_date_that_cannot_be_read_says_nothing(header: str) -> None:
    report = clock.compare(NOW, header, "ca.test")
    assert (report.findings, report.established) == ((), ())


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Outcome.REFUSED),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Outcome.CUT_OFF),
        (BrokenPipeError(errno.EPIPE, "broken"), Outcome.CUT_OFF),
        (http.client.RemoteDisconnected("closed"), Outcome.CUT_OFF),
        (http.client.IncompleteRead(b"half"), Outcome.CUT_OFF),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), Outcome.CUT_OFF),
        (ssl.SSLError(1, "wrong version number"), Outcome.TLS_FAILED),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), Outcome.NAME_UNKNOWN),
        (socket.gaierror(socket.EAI_AGAIN, "temporary"), Outcome.NAME_UNANSWERED),
        (socket.gaierror(socket.EAI_FAIL, "failure"), Outcome.NAME_UNANSWERED),
        (OSError(errno.ENETUNREACH, "unreachable"), Outcome.NO_ROUTE),
        (TimeoutError("slow"), Outcome.SILENT),
    ],
)
def test_only_what_is_certain_is_called_refused_or_unknown(
    error: Exception, outcome: Outcome
) -> None:
    assert outcome_of(error) is outcome
    wrapped = ProtocolError("Connection aborted.", error)
    assert outcome_of(wrapped) is outcome


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 200 Connection established\r\n\r\n"])
def test_a_proxy_that_hangs_up_is_no_certainty(words: bytes) -> None:
    with _hanging_up(words) as address:
        around = surroundings(directory_urls=(URL,), proxies={URL: f"http://{address}"})
        (found,) = directory.check(around).findings
    assert (found.code, found.severity) == ("directory-cut-off", Severity.WARNING)


@pytest.mark.parametrize("is_reset", [True, False])
def test_a_connection_that_is_cut_off_is_no_certainty(is_reset: bool) -> None:
    with _hanging_up(b"", is_reset=is_reset) as address:
        around = surroundings(directory_urls=(f"https://{address}/dir",))
        (found,) = directory.check(around).findings
    assert (found.code, found.severity) == ("directory-cut-off", Severity.WARNING)


@contextlib.contextmanager
def _hanging_up(words: bytes, *, is_reset: bool = False) -> Iterator[str]:
    """A server that reads a little, says these words, and is gone."""
    with _listener(lambda peer: _hang_up(peer, words, is_reset=is_reset)) as address:
        yield address


def _hang_up(peer: socket.socket, words: bytes, *, is_reset: bool) -> None:
    peer.recv(4096)
    peer.sendall(words)
    if is_reset:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextlib.contextmanager
def _listener(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serves one connection after another; gives ``host:port``."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    peer, _address = server.accept()
                except OSError:
                    return
                with peer, contextlib.suppress(OSError):
                    serve(peer)

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_the_password_of_an_https_proxy_is_never_sent_in_clear() -> None:
    heard: list[bytes] = []

    def listen(peer: socket.socket) -> None:
        heard.append(peer.recv(4096))

    with _listener(listen) as address:
        # Neither when the proxy cannot prove who it is, nor by a second look behind it.
        answer = fetch(URL, None, f"https://user:hidden@{address}")
        with Limit(2) as limit:
            shown = directory_fetching._look_without_trust(
                URL, f"https://user:hidden@{address}", limit
            )
    # That it hangs up during the handshake may be a passing trouble.
    assert answer.outcome is Outcome.PROXY_SILENT
    assert shown == (None, "")
    assert len(heard) == 1
    assert heard[0][:1] == b"\x16"  # a TLS handshake (RFC 8446 §5.1)


@pytest.mark.parametrize("is_proxy", [True, False])
def test_who_drips_is_left_in_time(monkeypatch: pytest.MonkeyPatch, is_proxy: bool) -> None:
    monkeypatch.setattr(directory_fetching, "ALL_SECONDS", 0.5)
    over = threading.Event()

    def drip(peer: socket.socket) -> None:
        head = b"HTTP/1.1 200 Connection established\r\n" if is_proxy else b"\x16\x03\x03\x3f\xff"
        peer.sendall(head)
        while not over.wait(0.02):
            peer.sendall(b"X: y\r\n")

    with _listener(drip) as address:
        started = time.monotonic()
        url, proxy = (URL, f"http://{address}") if is_proxy else (f"https://{address}/dir", "")
        answer = fetch(url, None, proxy)
        took = time.monotonic() - started
        over.set()
    assert answer.outcome is Outcome.SILENT
    assert took < 3


def test_a_body_that_drips_is_left_in_time(
    https: Callable[[Respond], tuple[str, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_fetching, "ALL_SECONDS", 0.7)
    over = threading.Event()

    def respond(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not over.wait(0.02):
                handler.wfile.write(b" ")

    started = time.monotonic()
    answer = fetch(*https(respond))
    over.set()
    assert answer.outcome is Outcome.SILENT
    assert time.monotonic() - started < 3
