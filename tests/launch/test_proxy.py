"""Behind a proxy that speaks HTTPS: whose word the console takes for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from tests.launch.running import Run, refused

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


# Every address of this network is this machine's own, so that it can be two at a time.
PROXY, ANYBODY = "127.0.0.2", "127.0.0.1"
HTTPS = {"X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run whose owner's file names the proxy."""
    data_dir = tmp_path_factory.mktemp("behind") / "data"
    data_dir.mkdir(mode=0o700)
    (data_dir / "gateway-admin.env").write_text(
        f"GATEWAY_ADMIN_HTTPS=on\nGATEWAY_ADMIN_TRUSTED_PROXIES={PROXY}\n"
    )
    run = Run(data_dir)
    run.wait_until_ready()
    yield run
    run.process.stop()


def sign_in_page(run: Run, client: str, headers: Mapping[str, str]) -> HTTPResponse:
    """The answer to one request from that address, without following it elsewhere."""
    source = (client, 0)
    connection = HTTPConnection("127.0.0.1", run.port, timeout=10, source_address=source)
    with closing(connection):
        connection.request("GET", "/sign-in/", headers=dict(headers))
        answer = connection.getresponse()
        answer.read()
        return answer


def test_a_trusted_proxy_is_believed_and_otherwise_sends_to_https(behind: Run) -> None:
    plain = sign_in_page(behind, PROXY, {})
    proxied = sign_in_page(behind, PROXY, HTTPS)
    assert plain.status == 301
    assert plain.headers["Location"].startswith("https://")
    assert proxied.status == 200
    assert "max-age" in proxied.headers["Strict-Transport-Security"]
    assert "Secure" in proxied.headers["Set-Cookie"]


def test_a_header_from_anybody_else_is_not_believed(behind: Run) -> None:
    assert sign_in_page(behind, ANYBODY, HTTPS).status == 301


def test_https_without_a_proxy_to_trust_is_refused(run_dir: Path) -> None:
    run_dir.mkdir(mode=0o700)
    (run_dir / "gateway-admin.env").write_text("GATEWAY_ADMIN_HTTPS=on\n")
    assert "GATEWAY_ADMIN_TRUSTED_PROXIES" in refused(run_dir)
