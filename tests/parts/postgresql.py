"""A real PostgreSQL server of the tests' own, thrown away afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from tests.parts.processes import PartError, Process, find_program, free_port

USER = "gateway_admin"
PASSWORD = "not secret: it guards a server that lives for one test run"


class PostgreSQL:
    """Listens on 127.0.0.1 only; signs in by password, as in production."""

    host = "127.0.0.1"
    user = USER

    def __init__(self, log: Path, *, password: str = PASSWORD) -> None:
        self.password = password
        # Not below the test run's own folder, which PostgreSQL's user may not enter.
        self._directory = Path(tempfile.mkdtemp(prefix="gateway-admin-postgresql-"))
        # PostgreSQL refuses to run as root; Debian's package brings a user for it.
        self._account = "postgres" if os.geteuid() == 0 else None
        self.port = free_port()
        self._folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        self._make_cluster()
        # Durability is not what is tested here.
        options = {
            "listen_addresses": self.host,
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        self._process = Process(
            [
                self._program("postgres"),
                "-D",
                self._directory / "cluster",
                "-p",
                str(self.port),
                *(part for key, value in options.items() for part in ("-c", f"{key}={value}")),
            ],
            log=log,
            cwd=self._directory,
            user=self._account,
        )
        self._process.wait_until(self._answers, "PostgreSQL answers")

    def create_database(self, name: str) -> str:
        """An empty database (a former one of that name is dropped); returns its DATABASE_URL."""
        with self._connect("postgres") as connection:
            identifier = sql.Identifier(name)
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier)
            )
            connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
        return f"postgres://{USER}:{quote(self.password, safe='')}@{self.host}:{self.port}/{name}"

    def close(self) -> None:
        """End it and delete its files."""
        # A fast shutdown: it does not wait for clients to go.
        self._process.signal(signal.SIGINT)
        self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _program(self, name: str) -> Path:
        return find_program(name, package="postgresql", folders=self._folders)

    def _make_cluster(self) -> None:
        password_file = self._directory / "password"
        password_file.write_text(f"{self.password}\n")
        if self._account:
            identity = pwd.getpwnam(self._account)
            for path in (self._directory, password_file):
                os.chown(path, identity.pw_uid, identity.pw_gid)
        command: list[str | Path] = [
            self._program("initdb"),
            f"--pgdata={self._directory / 'cluster'}",
            f"--username={USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]
        done = subprocess.run(
            command,
            cwd=self._directory,
            user=self._account,
            group=self._account,
            extra_groups=[] if self._account else None,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise PartError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=USER,
            password=self.password,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def _answers(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True
