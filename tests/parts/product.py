"""The product itself as real processes on a data directory of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import requests

from gateway_admin.launch import programs
from tests.parts.processes import PartError, Process, answers, free_port

CHECKOUT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery staple"
OURS = ("GATEWAY_ADMIN_", "DATABASE_", "CELERY_", "DJANGO_")


def clean_environment() -> dict[str, str]:
    """This process's environment without any setting of the product."""
    return {key: value for key, value in os.environ.items() if not key.startswith(OURS)}


class Product:
    """Commands and processes on one data directory, with the environment of a set of parts.

    Nothing is started by making it. Use it as a context manager: leaving it stops everything.
    """

    def __init__(self, data_dir: Path, env: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.log_dir = data_dir.parent / "logs"
        self.env = (
            clean_environment()
            | {"GATEWAY_ADMIN_CHALLENGE_HOST": "127.0.0.1"}
            | dict(env or {})
            | {"GATEWAY_ADMIN_DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1"}
        )
        self.console_port = free_port()
        self.processes: dict[str, Process] = {}
        self.log_dir.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The console's address, without a slash at the end."""
        return f"http://127.0.0.1:{self.console_port}"

    # Commands

    def run(self, *arguments: str | Path, timeout: float = 90) -> subprocess.CompletedProcess[str]:
        """Run ``manage.py ARGUMENTS`` and return whatever came of it."""
        return subprocess.run(
            [sys.executable, str(CHECKOUT / "manage.py"), *map(str, arguments)],
            cwd=self.data_dir.parent,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def manage(self, *arguments: str | Path, timeout: float = 90) -> str:
        """Run ``manage.py ARGUMENTS``, which must succeed; returns its standard output."""
        done = self.run(*arguments, timeout=timeout)
        if done.returncode != 0:
            raise PartError(
                f"manage.py {' '.join(map(str, arguments))} ended with status {done.returncode}:\n"
                f"{done.stdout}{done.stderr}"
            )
        return done.stdout

    def json(self, *arguments: str | Path, timeout: float = 90) -> Any:
        """Run ``manage.py ARGUMENTS --json``, which must succeed; returns the document."""
        output = self.manage(*arguments, "--json", timeout=timeout)
        try:
            return json.loads(output)
        except ValueError as error:
            raise PartError(f"manage.py {arguments} printed no JSON but {output!r}.") from error

    def create_administrator(self, name: str = "admin", password: str = PASSWORD) -> None:
        """Make an administrator to sign in with."""
        file = self.log_dir / "password"
        file.write_text(password)
        file.chmod(0o600)
        self.manage("create_administrator", name, "--password-file", file)

    # Processes

    def start(self, *, challenge_port: int | None = None) -> None:
        """Start console, responder and worker, and wait until /healthz finds all of them alive.

        ``challenge_port`` is what the responder was configured to serve, if that is to be
        waited for as well.
        """
        self.start_console()
        self.start_responder(challenge_port)
        self.start_worker()

    def start_console(self) -> str:
        """Start the console and wait until it answers; returns its address."""
        process = self._start("console")
        process.wait_until(lambda: self.health() is not None, "The console answers")
        return self.url

    def start_responder(self, port: int | None = None) -> None:
        """Start the challenge responder and, given the port, wait until it serves there."""
        process = self._start("challenges")
        if port is not None:
            process.wait_until(lambda: answers(port), f"The responder answers on port {port}")

    def start_worker(self) -> None:
        """Start the worker with beat; wait for both heartbeats when the console is up to ask."""
        process = self._start("worker")
        if "console" in self.processes:
            process.wait_until(self.is_healthy, "Everything is alive", timeout=40)

    def health(self) -> requests.Response | None:
        """What /healthz answers, None while nothing does."""
        try:
            return requests.get(f"{self.url}/healthz", timeout=5, allow_redirects=False)
        except requests.ConnectionError:
            return None

    def is_healthy(self) -> bool:
        """Whether /healthz answers 200."""
        response = self.health()
        return response is not None and response.status_code == 200

    def start_command(self, name: str, command: Sequence[str | Path]) -> Process:
        """Start any other command in this environment, under a name of its own."""
        process = Process(command, log=self.log_dir / f"{name}.log", env=self.env, cwd=CHECKOUT)
        self.processes[name] = process
        return process

    def kill(self, *names: str) -> None:
        """SIGKILL the named processes, or all of them, as a power cut would."""
        for name in names or tuple(self.processes):
            self.processes.pop(name).kill()

    def stop(self, *names: str) -> None:
        """Stop the named processes, or all of them, in order; each gets 10 s."""
        for name in names or tuple(self.processes):
            self.processes.pop(name).stop()

    def _start(self, name: str) -> Process:
        program = next(
            program
            for program in programs.product(f"127.0.0.1:{self.console_port}")
            if program.name == name
        )
        process = Process(
            program.full_command,
            log=self.log_dir / f"{name}.log",
            env=self.env | dict(program.environment),
            cwd=CHECKOUT,
        )
        self.processes[name] = process
        return process


class MakeProduct(Protocol):
    """What the fixture ``make_product`` is."""

    def __call__(self, env: Mapping[str, str] | None = None, *, name: str = "product") -> Product:
        """A product on the data directory called ``name``."""
        ...
