"""`scripts/run` as a user runs it, on a data directory of the test's own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import requests

from tests.parts.processes import Process, free_port, wait_until
from tests.parts.product import CHECKOUT, clean_environment

STOP_LIMIT = 10.0
RUN = (str(CHECKOUT / "scripts" / "run"),)


def processes_of(data_dir: Path) -> dict[int, str]:
    """The processes, by pid, that belong to a run on this data directory, with their commands."""
    found: dict[int, str] = {}
    # Each has it in its environment, those of the demo in their arguments too.
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        mark = os.fsencode(data_dir)
        if command and int(entry.name) != os.getpid() and mark in command + environment:
            found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def environment_of(pid: int) -> list[bytes]:
    """NAME=VALUE of a process; empty when it has just ended."""
    try:
        return (Path("/proc") / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


class Run:
    """One `scripts/run`, running."""

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        port: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.scheme = "https" if "--tls" in options else "http"
        self.started_at = time.monotonic()
        self.process = Process(
            [*RUN, "--data-dir", str(data_dir), "--port", str(self.port), *options],
            log=data_dir.parent / f"run-{time.monotonic_ns()}.log",
            env=clean_environment() | dict(env or {}),
            cwd=data_dir.parent,
        )

    @property
    def url(self) -> str:
        """Where the console is."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def lines(self) -> list[str]:
        """What was written to the terminal so far."""
        return self.process.output().splitlines()

    def wait_until_ready(self) -> float:
        """Wait for the ready line; returns the seconds from the start to it."""
        line = f"Gateway Admin is ready at {self.url}"
        self.process.wait_until(lambda: line in self.lines, "It says that it is ready", timeout=120)
        return time.monotonic() - self.started_at

    def health(self) -> int:
        """The status of /healthz, 0 while nobody answers."""
        try:
            return requests.get(f"{self.url}/healthz", timeout=5).status_code
        except requests.RequestException:
            return 0

    def pids_of(self, program: str) -> list[int]:
        """The processes, oldest first, of a program under the name that the supervisor knows."""
        name = f"SUPERVISOR_PROCESS_NAME={program}".encode()
        return sorted(pid for pid in processes_of(self.data_dir) if name in environment_of(pid))

    def kill(self, program: str) -> int:
        """SIGKILL the program's oldest process, which has to be there; returns its pid."""
        pid = self.pids_of(program)[0]
        os.kill(pid, signal.SIGKILL)
        return pid

    def is_back(self, pid: int, program: str) -> bool:
        """Whether the program runs and the process that was killed is gone."""
        pids = self.pids_of(program)
        return pid not in pids and bool(pids)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Ask it to stop; returns the seconds until it has ended, with status 0."""
        begin = time.monotonic()
        self.process.signal(number)
        assert self.process.wait(STOP_LIMIT) == 0, self.process.output()
        return time.monotonic() - begin

    def assert_nothing_left(self) -> None:
        """Not one process of it is there any more."""
        assert processes_of(self.data_dir) == {}

    def assert_ends_itself(self) -> None:
        """Every process of it is gone soon, without anybody's doing."""
        wait_until(lambda: not processes_of(self.data_dir), "Nothing is left", timeout=STOP_LIMIT)


class StartRun(Protocol):
    """What the fixture ``start_run`` is."""

    def __call__(
        self, *options: str, port: int | None = None, env: Mapping[str, str] | None = None
    ) -> Run:
        """A run, not yet ready, on the data directory of the test."""
        ...


def refused(data_dir: Path, *options: str) -> str:
    """The line with which a run is refused, with exit status 1 and nothing else said."""
    done = subprocess.run(
        [*RUN, "--data-dir", str(data_dir), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=clean_environment(),
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return str(line)
