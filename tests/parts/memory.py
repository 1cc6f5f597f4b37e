"""How much memory a program really takes, as Linux counts it."""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc")


def family(pid: int) -> list[int]:
    """The process and everything that it has started and that still runs."""
    children = (PROC / str(pid) / "task" / str(pid) / "children").read_text().split()
    return [pid, *(member for child in children for member in family(int(child)))]


def pss(pid: int) -> float:
    """A process's proportional set size in MiB: what it shares is counted by shares."""
    lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def family_pss(pid: int) -> float:
    """The same of a process with everything that it has started."""
    return sum(pss(member) for member in family(pid))


def command(pid: int) -> str:
    """The beginning of its command line."""
    return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:70]
