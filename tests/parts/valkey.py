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
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._process = self._start()

    @property
    def url(self) -> str:
        """Its address, with the password if it has one."""
        user = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{user}{self.host}:{self.port}/0"

    def flush(self) -> None:
        """Forget every message."""
        with self._client() as client:
            client.flushall()

    def kill(self) -> None:
        """End it as a power cut would; with the process every message is gone."""
        self._process.kill()

    def restart(self) -> None:
        """Start it again on the same port, empty; it has to have ended."""
        self._process = self._start()

    def close(self) -> None:
        """End it."""
        self._process.stop()

    def _start(self) -> Process:
        program = find_program("valkey-server", "redis-server", package="redis-server")
        settings = ["--requirepass", self.password] if self.password else []
        process = Process(
            [
                program,
                "--bind",
                self.host,
                "--port",
                str(self.port),
                "--dir",
                self._directory,
                "--save",
                "",
                "--appendonly",
                "no",
                *settings,
            ],
            log=self._directory / "valkey.log",
        )
        process.wait_until(self._answers, "The broker answers")
        return process

    def _client(self) -> redis.Redis:
        return redis.Redis(host=self.host, port=self.port, password=self.password or None)

    def _answers(self) -> bool:
        try:
            with self._client() as client:
                return bool(client.ping())
        except redis.exceptions.ConnectionError:
            return False
