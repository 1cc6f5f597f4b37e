"""Starting real programs and ending them again, waiting for conditions and never for a time."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Below the ports of the demo, which finds its own again at its next start only if nobody has them,
# and below the range from which the kernel takes ports for outgoing connections, so that none of
# those can take a port between the moment it is chosen and the moment a server binds it.
PORTS = range(10_100, 20_000)
POLL_INTERVAL = 0.02


class PartError(Exception):
    """A real part is missing, did not start, or did not do in time what was waited for."""


def find_program(*names: str, package: str, folders: Sequence[Path] = ()) -> Path:
    """The path of the first of ``names`` on PATH or in ``folders``; PartError names the package."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", *map(str, folders)])
    for name in names:
        if found := shutil.which(name, path=path):
            return Path(found)
    raise PartError(
        f"{' or '.join(names)} is missing on this machine: run scripts/install-test-parts, "
        f"or install the package {package}."
    )


def free_port() -> int:
    """A TCP and UDP port of the loopback address that nothing is bound to."""
    # Not random's shared state: pytest-randomly resets that to the same seed before each test.
    for port in random.SystemRandom().sample(PORTS, 200):
        if not is_taken(port):
            return port
    raise PartError("No free port was found.")


def is_taken(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something is bound to the port, for TCP or UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return True
    return False


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a TCP connection to the port is accepted."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def wait_until(
    condition: Callable[[], object],
    what: str,
    *,
    timeout: float = 20.0,
    every: float = POLL_INTERVAL,
) -> None:
    """Return once ``condition()`` is true; PartError after ``timeout`` s says ``what`` was not."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise PartError(f"{what}: not within {timeout:g} s.")
        time.sleep(every)


class Process:
    """One running program of ours, its output in a file.

    ``log`` is the file, ``output()`` its text. Dies with the test run, even a killed one.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
    ) -> None:
        self.name = Path(command[0]).name
        self.log = log
        setpriv = [str(find_program("setpriv", package="util-linux")), "--pdeathsig", "KILL"]
        if user:
            setpriv += ["--reuid", user, "--regid", user, "--init-groups"]
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*setpriv, "--", *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The program's own process id: setpriv has replaced itself by it."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    def output(self) -> str:
        """What it has written so far, both streams."""
        return self.log.read_text(errors="replace")

    def wait_until(
        self, condition: Callable[[], object], what: str, *, timeout: float = 20.0
    ) -> None:
        """Wait for the program to be ready or to have done something.

        PartError, with its output, at once when it ends and after ``timeout`` seconds otherwise;
        then the program is ended too.
        """

        def ended_or_true() -> bool:
            if self.returncode is not None:
                raise PartError(
                    f"{self.name} ended with status {self.returncode}:\n{self.output()}"
                )
            return bool(condition())

        try:
            wait_until(ended_or_true, what, timeout=timeout)
        except PartError as error:
            if self.returncode is None:
                self.kill()
                raise PartError(f"{error}\n{self.output()}") from error
            raise

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program itself, if it still runs."""
        if self.returncode is None:
            self._process.send_signal(number)

    def wait(self, timeout: float = 10.0) -> int:
        """Its exit status once it has ended by itself; PartError when it does not."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise PartError(f"{self.name} still runs after {timeout:g} s.") from error

    def stop(self, *, timeout: float = 10.0) -> int:
        """End it with SIGTERM, after ``timeout`` seconds its session with SIGKILL."""
        self.signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End it and what it has started in its session, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait(10)
