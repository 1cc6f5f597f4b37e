"""The services of deploy/systemd at work, as plain processes with no more rights than systemd's.

One installation for the whole file, on a real PostgreSQL and a real Valkey or Redis. strace plays
the filter of system calls, setpriv the capabilities.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import requests

from gateway_admin import challenge_role
from tests.challenges.conftest import get
from tests.parts.dns import DnsServer
from tests.parts.pebble import start_authorities
from tests.parts.postgresql import PostgreSQL
from tests.parts.processes import answers, free_port, is_taken
from tests.parts.product import CHECKOUT
from tests.parts.systemd import Machine, Service
from tests.parts.valkey import Valkey

pytestmark = pytest.mark.slow
UNKNOWN = f"/.well-known/acme-challenge/{'u' * 43}"


@dataclass(frozen=True)
class Installation:
    """The running services and where they are reached."""

    services: dict[str, Service]
    machine: Machine
    database_url: str
    console_url: str
    challenge_port: int

    def pid(self, name: str) -> int:
        """Of a running service."""
        process = self.services[name].process
        assert process is not None
        return process.pid

    def manage(self, *arguments: str) -> str:
        """As the page on installation has an operator run a command."""
        done = subprocess.run(
            [sys.executable, CHECKOUT / "manage.py", *arguments, "--data-dir", self.machine.data],
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def low_port() -> int:
    """A free port that only the challenge port's service may open, where that can be tried."""
    if os.geteuid() != 0:
        return free_port()
    return next(port for port in range(1023, 600, -1) if not is_taken(port))


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, dns_server: DnsServer
) -> Iterator[Installation]:
    directory = tmp_path_factory.mktemp("installation")
    machine = Machine(directory)
    with ExitStack() as stack:
        acme = stack.enter_context(
            closing(
                start_authorities(directory / "acme", dns=dns_server.address, http_port=low_port())
            )
        )
        database = stack.enter_context(closing(PostgreSQL(directory / "postgresql.log")))
        valkey = stack.enter_context(closing(Valkey(directory / "valkey", password="broker")))
        url = make_database(database, machine)
        (machine.data / "secrets" / "broker_password").write_text("broker")
        console_port = free_port()
        # The ports in the delivered files may be taken on this machine.
        machine.replace(":5432", f":{database.port}")
        machine.replace(":6379", f":{valkey.port}")
        machine.replace(":8443", f":{console_port}")
        machine.write_settings()
        with (machine.data / "gateway-admin.env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in acme.environment().items())
        services = {
            name: machine.service(f"gateway-admin-{name}.service")
            for name in ("prepare", "console", "worker", "challenges")
        }
        for service in services.values():
            stack.callback(service.stop)
        console_url = f"http://127.0.0.1:{console_port}"
        running = Installation(services, machine, url, console_url, acme.http_port)
        start(running)
        yield running


def make_database(server: PostgreSQL, machine: Machine) -> str:
    """As the page on installation has it: two roles without rights, one of which owns it."""
    server.create_database("gateway_admin")
    url = server.create_database("postgres_of_the_owner")
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute("CREATE ROLE owner LOGIN PASSWORD 'of the owner'")
        connection.execute(
            f"CREATE ROLE {challenge_role.NAME} LOGIN NOINHERIT PASSWORD 'of the port'".encode()
        )
        connection.execute("ALTER DATABASE gateway_admin OWNER TO owner")
    machine.replace("gateway_admin@127", "owner@127")
    (machine.data / "secrets" / "database_password").write_text("of the owner")
    (machine.settings / "challenge_database_password").write_text("of the port")
    return url.replace("postgres_of_the_owner", "gateway_admin")


def start(running: Installation) -> None:
    """In the order that the units ask for."""
    services = running.services
    preparing = services["prepare"].start()
    assert preparing.wait(60) == 0, preparing.output()
    port = str(running.challenge_port)
    running.manage(
        *("configure", "--hostname", "mx.example.test", "--agree-terms"),
        *("--network-scenario", "external", "--challenge-port", port),
    )
    for name in ("console", "worker", "challenges"):
        services[name].start()
    services["challenges"].wait_until(lambda: answers(running.challenge_port), "the port answers")
    services["worker"].wait_until(lambda: is_healthy(running), "all is alive")


def is_healthy(running: Installation) -> bool:
    try:
        return requests.get(f"{running.console_url}/healthz", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def test_every_part_is_alive(installation: Installation) -> None:
    assert is_healthy(installation)
    assert b" 404 " in get(installation.challenge_port, UNKNOWN)[:20]


def test_a_certificate_is_obtained_and_no_service_needed_a_system_call_that_is_forbidden(
    installation: Installation,
) -> None:
    installation.manage("issue", "--wait")
    live = installation.machine.data / "live" / "default"
    assert (live / "privkey.pem").stat().st_mode & 0o777 == 0o600
    for name, service in installation.services.items():
        assert service.refused_calls() == [], name


def test_the_challenge_port_is_opened_with_one_capability(installation: Installation) -> None:
    status = Path(f"/proc/{installation.pid('challenges')}/status").read_text()
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    net_bind_service = 1 << 10
    assert int(effective, 16) & ~net_bind_service == 0
    for name in ("console", "worker"):
        status = Path(f"/proc/{installation.pid(name)}/status").read_text()
        assert "CapEff:\t0000000000000000" in status


def test_the_challenge_port_signs_in_with_its_own_role(installation: Installation) -> None:
    with closing(psycopg.connect(installation.database_url)) as connection:
        rows = connection.execute(
            "SELECT DISTINCT usename FROM pg_stat_activity WHERE usename IS NOT NULL"
        )
        assert (challenge_role.NAME,) in rows.fetchall()


def test_the_challenge_port_is_given_no_key(installation: Installation) -> None:
    environment = Path(f"/proc/{installation.pid('challenges')}/environ").read_text()
    assert "DATABASE_PASSWORD_FILE" in environment
    for word in ("SECRET_KEY", "ENCRYPTION_KEYS", "BROKER"):
        assert word not in environment


def test_preparing_can_be_repeated_at_every_start(installation: Installation) -> None:
    preparing = installation.services["prepare"].start()
    assert preparing.wait(60) == 0, preparing.output()
    assert b" 404 " in get(installation.challenge_port, UNKNOWN)[:20]
