"""The challenge port's process on PostgreSQL, also when the server hangs up on it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.challenges.conftest import AUTHORIZATION, ROOT, TOKEN, environment, get
from tests.parts.postgresql import PostgreSQL
from tests.parts.processes import Process, answers, free_port, wait_until

NAME = "challenge_port"


class Console:
    """What the console and the worker do in the database."""

    def __init__(self, url: str) -> None:
        self.url = url

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def set_port(self, port: int) -> None:
        self.execute(
            "INSERT INTO challenges_networksettings (id, scenario, challenge_port) "  # noqa: S608
            f"VALUES (1, 'lan', {port}) ON CONFLICT (id) DO UPDATE SET challenge_port = {port}"
        )


@pytest.fixture
def console(postgresql: PostgreSQL) -> Console:
    return Console(postgresql.create_database(NAME))


@pytest.fixture
def process(console: Console, tmp_path: Path) -> Iterator[Process]:
    """The challenge process on a port that is free, with TOKEN published."""
    environ = environment(tmp_path, DATABASE_URL=console.url)
    migrate = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    subprocess.run(migrate, env=environ, cwd=ROOT, check=True)
    port = free_port()
    console.set_port(port)
    console.execute(
        "INSERT INTO challenges_challengetoken "  # noqa: S608 - our own constants
        "(token, key_authorization, created_at, expires_at) "
        f"VALUES ('{TOKEN}', '{AUTHORIZATION}', now(), now() + interval '1 hour')"
    )
    started = Process(
        [sys.executable, "-m", "challenges"], log=tmp_path / "log", env=environ, cwd=ROOT
    )
    try:
        started.wait_until(lambda: answers(port), f"Port {port} answers")
        started.wait_until(lambda: reported_port(console) == port, "The process reports itself")
        yield started
    finally:
        started.stop()


def test_a_process_on_many_addresses_reports_itself(
    console: Console, process: Process, tmp_path: Path
) -> None:
    process.stop()
    console.execute("DELETE FROM challenges_challengelistener")
    hosts = ",".join(f"127.100.100.{number}" for number in range(100, 130))
    environ = environment(tmp_path, DATABASE_URL=console.url, GATEWAY_ADMIN_CHALLENGE_HOST=hosts)
    log = tmp_path / "many.log"
    other = Process([sys.executable, "-m", "challenges"], log=log, env=environ, cwd=ROOT)
    try:
        other.wait_until(lambda: reported_port(console), "The process reports itself")
    finally:
        other.stop()
    assert console.execute("SELECT addresses FROM challenges_challengelistener") == [(hosts,)]
    assert "does not answer" not in other.output()


def reported_port(console: Console) -> int | None:
    rows = console.execute("SELECT port FROM challenges_challengelistener")
    return int(str(rows[0][0])) if rows else None


@pytest.mark.usefixtures("process")
def test_the_port_is_served_and_changed(console: Console) -> None:
    port, new = reported_port(console), free_port()
    assert port is not None
    assert get(port).endswith(AUTHORIZATION.encode())
    console.set_port(new)
    wait_until(lambda: reported_port(console) == new, "the report", timeout=5)
    assert get(new).endswith(AUTHORIZATION.encode())


def test_connections_that_the_server_has_closed_cost_no_answer(
    console: Console, process: Process
) -> None:
    port = reported_port(console)
    assert port is not None
    for _ in range(3):
        assert get(port).endswith(AUTHORIZATION.encode())
        console.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "  # noqa: S608
            f"WHERE datname = '{NAME}' AND pid <> pg_backend_pid()"
        )
        assert get(port).endswith(AUTHORIZATION.encode())
    assert process.returncode is None


def test_a_server_that_is_away_is_waited_for(
    console: Console, process: Process, postgresql: PostgreSQL
) -> None:
    port = reported_port(console)
    assert port is not None
    other = Console(postgresql.create_database("elsewhere"))
    other.execute(f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS false")
    other.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{NAME}'"  # noqa: S608
    )
    wait_until(lambda: "The database does not answer" in process.output(), "the log", timeout=8)
    assert b" 503 " in get(port)[:20]
    other.execute(f"ALTER DATABASE {NAME} ALLOW_CONNECTIONS true")
    wait_until(lambda: "The database answers again" in process.output(), "the log", timeout=8)
    assert get(port).endswith(AUTHORIZATION.encode())
    assert process.output().count("The database does not answer") == 1
    assert "not secret" not in process.output(), "the password is in no log"
