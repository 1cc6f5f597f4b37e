"""A real broker: Valkey, or Redis where the distribution has no Valkey."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import redis

from tests.parts.processes import Process, find_program, free_port


class Valkey:
    """Listens on 127.0.0.1 only, keeps nothing on disk. ``url`` is a CELERY_BROKER_URL."""

    host = "127.0.0.1"

    def __init__(self, directory: Path, *, password: str = "") -> None:
        self.port = free_port()
        self.password = password
        directory.mkdir(parents=True, exist_ok=True)
        program = find_program("valkey-server", "redis-server", package="redis-server")
        settings = ["--requirepass", password] if password else []
        self._process = Process(
            [
                program,
                "--bind",
                self.host,
                "--port",
                str(self.port),
                "--dir",
                directory,
                "--save",
                "",
                "--appendonly",
                "no",
                *settings,
            ],
            log=directory / "valkey.log",
        )
        self._process.wait_until(self._answers, "The broker answers")

    @property
    def url(self) -> str:
        """Its address, with the password if it has one."""
        user = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{user}{self.host}:{self.port}/0"

    def flush(self) -> None:
        """Forget every message."""
        with self._client() as client:
            client.flushall()

    def close(self) -> None:
        """End it."""
        self._process.stop()

    def _client(self) -> redis.Redis:
        return redis.Redis(host=self.host, port=self.port, password=self.password or None)

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.exceptions.ConnectionError:
            return False
