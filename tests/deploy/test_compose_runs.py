"""Every command, health check and variable of docker-compose.yml, run as plain processes.

One composition for the whole file, on a real PostgreSQL and a real Valkey or Redis; the ACME
servers are told to it through the owner's configuration file, as an owner with a CA of their own
would.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from gateway_admin import challenge_role
from tests.parts import compose
from tests.parts.pebble import TestAuthorities
from tests.parts.postgresql import PostgreSQL
from tests.parts.processes import free_port
from tests.parts.product import CHECKOUT, PASSWORD

pytestmark = pytest.mark.slow
ORDER = ("console", "challenges", "worker", "beat")


@dataclass(frozen=True)
class Composition:
    """The running services and where they are reached."""

    services: dict[str, compose.Service]
    data_dir: Path
    database_url: str
    console_url: str
    challenge_port: int
    started_at: float

    def manage(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """As the file's own head tells the owner to run a command."""
        return self.services["console"].execute("python", "manage.py", *arguments, stdin=stdin)

    def json(self, *arguments: str) -> Any:
        """The document that a command prints."""
        done = self.manage(*arguments, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def composition(
    tmp_path_factory: pytest.TempPathFactory, authorities: TestAuthorities
) -> Iterator[Composition]:
    directory = tmp_path_factory.mktemp("composition")
    secrets = directory / "secrets"
    subprocess.run([CHECKOUT / "deploy" / "make-secrets", secrets], check=True, capture_output=True)
    data_dir = directory / "data"
    data_dir.mkdir(mode=0o700)
    owner = [f"{name}={value}" for name, value in authorities.environment().items()]
    (data_dir / "gateway-admin.env").write_text("\n".join(owner))

    with ExitStack() as stack:
        database = stack.enter_context(
            closing(
                PostgreSQL(
                    directory / "postgresql.log",
                    password=(secrets / "database_password").read_text(),
                )
            )
        )
        # What the image does with POSTGRES_DB.
        database_url = database.create_database("gateway_admin")
        broker_port, console_port = free_port(), free_port()
        tmp = directory / "tmp"
        tmp.mkdir()
        replace = compose.Replacements(
            {
                "postgres:5432": f"127.0.0.1:{database.port}",
                "valkey:6379": f"127.0.0.1:{broker_port}",
                "5432": str(database.port),
                "6379": str(broker_port),
                "8443": str(console_port),
                "8080": str(authorities.http_port),
                "0.0.0.0": "127.0.0.1",
                "/run/secrets": str(secrets),
                "/data": str(data_dir),
                "/tmp": str(tmp),
                **compose.broker_programs(),
            }
        )
        services = {
            name: compose.Service(name, description, replace, directory)
            for name, description in compose.load()["services"].items()
        }
        running = Composition(
            services,
            data_dir,
            database_url,
            f"http://127.0.0.1:{console_port}",
            authorities.http_port,
            time.time(),
        )
        start(running, stack)
        yield running


def start(running: Composition, stack: ExitStack) -> None:
    """Start the services as their depends_on would."""
    services = running.services
    services["postgres"].wait_until_healthy()
    services["valkey"].start()
    stack.callback(services["valkey"].stop)
    services["valkey"].wait_until_healthy()
    services["migrate"].start()
    assert services["migrate"].process.wait(60) == 0, services["migrate"].process.output()
    # 8080, the default, may be taken on this machine: the port that stands for it here.
    port = str(running.challenge_port)
    running.json("configure", "--hostname", "mail.compose.test", "--challenge-port", port)
    for name in ("worker", "beat"):
        assert not services[name].is_healthy()
        assert services[name].last_check == f"not healthy: heartbeat {name}\n"
    for name in ORDER:
        services[name].start()
        stack.callback(services[name].stop)
    for name in ORDER:
        services[name].wait_until_healthy()


def test_every_service_is_healthy(composition: Composition) -> None:
    for name in (*ORDER, "postgres", "valkey"):
        assert composition.services[name].is_healthy(), name


def test_the_console_finds_every_part_alive(composition: Composition) -> None:
    response = requests.get(f"{composition.console_url}/healthz", timeout=5)
    assert response.status_code == 200, response.text


def test_an_administrator_is_made_as_the_file_says(composition: Composition) -> None:
    done = composition.manage(
        "create_administrator", "owner", "--password-file", "/dev/stdin", stdin=PASSWORD
    )
    assert done.returncode == 0, done.stderr


def test_a_certificate_is_obtained(composition: Composition) -> None:
    composition.json(
        "configure",
        *("--hostname", "mail.compose.test", "--contact-email", "postmaster@compose.test"),
        *("--network-scenario", "external", "--agree-terms"),
    )
    issued = composition.json("issue", "--wait")
    assert issued["state"] == "done", issued
    live = composition.data_dir / "live" / "default"
    assert (live / "fullchain.pem").read_text().count("BEGIN CERTIFICATE") >= 2
    assert (live / "privkey.pem").stat().st_mode & 0o777 == 0o600


def test_the_challenge_service_holds_no_key_and_no_password_of_the_broker(
    composition: Composition,
) -> None:
    pid = composition.services["challenges"].process.pid
    environment = Path(f"/proc/{pid}/environ").read_text()
    assert "DATABASE_PASSWORD_FILE" in environment
    for word in ("SECRET_KEY", "ENCRYPTION_KEYS", "BROKER"):
        assert word not in environment


def test_the_challenge_service_uses_its_own_role_and_no_other(composition: Composition) -> None:
    with closing(psycopg.connect(composition.database_url)) as connection:
        roles = connection.execute(
            "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'gateway_admin' "
            "AND pid <> pg_backend_pid()"
        ).fetchall()
    assert (challenge_role.NAME,) in roles
    # What it could sign in with is what it was given.
    environment = composition.services["challenges"].environment
    assert environment["DATABASE_PASSWORD_FILE"].endswith("/challenge_database_password")


def test_no_secret_is_on_a_command_line(composition: Composition) -> None:
    secrets = [file.read_text() for file in (composition.data_dir.parent / "secrets").iterdir()]
    for name in (*ORDER, "valkey"):
        pid = composition.services[name].process.pid
        line = Path(f"/proc/{pid}/cmdline").read_text()
        assert not [secret for secret in secrets if secret in line], name


def test_secrets_given_by_file_are_not_written_to_the_data_directory(
    composition: Composition,
) -> None:
    assert not (composition.data_dir / "secrets").exists()


def test_nothing_is_written_beside_data_and_tmp(composition: Composition) -> None:
    assert composition.services["beat"].process.returncode is None
    new = [path for path in CHECKOUT.iterdir() if path.stat().st_ctime > composition.started_at]
    # Python's own caches aside, which the image makes beforehand.
    assert not [path for path in new if path.is_file()], new
