"""Killed at any moment, a rotation loses no key, and the next one completes it.

On SQLite at every moment, on PostgreSQL at some; with ``--soak`` at every one on both.
"""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.parts.postgresql import PostgreSQL
from tests.parts.product import CHECKOUT, Product

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

Repetitions = Callable[[int, int], int]
ROWS_OF_EACH_KIND = 3


class Rotating:
    """A prepared product whose keys are rotated by processes that can be killed."""

    def __init__(self, product: Product, *, is_thorough: bool) -> None:
        self.is_thorough = is_thorough
        product.manage("status")
        self._log = (product.log_dir / "rotated.log").open("w+")
        self._program = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.certificates.rotated"],
            env=product.env,
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.ask("fill", count=ROWS_OF_EACH_KIND)

    def close(self) -> None:
        """End it."""
        self._program.communicate()
        self._log.close()

    def ask(self, action: str, **arguments: Any) -> Any:
        """Have it done; returns the answer."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        self._program.stdin.write(json.dumps({"action": action, **arguments}) + "\n")
        self._program.stdin.flush()
        answer = self._program.stdout.readline()
        assert answer, self.log()
        return json.loads(answer)

    def log(self) -> str:
        """What the processes have written."""
        self._log.seek(0)
        return self._log.read()

    def assert_nothing_is_lost(self) -> dict[str, Any]:
        """Everything opens with the file as it is now; returns what was found."""
        stored: dict[str, Any] = self.ask("look")
        assert stored["rows"] == 4 * ROWS_OF_EACH_KIND
        assert stored["lost"] == [], self.log()
        return stored

    def complete(self, *, forgets: bool = True) -> None:
        """The next rotation seals everything with the newest key, and the old ones can go."""
        self.ask("complete", forgets=forgets)
        stored = self.assert_nothing_is_lost()
        assert stored["stale"] == 0
        assert not forgets or stored["keys"] == 1


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def rotating(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rotating]:
    """One for each database."""
    env = {}
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        env["DATABASE_URL"] = server.create_database("killed_rotation")
    directory = tmp_path_factory.mktemp(f"rotated-{request.param}")
    with closing(
        Rotating(Product(directory / "data", env), is_thorough=request.param == "sqlite")
    ) as started:
        yield started


@pytest.mark.parametrize(("action", "every"), [("rotate", 1), ("forget", 8)])
def test_killed_at_any_moment_it_loses_nothing_and_the_next_one_completes_it(
    rotating: Rotating,
    action: str,
    every: int,
    soak: bool,
    record_property: Callable[[str, object], None],
) -> None:
    every *= 1 if rotating.is_thorough else 10
    for moment in itertools.count(1, 1 if soak else every):
        if action == "forget":
            rotating.ask("complete", forgets=False)

        worked = rotating.ask(action, dies_at=moment)

        rotating.assert_nothing_is_lost()
        rotating.complete(forgets=moment % 10 == 0)
        if not worked["killed"]:
            # There are no more moments than these.
            assert worked["status"] == 0, rotating.log()
            assert moment > worked["moments"] > 25
            break
    record_property("moments", float(moment))


def test_killed_while_others_write_it_loses_nothing(
    rotating: Rotating, repetitions: Repetitions
) -> None:
    chance = random.SystemRandom()
    for _ in range(repetitions(4, 100)):
        writers = [rotating.ask("start_writer") for _ in range(2)]
        for _ in range(3):
            rotating.ask("rotate", dies_after=chance.uniform(0.001, 0.15))
        ended = rotating.ask("rotate")

        statuses = [rotating.ask("stop_writer", pid=pid) for pid in writers]

        assert [*statuses, ended["status"]] == [0, 0, 0], rotating.log()
        rotating.assert_nothing_is_lost()
        rotating.complete()
