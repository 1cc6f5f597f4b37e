"""Thousands of connections held open against a port of ours, in a process of their own."""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.parts import slow_clients
from tests.parts.processes import Process, wait_until

# Of a process's descriptors: those of the server itself, of its database, and some to spare.
SPARE_DESCRIPTORS = 600


@dataclass(frozen=True)
class Tally:
    """What has become of them: lifetimes in seconds, by what a client did (``longest``)."""

    open: int
    opened: int
    ended: int
    failed: int
    longest: Mapping[str, float]


def most(wanted: int) -> int:
    """As many as are wanted, or as this machine lets one process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - SPARE_DESCRIPTORS)


class Strangers:
    """So many connections that are silent or slow, at any time while the context lasts."""

    def __init__(self, port: int, count: int, log: Path) -> None:
        self.count = count
        # The last line of an earlier one's log would be taken for one of this one's.
        log.unlink(missing_ok=True)
        command = [sys.executable, slow_clients.__file__, str(port), str(count)]
        self._process = Process(command, log=log)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def tally(self) -> Tally:
        """As it was at most half a second ago."""
        lines = [
            line for line in self._process.output().splitlines(keepends=True) if line[-1:] == "\n"
        ]
        return Tally(**json.loads(lines[-1])) if lines else Tally(0, 0, 0, 0, {})

    def wait_until_all_are_there(self, timeout: float = 20) -> None:
        """Until nearly all of them are connected at once; some are always being replaced."""
        self._process.wait_until(
            lambda: self.tally().open >= 0.95 * self.count,
            f"{self.count} slow connections are open",
            timeout=timeout,
        )

    def leave(self, timeout: float = 15) -> Tally:
        """Replace none any more and wait until the server has ended the last; returns the end."""
        self._process.signal(signal.SIGINT)
        wait_until(
            lambda: self._process.returncode is not None,
            "The last slow connection is ended",
            timeout=timeout,
        )
        return self.tally()
