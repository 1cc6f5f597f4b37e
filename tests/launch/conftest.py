"""Runs of the whole product, each on the data directory of its test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.launch.running import Run, StartRun, processes_of

__all__ = ["Run", "StartRun", "run_dir", "start_run"]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """The data directory of the test's runs; not made yet."""
    return tmp_path / "a data dir; 100% &c"


@pytest.fixture
def start_run(run_dir: Path) -> Iterator[StartRun]:
    """Starts runs on one data directory and sees that none is left."""
    with ExitStack() as running:

        def start(
            *options: str, port: int | None = None, env: Mapping[str, str] | None = None
        ) -> Run:
            run = Run(run_dir, *options, port=port, env=env)
            running.callback(run.process.stop)
            return run

        yield start
    for pid in processes_of(run_dir):
        os.kill(pid, signal.SIGKILL)
