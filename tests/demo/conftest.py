"""Demos without the console, each on the data directory of its test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway_admin.demo.setting_up import set_up
from gateway_admin.launch import supervisor_conf
from gateway_admin.launch.options import Fault
from tests.demo.responder import Responder
from tests.demo.surroundings import CHECKOUT, StartDemo, Surroundings
from tests.launch.conftest import run_dir, start_run
from tests.parts.processes import Process, free_port

# The whole product with its demo is run as tests/launch runs it.
__all__ = ["run_dir", "start_demo", "start_run"]


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[StartDemo]:
    """Starts demos on one data directory; the one before is stopped first."""
    data_dir = tmp_path / "data"
    (data_dir / "run").mkdir(parents=True)
    with ExitStack() as running:
        responder = running.enter_context(Responder(free_port()))

        def start(fault: Fault | None = None) -> Surroundings:
            demo = set_up(data_dir, fault, avoid={responder.port})
            configuration = data_dir / "run" / "supervisord.conf"
            configuration.write_text(supervisor_conf.text(demo.programs(responder.port)))
            command = (sys.executable, "-m", "gateway_admin.launch.supervising", configuration)
            process = Process(command, log=tmp_path / "demo.log", cwd=CHECKOUT, env=os.environ)
            running.callback(process.stop)
            process.wait_until(demo.facts.roots.exists, "The demo's CAs answer")
            return Surroundings(demo, responder, process)

        yield start
