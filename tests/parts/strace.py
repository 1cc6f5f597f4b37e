"""What a program asked of the operating system, in order, by strace."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.parts.processes import PartError, find_program

# Long enough for a page of a database, so that what was written can be looked for.
LONGEST_TEXT = 65536
_LINE = re.compile(r"^(?P<pid>\d+) +(?P<rest>.*)$")
_CALL = re.compile(r"^(?P<name>\w+)\((?P<arguments>.*)$", re.DOTALL)
_RESUMED = re.compile(r"^<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)$")
_UNFINISHED = " <unfinished ...>"


@dataclasses.dataclass(frozen=True)
class Call:
    """One call: where in the trace it began and ended, and what strace shows of it."""

    name: str
    arguments: str
    begun: int
    ended: int

    @property
    def failed(self) -> bool:
        """Whether it was answered with an error."""
        return re.search(r"= -1 E\w+ \([^()]*\)$", self.arguments) is not None

    def is_on(self, path: Path) -> bool:
        """Whether its descriptor is of that file or directory."""
        return re.match(rf"\d+<{re.escape(str(path))}>", self.arguments) is not None


def trace(
    command: Sequence[str | Path],
    calls: Sequence[str],
    *,
    output: Path,
    env: Mapping[str, str],
    cwd: Path,
    timeout: float,
) -> list[Call]:
    """Run a command to its end and return those calls that succeeded.

    Raises PartError when it fails, or when this machine lets nobody trace.
    """
    strace = find_program("strace", package="strace")
    options = ["-f", "-y", "-s", str(LONGEST_TEXT), "-e", f"trace={','.join(calls)}"]
    done = subprocess.run(
        [strace, *options, "-o", output, *command],
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    if "strace: " in done.stderr and "ermitted" in done.stderr:
        raise PartError(
            "strace may not trace programs here. Allow it: in a container with the option "
            f"--cap-add SYS_PTRACE, else with sysctl kernel.yama.ptrace_scope=1.\n{done.stderr}"
        )
    if done.returncode != 0:
        raise PartError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return [call for call in parse(output.read_text(errors="replace")) if not call.failed]


def parse(text: str) -> list[Call]:
    """The calls of a trace written with ``-f -o``, in the order in which they ended."""
    calls: list[Call] = []
    # By thread: its call that another thread's came in between.
    open_calls: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(text.splitlines()):
        found = _LINE.match(line)
        if found is None:
            continue
        pid, rest, begun = found["pid"], found["rest"], number
        if rest.endswith(_UNFINISHED):
            open_calls[pid] = (rest.removesuffix(_UNFINISHED), number)
            continue
        if resumed := _RESUMED.match(rest):
            head, begun = open_calls.pop(pid)
            rest = head + resumed["rest"]
        if call := _CALL.match(rest):
            calls.append(Call(call["name"], call["arguments"], begun, number))
    return calls


def first(
    calls: Sequence[Call], wanted: Callable[[Call], bool], what: str, after: int = -1
) -> Call:
    """The first such call that begins after that line. Raises AssertionError naming ``what``."""
    for call in calls:
        if call.begun > after and wanted(call):
            return call
    raise AssertionError(f"nowhere after line {after} of the trace: {what}")
