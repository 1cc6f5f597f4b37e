"""`scripts/run --tls`: what is shown to those who connect, and what changes while it runs."""

from __future__ import annotations

import datetime
import http.client
import shutil
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway_admin.launch import self_signed
from tests.launch.running import Run, refused
from tests.parts.processes import free_port
from tests.parts.product import CHECKOUT, clean_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NAMES = ("localhost", "127.0.0.1")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One for all tests; it is to show the certificate of a gateway that has none yet."""
    data_dir = tmp_path_factory.mktemp("tls") / "data"
    data_dir.mkdir(mode=0o700)
    (data_dir / "gateway-admin.env").write_text("GATEWAY_ADMIN_CONSOLE_CERTIFICATE=default\n")
    started = Run(data_dir, "--tls")
    started.wait_until_ready()
    yield started
    started.process.stop()


def own(run: Run) -> Path:
    """The console's self-signed certificate with its key."""
    return run.data_dir / "console" / "self-signed.pem"


def shown(run: Run) -> str:
    """The fingerprint of the certificate that the next connection is shown."""
    certificate = ssl.get_server_certificate(("127.0.0.1", run.port), timeout=10)
    return self_signed.fingerprint(ssl.PEM_cert_to_DER_cert(certificate))


def fingerprint_in(file: Path) -> str:
    """The fingerprint of a file's first certificate."""
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    return self_signed.fingerprint(certificate.public_bytes(Encoding.DER))


def sign_in_page(run: Run, context: ssl.SSLContext) -> http.client.HTTPResponse:
    """The answer to one request over HTTPS."""
    connection = http.client.HTTPSConnection("127.0.0.1", run.port, timeout=10, context=context)
    with closing(connection):
        connection.request("GET", "/sign-in/")
        answer = connection.getresponse()
        answer.read()
        return answer


def test_the_fingerprint_on_the_terminal_is_the_one_that_is_shown(run: Run) -> None:
    (warning,) = (line for line in run.lines if line.startswith("Warning:"))
    assert warning.endswith(f"SHA-256 fingerprint: {shown(run)}")
    token = (run.data_dir / "setup-token").read_text().strip()
    assert f"Set up at {run.url}/setup/?token={token}" in run.lines
    assert run.url.startswith("https://")
    assert stat.S_IMODE(own(run).stat().st_mode) == 0o600


def test_whoever_trusts_that_certificate_reaches_it_and_cookies_stay_on_https(run: Run) -> None:
    answer = sign_in_page(run, ssl.create_default_context(cafile=own(run)))
    assert answer.status == 200
    assert "Secure" in answer.headers["Set-Cookie"]
    # It would keep everybody out who has to accept a self-signed certificate by hand.
    assert "Strict-Transport-Security" not in answer.headers


def test_tls_1_2_is_still_spoken(run: Run) -> None:
    context = ssl.create_default_context(cafile=own(run))
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert sign_in_page(run, context).status == 200


def test_plain_http_is_told_to_use_https_and_leaves_no_line(run: Run) -> None:
    before = run.lines
    with closing(http.client.HTTPConnection("127.0.0.1", run.port, timeout=10)) as connection:
        connection.request("GET", "/sign-in/")
        answer = connection.getresponse()
        assert answer.status == 400
        assert b"https://" in answer.read()
    with pytest.raises(ssl.SSLCertVerificationError):
        sign_in_page(run, ssl.create_default_context())
    assert sign_in_page(run, ssl.create_default_context(cafile=own(run))).status == 200
    assert run.lines == before


def test_a_gateways_certificate_is_shown_as_soon_as_there_is_one_and_no_longer(run: Run) -> None:
    now = datetime.datetime.now(datetime.UTC)
    mine = shown(run)
    link = run.data_dir / "live" / "default"
    link.parent.mkdir()
    for number in "12":
        files = run.data_dir / "archive" / "default" / number
        self_signed.ensure(files / "fullchain.pem", NAMES, now)
        shutil.copy(files / "fullchain.pem", files / "privkey.pem")
        link.with_name("new").symlink_to(files)
        link.with_name("new").replace(link)
        assert shown(run) == fingerprint_in(files / "fullchain.pem")
    (link / "privkey.pem").write_text("nonsense")
    assert shown(run) == mine
    assert shown(run) == mine
    assert sum("cannot be used for the console" in line for line in run.lines) == 1
    link.unlink()
    assert shown(run) == mine


def test_a_new_certificate_is_shown_to_the_next_connection(run: Run) -> None:
    before, kept = shown(run), own(run).with_name("kept.pem")
    own(run).rename(kept)
    self_signed.ensure(own(run), NAMES, datetime.datetime.now(datetime.UTC))
    assert before != shown(run) == fingerprint_in(own(run))
    kept.replace(own(run))
    assert shown(run) == before


def test_the_containers_health_check_asks_as_the_configuration_says(run: Run) -> None:
    command = (sys.executable, "-m", "deploy.healthcheck", "console", str(run.port), "/sign-in/")
    env = clean_environment() | {"GATEWAY_ADMIN_DATA_DIR": str(run.data_dir)}
    done = subprocess.run(command, cwd=CHECKOUT, env=env, check=False, timeout=30)
    assert done.returncode == 0


def test_a_proxys_https_and_its_own_are_not_had_together(run_dir: Path) -> None:
    run_dir.mkdir(mode=0o700)
    (run_dir / "gateway-admin.env").write_text(
        "GATEWAY_ADMIN_HTTPS=on\nGATEWAY_ADMIN_TRUSTED_PROXIES=127.0.0.1\n"
    )
    line = refused(run_dir, "--tls", "--port", str(free_port()))
    assert "leave one of the two out" in line
    assert not (run_dir / "db.sqlite3").exists()
