"""The challenge port as a real process on a data directory of its own, and raw HTTP to it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.parts.processes import Process, answers, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
AUTHORIZATION = f"{TOKEN}.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """What the challenge process is given: no keys."""
    return {
        "PATH": os.environ["PATH"],
        "GATEWAY_ADMIN_DATA_DIR": str(data_dir),
        "GATEWAY_ADMIN_CHALLENGE_HOST": "127.0.0.1",
        "DJANGO_SETTINGS_MODULE": "gateway_admin.responder_settings",
        "PYTHONPATH": str(ROOT),
        **more,
    }


class ChallengeProcess:
    """`python -m challenges` and the database that it looks at."""

    def __init__(self, data_dir: Path, port: int, **environ: str) -> None:
        self.data_dir = data_dir
        self.environ = environment(data_dir, **environ)
        self.set_port(port)
        command = [sys.executable, "-m", "challenges"]
        log = data_dir.parent / "challenges.log"
        self.process = Process(command, log=log, env=self.environ, cwd=ROOT)

    def wait_for(self, port: int) -> None:
        """Until the port answers."""
        self.process.wait_until(lambda: answers(port), f"Port {port} answers")

    def set_port(self, port: int) -> None:
        """What the console does when the port is changed on the screen."""
        self._write(
            "INSERT INTO challenges_networksettings (id, scenario, challenge_port) "
            "VALUES (1, 'lan', ?) ON CONFLICT (id) DO UPDATE SET challenge_port = ?",
            port,
            port,
        )

    def publish(self, token: str = TOKEN, authorization: str = AUTHORIZATION) -> None:
        """What the worker does before it answers a challenge."""
        self._write(
            "INSERT INTO challenges_challengetoken "
            "(token, key_authorization, created_at, expires_at) VALUES (?, ?, ?, ?)",
            token,
            authorization,
            "2026-11-23 12:00:00",
            "2036-11-23 12:00:00",
        )

    def withdraw(self, token: str = TOKEN) -> None:
        """What the worker does when the authorization is final."""
        self._write("DELETE FROM challenges_challengetoken WHERE token = ?", token)

    def visits(self, token: str = TOKEN) -> list[dict[str, Any]]:
        """The evidence of requests for a token, the oldest first."""
        with closing(sqlite3.connect(self.data_dir / "db.sqlite3", timeout=10)) as database:
            database.row_factory = sqlite3.Row
            rows = database.execute(
                "SELECT * FROM challenges_validationrequest WHERE token = ? ORDER BY id", (token,)
            )
            return [dict(row) for row in rows]

    def count(self, table: str) -> int:
        """How many rows a table has."""
        with closing(sqlite3.connect(self.data_dir / "db.sqlite3", timeout=10)) as database:
            (number,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
        return int(number)

    def listener(self) -> dict[str, Any] | None:
        """The row that it reports itself in."""
        with closing(sqlite3.connect(self.data_dir / "db.sqlite3", timeout=10)) as database:
            database.row_factory = sqlite3.Row
            row = database.execute("SELECT * FROM challenges_challengelistener").fetchone()
        return dict(row) if row else None

    def reports(self, **facts: object) -> bool:
        """Whether its row holds these values."""
        row = self.listener()
        return row is not None and all(row[name] == value for name, value in facts.items())

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """The database is away until the end of the context; the process has noticed."""
        database, away = self.data_dir / "db.sqlite3", self.data_dir / "away"
        self.process.signal(signal.SIGSTOP)  # so that the file is moved in one piece
        away.mkdir()
        for file in self.data_dir.glob("db.sqlite3*"):
            shutil.move(file, away / file.name)
        database.mkdir()  # a file that cannot be opened
        self.process.signal(signal.SIGCONT)
        wait_until(
            lambda: "The database does not answer" in self.process.output(), "the log", timeout=15
        )
        yield
        database.rmdir()
        for file in away.iterdir():
            shutil.move(file, self.data_dir / file.name)
        wait_until(
            lambda: "The database answers again" in self.process.output(), "the log", timeout=10
        )

    def _write(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.data_dir / "db.sqlite3", timeout=10)) as database:
            database.execute(statement, values)
            database.commit()


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the tables of the challenges application and no rows."""
    data_dir = tmp_path_factory.mktemp("migrated")
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--verbosity", "0"],
        env=environment(data_dir),
        cwd=ROOT,
        check=True,
    )
    return data_dir / "db.sqlite3"


StartChallenges = Callable[..., ChallengeProcess]


@pytest.fixture
def start_challenges(tmp_path: Path, migrated_database: Path) -> Iterator[StartChallenges]:
    """Starts the challenge process on a port, with more environment if need be."""
    with ExitStack() as stack:

        def start(port: int, **environ: str) -> ChallengeProcess:
            data_dir = tmp_path / "challenges"
            data_dir.mkdir()
            shutil.copy(migrated_database, data_dir / "db.sqlite3")
            started = ChallengeProcess(data_dir, port, **environ)
            stack.callback(started.process.stop)
            return started

        yield start


@pytest.fixture
def challenges(start_challenges: StartChallenges) -> ChallengeProcess:
    """The challenge process, ready, with TOKEN published."""
    port = free_port()
    started = start_challenges(port)
    started.publish()
    started.wait_for(port)
    started.process.wait_until(lambda: started.reports(port=port), "The process reports itself")
    return started


def exchange(port: int, request: bytes, *, host: str = "127.0.0.1", seconds: float = 5) -> bytes:
    """Everything that the port answers to these bytes until it hangs up."""
    with socket.create_connection((host, port), timeout=seconds) as connection:
        connection.sendall(request)
        return received(connection)


def received(connection: socket.socket) -> bytes:
    """Everything that still comes."""
    parts = []
    while part := connection.recv(4096):
        parts.append(part)
    return b"".join(parts)


def get(port: int, path: str = f"/.well-known/acme-challenge/{TOKEN}", **options: Any) -> bytes:
    """The answer to a plain GET, head and body."""
    request = f"GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
    return exchange(port, request.encode(), **options)
