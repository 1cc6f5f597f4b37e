"""The thread beside the event loop, with a database that fails as it is told to."""

from __future__ import annotations

import datetime
import logging
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest

from challenges.following import Report
from challenges.listening import STUCK_AFTER, Follower
from challenges.reporting import Availability, Reporter
from challenges.visits import Book, Visit, visit
from tests.parts.processes import free_port, wait_until


class Unreliable(Reporter):
    """A reporter without a database."""

    def __init__(self) -> None:
        super().__init__(Availability())
        self.port: int | None = None
        self.failures = 0
        self.defects = 0
        self.kept: list[Visit] = []
        self.told: list[tuple[Report, str]] = []

    def wanted_port(self) -> int | None:
        if self.defects:
            self.defects -= 1
            raise RuntimeError("a defect")
        return self.port

    def tell(self, current: Report, addresses: str) -> None:
        self.told.append((current, addresses))

    def keep(self, visits: Sequence[Visit]) -> bool:
        if self.failures:
            self.failures -= 1
            return False
        self.kept.extend(visits)
        return True

    def prune(self) -> None:
        pass


class Lost(Unreliable):
    """Waits for a reply that does not come."""

    def __init__(self) -> None:
        super().__init__()
        self.is_over = threading.Event()

    def wanted_port(self) -> int | None:
        self.is_over.wait(30)
        return None


class Scene:
    """The thread and what it works with."""

    def __init__(self) -> None:
        self.reporter = Unreliable()
        self.book = Book()
        self.switched: list[Sequence[socket.socket]] = []
        self.follower = Follower(["127.0.0.1"], self.book, self.reporter, self.switched.append)

    def note(self, number: int) -> None:
        for n in range(number):
            now = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
            made = visit(
                str(n), is_known=True, now=now, address="192.0.2.1", host="a.test", user_agent=""
            )
            self.book.note(made)

    def end(self) -> None:
        self.follower.finish()
        for sockets in self.switched:
            for bound in sockets:
                bound.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    with ExitStack() as stack:
        made = Scene()
        stack.callback(made.end)
        yield made


def test_evidence_that_cannot_be_written_is_kept_and_written_later_in_order(scene: Scene) -> None:
    scene.reporter.failures = 3
    scene.note(5)
    scene.follower.start()
    wait_until(lambda: scene.reporter.failures < 2, "some failures")
    scene.note(700)
    wait_until(lambda: len(scene.reporter.kept) == 705, "all are written")
    tokens = [kept.token for kept in scene.reporter.kept]
    assert tokens == [*map(str, range(5)), *map(str, range(700))]


def test_evidence_is_written_before_the_end(scene: Scene) -> None:
    scene.follower.start()
    scene.note(3)
    scene.follower.finish()
    assert len(scene.reporter.kept) == 3


def test_a_defect_does_not_end_the_thread(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.reporter.defects = 1
    scene.reporter.port = free_port()
    with caplog.at_level(logging.ERROR, logger="challenges"):
        scene.follower.start()
        wait_until(lambda: scene.reporter.told, "the port is bound after all")
    assert [record.exc_info is not None for record in caplog.records] == [True]
    report, addresses = scene.reporter.told[0]
    assert (report.port, report.error, addresses) == (scene.reporter.port, "", "127.0.0.1")
    assert len(scene.switched) == 1


def test_a_turn_that_never_ends_can_be_seen_from_outside() -> None:
    reporter = Lost()
    follower = Follower(["127.0.0.1"], Book(), reporter, lambda _sockets: None)
    begin = time.monotonic()
    assert not follower.is_stuck(begin + 2 * STUCK_AFTER), "it has not begun"
    follower.start()
    try:
        wait_until(lambda: follower.is_stuck(time.monotonic() + STUCK_AFTER), "it is seen")
        assert not follower.is_stuck(begin + STUCK_AFTER / 2)
    finally:
        reporter.is_over.set()
    wait_until(lambda: not follower.is_stuck(time.monotonic() + STUCK_AFTER), "it goes on")
    follower.finish()
