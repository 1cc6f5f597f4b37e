"""Several challenge processes on one database: no answer is ever out of date."""

from __future__ import annotations

import concurrent.futures
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.challenges.conftest import ROOT, environment, get
from tests.parts.processes import Process, answers, free_port, wait_until

HOSTS = ("127.0.0.1", "127.0.0.2")
Values = tuple[object, ...]


class Cluster:
    """Two challenge processes and what somebody else does in their database."""

    def __init__(self, port: int, execute: Callable[[str, Values], list[Values]]) -> None:
        self.port = port
        self.execute = execute

    def publish(self, token: str) -> None:
        self.execute(
            "INSERT INTO challenges_challengetoken "
            "(token, key_authorization, created_at, expires_at) VALUES (?, ?, ?, ?)",
            (token, f"{token}.thumbprint", "2026-11-23 12:00:00", "2036-11-23 12:00:00"),
        )

    def withdraw(self, token: str) -> None:
        self.execute("DELETE FROM challenges_challengetoken WHERE token = ?", (token,))

    def answers(self, token: str) -> list[bytes]:
        """What each process answers, asked at the same time, after its head."""
        with concurrent.futures.ThreadPoolExecutor(len(HOSTS)) as pool:
            asked = [pool.submit(self._get, host, token) for host in HOSTS]
            return [answer.result() for answer in asked]

    def _get(self, host: str, token: str) -> bytes:
        answer = get(self.port, f"/.well-known/acme-challenge/{token}", host=host)
        return answer.partition(b"\r\n\r\n")[2]


def on_sqlite(data_dir: Path, migrated_database: Path) -> Callable[[str, Values], list[Values]]:
    file = shutil.copy(migrated_database, data_dir / "db.sqlite3")

    def execute(statement: str, values: Values) -> list[Values]:
        with closing(sqlite3.connect(file, timeout=10)) as database:
            rows = database.execute(statement, values).fetchall()
            database.commit()
            return rows

    return execute


def on_postgresql(url: str, environ: dict[str, str]) -> Callable[[str, Values], list[Values]]:
    migrate = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    subprocess.run(migrate, env=environ, cwd=ROOT, check=True)

    def execute(statement: str, values: Values) -> list[Values]:
        with closing(psycopg.connect(url, autocommit=True)) as connection:
            cursor = connection.execute(statement.replace("?", "%s").encode(), values)
            return cursor.fetchall() if cursor.description else []

    return execute


@pytest.fixture(params=["sqlite", "postgresql"])
def cluster(
    request: pytest.FixtureRequest, tmp_path: Path, migrated_database: Path
) -> Iterator[Cluster]:
    """Both processes answering, on the same port of two addresses."""
    environ = environment(tmp_path)
    if request.param == "sqlite":
        execute = on_sqlite(tmp_path, migrated_database)
    else:
        url = request.getfixturevalue("postgresql").create_database("two_challenge_processes")
        environ["DATABASE_URL"] = url
        execute = on_postgresql(url, environ)
    port = free_port()
    execute(
        "INSERT INTO challenges_networksettings (id, scenario, challenge_port) "
        "VALUES (1, 'lan', ?)",
        (port,),
    )
    with ExitStack() as stack:
        for host in HOSTS:
            started = Process(
                [sys.executable, "-m", "challenges"],
                log=tmp_path / f"{host}.log",
                env=environ | {"GATEWAY_ADMIN_CHALLENGE_HOST": host},
                cwd=ROOT,
            )
            stack.callback(started.stop)
            started.wait_until(partial(answers, port, host), f"{host} answers")
        yield Cluster(port, execute)


def test_a_token_is_answered_everywhere_from_its_commit_to_its_withdrawal(
    cluster: Cluster,
) -> None:
    for _ in range(100):
        token = secrets.token_urlsafe(32)
        assert cluster.answers(token) == [b"404\n"] * 2
        cluster.publish(token)
        assert cluster.answers(token) == [f"{token}.thumbprint".encode()] * 2
        cluster.withdraw(token)
        assert cluster.answers(token) == [b"404\n"] * 2


def test_a_crowd_that_asks_all_the_time_changes_nothing(cluster: Cluster) -> None:
    tokens = [secrets.token_urlsafe(32) for _ in range(20)]
    cluster.publish(tokens[0])
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        crowd = [pool.submit(cluster.answers, tokens[0]) for _ in range(300)]
        for token in tokens[1:]:
            cluster.publish(token)
            assert cluster.answers(token) == [f"{token}.thumbprint".encode()] * 2
            cluster.withdraw(token)
            assert cluster.answers(token) == [b"404\n"] * 2
        expected = [f"{tokens[0]}.thumbprint".encode()] * 2
        assert all(asked.result() == expected for asked in crowd)


def test_each_validation_leaves_its_evidence(cluster: Cluster) -> None:
    tokens = [secrets.token_urlsafe(32) for _ in range(5)]
    for token in tokens[:4]:
        cluster.publish(token)
    for _ in range(3):
        for token in tokens:
            cluster.answers(token)

    def rows(token: str) -> list[Values]:
        return cluster.execute(
            "SELECT is_known, address, host, user_agent, received_at "
            "FROM challenges_validationrequest WHERE token = ?",
            (token,),
        )

    wait_until(lambda: all(len(rows(token)) == 6 for token in tokens), "the evidence", timeout=5)
    for token in tokens:
        for is_known, address, host, user_agent, _at in rows(token):
            assert bool(is_known) is (token != tokens[4])
            assert str(address).startswith("127.0.0.1")
            assert (host, user_agent) == ("a.test", "")
