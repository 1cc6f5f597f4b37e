"""The units of deploy/systemd as plain processes: what systemd would run, on real parts.

Everything of a service is taken from its unit: command, environment, credentials, capabilities,
the filter of system calls. Replaced are only the paths of an installed machine.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.parts.processes import PartError, Process, find_program
from tests.parts.product import CHECKOUT

DIRECTORY = CHECKOUT / "deploy" / "systemd"
INSTALLED = "/opt/gateway-admin"
SETTINGS = "/etc/gateway-admin"
DATA = "/var/lib/gateway-admin"
# What MemoryDenyWriteExecute= asks of the kernel, from Linux 6.3 on; older ones refuse, and go on.
DENY_WRITE_EXECUTE = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclasses.dataclass(frozen=True)
class Unit:
    """A unit with its drop-ins: what is set in each section, in order."""

    name: str
    entries: tuple[tuple[str, str, str], ...]

    def all(self, key: str, section: str = "Service") -> list[str]:
        """Every value of a setting; an empty one forgets those before it."""
        values: list[str] = []
        for where, name, value in self.entries:
            if (where, name) == (section, key):
                values = [*values, value] if value else []
        return values

    def last(self, key: str, section: str = "Service") -> str:
        """The value that counts; "" where there is none."""
        return (self.all(key, section) or [""])[-1]

    def variables(self) -> dict[str, str]:
        """What Environment= sets."""
        pairs = (pair for line in self.all("Environment") for pair in shlex.split(line))
        return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}

    def credentials(self) -> dict[str, str]:
        """Name and file of each credential."""
        return {
            name: file
            for name, _, file in (line.partition(":") for line in self.all("LoadCredential"))
        }


def names(suffix: str = ".service") -> list[str]:
    """The units there are."""
    return sorted(path.name for path in DIRECTORY.glob(f"*{suffix}"))


def load(name: str) -> Unit:
    """A unit, with the drop-ins for all whose names begin like its own."""
    drop_ins = sorted(DIRECTORY.glob("*-.service.d/*.conf")) if name.endswith(".service") else []
    entries = [
        entry
        for file in (DIRECTORY / name, *drop_ins)
        if file.name == name or name.startswith(file.parent.name.removesuffix(".service.d"))
        for entry in _entries(file.read_text())
    ]
    return Unit(name, tuple(entries))


def _entries(text: str) -> list[tuple[str, str, str]]:
    entries, section = [], ""
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped.strip("[]")
        elif stripped and stripped[0] not in "#;":
            key, _, value = stripped.partition("=")
            entries.append((section, key.strip(), value.strip()))
    return entries


def install(directory: Path) -> None:
    """A copy of the units for the checkout where it is, for systemd-analyze to look at."""
    shutil.copytree(DIRECTORY, directory)
    for file in directory.iterdir():
        if file.suffix in {".service", ".target"}:
            file.write_text(file.read_text().replace(INSTALLED, str(CHECKOUT)))


class Machine:
    """A machine on which the units are installed, in a directory of the test's own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.settings = directory / "etc"
        self.state = directory / "state"
        self.data = self.state / "gateway-admin"
        for path in (self.settings, self.data, self.data / "secrets"):
            path.mkdir(mode=0o700, parents=True)
        self._texts = {
            INSTALLED: str(CHECKOUT),
            SETTINGS: str(self.settings),
            DATA: str(self.data),
        }

    def replace(self, text: str, by: str) -> None:
        """Besides the paths: something else that this machine has otherwise."""
        self._texts[text] = by

    def placed(self, text: str) -> str:
        """The text of a file of deploy/systemd as it would be on this machine."""
        for name, value in self._texts.items():
            text = text.replace(name, value)
        return text

    def write_settings(self) -> None:
        """The two files of settings, as they are delivered."""
        for name, directory in (
            ("gateway-admin.env", self.data),
            ("challenges.env", self.settings),
        ):
            (directory / name).write_text(self.placed((DIRECTORY / name).read_text()))

    def service(self, name: str) -> Service:
        """One of its services, not started yet."""
        return Service(load(name), self)


class Service:
    """One service as a process, with the rights that its unit leaves it."""

    def __init__(self, unit: Unit, machine: Machine) -> None:
        self.unit = unit
        self._machine = machine
        self._own = machine.directory / unit.name
        self.process: Process | None = None
        self._make_directories()

    @property
    def environment(self) -> dict[str, str]:
        """What Environment= and EnvironmentFile= give it, the latter having the last word."""
        given = {name: self._placed(value) for name, value in self.unit.variables().items()}
        for file in self.unit.all("EnvironmentFile"):
            for line in Path(self._placed(file)).read_text().splitlines():
                name, equals, value = line.partition("=")
                if equals and not line.startswith("#"):
                    given[name] = value
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"} | given

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for it to be ready; PartError, with its output, when it ends or takes long."""
        assert self.process is not None
        self.process.wait_until(condition, f"{self.unit.name}: {what}", timeout=40)

    def start(self) -> Process:
        """Start its (last) command; all before must have ended well."""
        *before, last = [shlex.split(self._placed(line)) for line in self.unit.all("ExecStart")]
        for command in before:
            process = self._process(command)
            if process.wait(60) != 0:
                raise PartError(f"{shlex.join(command)} failed:\n{process.output()}")
        self.process = self._process(last)
        return self.process

    def stop(self) -> None:
        """End it, if it runs."""
        if self.process is not None:
            self.process.stop()

    def refused_calls(self) -> list[str]:
        """The system calls that its filter has refused."""
        lines = (self._own / "trace").read_text(errors="replace").splitlines()
        return [line for line in lines if "(INJECTED)" in line]

    def _process(self, command: Sequence[str]) -> Process:
        return Process(
            [*self._capabilities(), *self._filter(), *self._memory(), *command],
            log=self._own / "log",
            env=self.environment,
            cwd=Path(self._placed(self.unit.last("WorkingDirectory"))),
        )

    def _make_directories(self) -> None:
        for path in (self._own / "credentials", self._own / "run"):
            path.mkdir(mode=0o700, parents=True)
        if runtime := self.unit.last("RuntimeDirectory"):
            (self._own / "run" / runtime).mkdir()
        for name, file in self.unit.credentials().items():
            shutil.copy(self._placed(file), self._own / "credentials" / name)

    def _placed(self, text: str) -> str:
        specifiers = {
            "%d": str(self._own / "credentials"),
            "%S": str(self._machine.state),
            "%t": str(self._own / "run"),
        }
        for name, value in specifiers.items():
            text = text.replace(name, value)
        return self._machine.placed(text)

    def _capabilities(self) -> list[str]:
        """Only root has any to lose."""
        if os.geteuid() != 0:
            return []
        kept = self.unit.last("CapabilityBoundingSet").lower().split()
        capabilities = ",".join(["-all", *(f"+{name.removeprefix('cap_')}" for name in kept)])
        setpriv = str(find_program("setpriv", package="util-linux"))
        bounds = [f"--{kind}={capabilities}" for kind in ("inh-caps", "bounding-set")]
        return [setpriv, "--no-new-privs", *bounds, "--"]

    def _filter(self) -> list[str]:
        """strace answers what the filter forbids, as the kernel would, and writes it down."""
        allowed: set[str] = set()
        for value in self.unit.all("SystemCallFilter"):
            calls = {call for name in value.lstrip("~").split() for call in system_calls(name)}
            allowed = allowed - calls if value.startswith("~") else allowed | calls
        others = f"!{','.join(f'?{call}' for call in sorted(allowed))}"
        strace = str(find_program("strace", package="strace"))
        return [
            *(strace, "-D", "-f", "--seccomp-bpf", "-o", str(self._own / "trace")),
            *("-e", f"trace={others}", "-e", "signal=none"),
            *("-e", f"inject={others}:error={self.unit.last('SystemCallErrorNumber')}"),
        ]

    def _memory(self) -> list[str]:
        denied = self.unit.last("MemoryDenyWriteExecute") == "yes"
        return [sys.executable, "-c", DENY_WRITE_EXECUTE] if denied else []


def system_calls(name: str) -> set[str]:
    """The calls of a set such as @system-service, or the one call of that name."""
    if not name.startswith("@"):
        return {name}
    program = find_program("systemd-analyze", package="systemd")
    command: list[str | Path] = [program, "--no-pager", "syscall-filter", name]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    words = [line.strip() for line in shown.splitlines()[1:]]
    return {
        call for word in words if word and not word.startswith("#") for call in system_calls(word)
    }
