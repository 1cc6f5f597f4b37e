"""Which process listens on a TCP port, as far as /proc lets us see (Linux; others: unknown)."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

PROC = Path("/proc")
_LISTENING = "0A"  # TCP_LISTEN in include/net/tcp_states.h


@dataclasses.dataclass(frozen=True, slots=True)
class Occupant:
    """A running process."""

    name: str
    pid: int


def find(port: int, *, proc: Path = PROC) -> Occupant | None:
    """The process that listens on ``port``, or None when there is none or it may not be seen."""
    inodes: set[str] = set()
    for table in ("tcp", "tcp6"):
        try:
            inodes |= listening_inodes((proc / "net" / table).read_text(), port)
        except OSError:
            continue
    return _owner({f"socket:[{inode}]" for inode in inodes}, proc) if inodes else None


def listening_inodes(table: str, port: int) -> set[str]:
    """The inodes of the sockets that listen on ``port``, from the text of /proc/net/tcp."""
    inodes = set()
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != _LISTENING:
            continue
        if int(fields[1].rpartition(":")[2], 16) == port:
            inodes.add(fields[9])
    return inodes


def _owner(links: set[str], proc: Path) -> Occupant | None:
    for directory in proc.iterdir():
        if not directory.name.isdigit():
            continue
        try:
            descriptors = list((directory / "fd").iterdir())
        except OSError:  # another user's process, or one that has just ended
            continue
        if any(_link(descriptor) in links for descriptor in descriptors):
            return Occupant(_name(directory), int(directory.name))
    return None


def _link(descriptor: Path) -> str:
    try:
        return os.readlink(descriptor)  # noqa: PTH115 - the text, which is no path
    except OSError:
        return ""


def _name(directory: Path) -> str:
    try:
        return (directory / "comm").read_text().strip()
    except OSError:
        return "?"
