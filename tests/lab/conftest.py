"""The labs, once for each process that runs their tests."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.outcomes import Outcomes
from tests.lab.rows import Row
from tests.lab.stage import Lab

# Where the tests are spread over processes already, each process has one lab and no plan.
LABS = 3


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Started. Its directory has a short path, as the addresses of UNIX sockets must."""
    with tempfile.TemporaryDirectory(prefix="lab-") as directory, Lab(Path(directory)) as started:
        yield started


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest) -> Iterator[Outcomes]:
    """Of the rows whose tests have been chosen, begun in the order of these."""
    is_spread = hasattr(request.config, "workerinput")
    with contextlib.ExitStack() as stack:
        directories = [
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lab-")))
            for _ in range(1 if is_spread else LABS)
        ]
        ahead = [] if is_spread else _rows(request.session.items)
        yield stack.enter_context(Outcomes(directories, ahead))


def _rows(items: list[pytest.Item]) -> list[Row]:
    calls = [
        item.callspec
        for item in items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]
    found = [call.params.get("row") for call in calls]
    return [row for row in found if isinstance(row, Row)]
