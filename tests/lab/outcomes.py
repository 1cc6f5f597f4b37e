"""What comes of the rows of the table, several of them at the same time: most of it is waiting."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.rows import Row, at
from tests.lab.stage import Lab, Outcome


class Outcomes:
    """The outcome of each row, in whichever lab is free; a context manager.

    ``ahead`` are rows that will be asked for in this order: they are looked at before they are.
    """

    def __init__(self, directories: Sequence[Path], ahead: Iterable[Row]) -> None:
        self._everything = contextlib.ExitStack()
        self._directories, self._ahead = directories, list(ahead)
        self._free: queue.SimpleQueue[Lab] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(len(directories), "row")
        self._begun: dict[str, Future[Outcome]] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as begun:
            for directory in self._directories:
                self._free.put(begun.enter_context(Lab(directory)))
            begun.callback(self._threads.shutdown, cancel_futures=True)
            for row in self._ahead:
                self._begin(row)
            self._everything = begun.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._everything.close()

    def of(self, row: Row) -> Outcome:
        """Waits for it; raises whatever went wrong on the way to it."""
        return self._begin(row).result()

    def _begin(self, row: Row) -> Future[Outcome]:
        if row.fault not in self._begun:
            self._begun[row.fault] = self._threads.submit(self._look, row)
        return self._begun[row.fault]

    def _look(self, row: Row) -> Outcome:
        lab = self._free.get()
        try:
            return outcome_of(row, lab)
        finally:
            self._free.put(lab)


def outcome_of(row: Row, lab: Lab) -> Outcome:
    """Bring the fault about, and look at it from both sides."""
    machine_name, address = row.site.value
    lab.set_router(row.router)
    lab.set_firewall(row.firewall)
    lab.set_zones(row.public or at(address), second=row.second, local=row.local)
    with row.during(lab):
        return lab.look(getattr(lab, machine_name), row.names, row.dns_servers)
