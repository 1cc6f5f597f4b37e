"""docker-compose.yml as plain processes: what a container engine would run, on real parts.

Everything of a service is taken from the file (command, environment, secrets, health check);
replaced are only host names, ports and paths that exist inside a container alone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.parts.processes import PartError, Process, find_program, wait_until
from tests.parts.product import CHECKOUT

FILE = CHECKOUT / "docker-compose.yml"
VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\})")


def interpolate(value: Any, variables: Mapping[str, str]) -> Any:
    """As the Compose specification has it: ${NAME}, ${NAME:-default}, and $$ for a dollar."""
    if isinstance(value, dict):
        return {key: interpolate(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate(item, variables) for item in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        if match["name"] is None:
            return "$"
        return variables.get(match["name"], "") or match["default"] or ""

    return VARIABLE.sub(replace, value)


def load(variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file, interpolated with these variables and no others."""
    document = yaml.safe_load(FILE.read_text())
    assert isinstance(document, dict)
    return dict(interpolate(document, variables or {}))


@dataclass(frozen=True)
class Replacements:
    """What in the file is true only inside a container, and what stands for it here."""

    texts: Mapping[str, str]

    def __call__(self, text: str) -> str:
        """The text with all of them replaced, in one pass, the longest first."""
        ordered = sorted(self.texts, key=len, reverse=True)
        pattern = "|".join(rf"(?<![\w.]){re.escape(text)}(?!\w)" for text in ordered)
        return re.sub(pattern, lambda match: self.texts[match[0]], text)


class Service:
    """One service of the file as a process."""

    def __init__(
        self, name: str, description: dict[str, Any], replace: Replacements, directory: Path
    ) -> None:
        self.name = name
        self.description = description
        self._replace = replace
        self._directory = directory
        self._process: Process | None = None
        self.last_check = ""

    @property
    def environment(self) -> dict[str, str]:
        """What the container would have: the file's variables, a PATH, a home, no more."""
        given = self.description.get("environment") or {}
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(self._directory),
            # As in the image.
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        } | {key: self._replace(str(value)) for key, value in given.items()}

    @property
    def process(self) -> Process:
        """The running process."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start its command."""
        log = self._directory / f"{self.name}.log"
        command = self._command(self.description["command"])
        self._process = Process(command, log=log, env=self.environment, cwd=CHECKOUT)

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def execute(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """As `docker compose exec -T SERVICE COMMAND`."""
        return subprocess.run(
            self._command(command),
            input=stdin,
            env=self.environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def is_healthy(self) -> bool:
        """Run its health check once, within its own time limit."""
        kind, *test = self.description["healthcheck"]["test"]
        command = ["sh", "-c", *test] if kind == "CMD-SHELL" else test
        limit = seconds(self.description["healthcheck"]["timeout"])
        begin = time.monotonic()
        done = self.execute(*command)
        if (taken := time.monotonic() - begin) > limit:
            raise PartError(f"The health check of {self.name} took {taken:.1f} s of {limit} s.")
        self.last_check = done.stdout + done.stderr
        return done.returncode == 0

    def wait_until_healthy(self) -> None:
        """Wait as long as its health check's start period, twice for a busy machine."""
        limit = 2 * seconds(self.description["healthcheck"]["start_period"])
        what = f"{self.name} is healthy"
        try:
            if self._process is None:
                wait_until(self.is_healthy, what, timeout=limit)
            else:
                self._process.wait_until(self.is_healthy, what, timeout=limit)
        except PartError as error:
            raise PartError(f"{error}\nThe last check said: {self.last_check}") from error

    def _command(self, command: Any) -> list[str]:
        return [self._replace(str(part)) for part in command]


def seconds(text: str) -> int:
    """A duration of the file; all of ours are whole seconds."""
    assert re.fullmatch(r"\d+s", text)
    return int(text.removesuffix("s"))


def broker_programs() -> dict[str, str]:
    """Valkey's programs by the names the image has, or Redis's where the distribution has those."""
    return {
        name: str(find_program(name, name.replace("valkey", "redis"), package="redis-server"))
        for name in ("valkey-server", "valkey-cli")
    }
