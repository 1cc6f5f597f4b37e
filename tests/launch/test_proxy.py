"""Behind a proxy that speaks HTTPS: whose word the console takes for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.launch.running import Run, StartRun, refused

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def behind(proxies: str, run_dir: Path, start_run: StartRun) -> Run:
    """A run whose owner's file names these proxies."""
    run_dir.mkdir(mode=0o700)
    (run_dir / "gateway-admin.env").write_text(
        f"GATEWAY_ADMIN_HTTPS=on\nGATEWAY_ADMIN_TRUSTED_PROXIES={proxies}\n"
    )
    run = start_run()
    run.wait_until_ready()
    return run


def sign_in_page(run: Run, **headers: str) -> requests.Response:
    """The answer to one request, without following it elsewhere."""
    return requests.get(f"{run.url}/sign-in/", headers=headers, allow_redirects=False, timeout=10)


def test_a_trusted_proxy_is_believed_and_everybody_else_is_sent_to_https(
    run_dir: Path, start_run: StartRun
) -> None:
    run = behind("127.0.0.1", run_dir, start_run)
    plain = sign_in_page(run)
    proxied = sign_in_page(run, **{"X-Forwarded-Proto": "https"})
    assert plain.status_code == 301
    assert plain.headers["Location"].startswith("https://")
    assert proxied.status_code == 200
    assert "max-age" in proxied.headers["Strict-Transport-Security"]
    assert "Secure" in proxied.headers["Set-Cookie"]


def test_a_header_from_anybody_else_is_not_believed(run_dir: Path, start_run: StartRun) -> None:
    run = behind("192.0.2.7", run_dir, start_run)
    assert sign_in_page(run, **{"X-Forwarded-Proto": "https"}).status_code == 301


def test_https_without_a_proxy_to_trust_is_refused(run_dir: Path) -> None:
    run_dir.mkdir(mode=0o700)
    (run_dir / "gateway-admin.env").write_text("GATEWAY_ADMIN_HTTPS=on\n")
    assert "GATEWAY_ADMIN_TRUSTED_PROXIES" in refused(run_dir)
