"""`scripts/run`, from the first line to the last process, as a user meets it."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.launch.running import (
    STOP_LIMIT,
    Run,
    StartRun,
    environment_of,
    processes_of,
    refused,
)
from tests.parts.processes import Process, free_port, wait_until
from tests.parts.product import CHECKOUT, MakeProduct, clean_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# Seconds. The promise is for a machine that has nothing else to do.
SECOND_START = 5.0
SECOND_START_WHEN_BUSY = 60.0
PROGRAMS = ("console", "challenges", "worker")
KEY = "k" * 64


@pytest.fixture
def run(start_run: StartRun) -> Run:
    """A run that is ready, for the first time on its directory."""
    started = start_run()
    started.wait_until_ready()
    return started


@pytest.fixture
def prepared(make_product: MakeProduct) -> Path:
    """A data directory with everything that a start would make first: tables and keys."""
    product = make_product()
    product.manage("status")
    return product.data_dir


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One run for all tests that only look at it; its key is given in the environment."""
    env = {"GATEWAY_ADMIN_SECRET_KEY": KEY}
    started = Run(tmp_path_factory.mktemp("shared") / "data", env=env)
    started.wait_until_ready()
    yield started
    started.process.stop()


def test_first_start_says_where_it_is_and_how_to_claim_it(shared: Run) -> None:
    token = (shared.data_dir / "setup-token").read_text().strip()
    assert shared.lines.count(f"Gateway Admin is ready at {shared.url}") == 1
    assert shared.lines.count(f"Set up at {shared.url}/setup/?token={token}") == 1
    assert not [line for line in shared.lines if line.startswith("Demo ")]
    assert shared.health() == 200


def test_the_script_itself_becomes_the_supervisor(shared: Run) -> None:
    command = processes_of(shared.data_dir)[shared.process.pid]
    assert "gateway_admin.launch.supervising" in command
    assert "django" not in (Path("/proc") / str(shared.process.pid) / "maps").read_text()


def test_everything_in_the_data_directory_is_the_owners_alone(shared: Run) -> None:
    modes = {
        path: stat.S_IMODE(path.lstat().st_mode)
        for path in (shared.data_dir, *shared.data_dir.rglob("*"))
        if not path.is_symlink()
    }
    assert {str(path): oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def test_only_the_supervisor_holds_the_lock(shared: Run) -> None:
    lock = shared.data_dir / "lock"
    holders = set()
    for pid in processes_of(shared.data_dir):
        for descriptor in (Path("/proc") / str(pid) / "fd").iterdir():
            if descriptor.readlink() == lock:
                holders.add(pid)
    assert holders == {shared.process.pid}


def test_challenge_responder_knows_no_key(shared: Run) -> None:
    given = f"GATEWAY_ADMIN_SECRET_KEY={KEY}".encode()
    assert given in environment_of(shared.pids_of("console")[0])
    assert given not in environment_of(shared.pids_of("challenges")[0])


def test_a_program_that_is_killed_is_started_again_unless_it_is_the_supervisor(run: Run) -> None:
    for program in PROGRAMS:
        pid = run.kill(program)
        wait_until(lambda: run.is_back(pid, program), f"{program} runs again")  # noqa: B023
    wait_until(lambda: run.health() == 200, "All is well again", timeout=30)
    ended = [line for line in run.lines if "ended unexpectedly (terminated by SIGKILL)" in line]
    assert len(ended) == len(PROGRAMS)
    # Neither is announced a second time.
    assert run.lines.count(f"Gateway Admin is ready at {run.url}") == 1

    os.kill(run.process.pid, signal.SIGKILL)
    run.assert_ends_itself()


def test_a_signal_to_the_script_alone_stops_everything_and_the_next_start_is_quick(
    start_run: StartRun,
) -> None:
    port, limit = free_port(), SECOND_START_WHEN_BUSY if is_busy() else SECOND_START
    seconds, kept = [], set()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        run = start_run(port=port)
        seconds.append(run.wait_until_ready())
        token, key = run.data_dir / "setup-token", run.data_dir / "secrets" / "secret_key"
        kept.add((token.read_text(), key.read_text()))
        assert run.stop(number) < STOP_LIMIT
        run.assert_nothing_left()
    assert len(kept) == 1
    assert max(seconds[1:]) < limit


def is_busy() -> bool:
    """Whether other tests run beside this one, or programs have kept ours waiting of late."""
    if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
        return True
    words = Path("/proc/pressure/cpu").read_text().split()
    return float(words[2].removeprefix("avg60=")) > 50


def test_a_stop_in_the_middle_of_starting_is_obeyed(start_run: StartRun) -> None:
    run = start_run()
    wait_until((run.data_dir / "lock").exists, "It has begun")
    run.stop()
    run.assert_nothing_left()


def test_killing_the_supervisor_leaves_nothing_and_the_next_run_works(
    run: Run, start_run: StartRun
) -> None:
    os.kill(run.process.pid, signal.SIGKILL)
    again = start_run(port=run.port)  # at once, with the old programs still ending
    again.wait_until_ready()
    again.stop()
    again.assert_ends_itself()


def test_a_second_run_on_the_same_directory_is_refused(shared: Run) -> None:
    line = refused(shared.data_dir, "--port", str(free_port()))
    assert f"is already running (pid {shared.process.pid})" in line
    assert shared.health() == 200


def test_a_taken_console_port_is_named(shared: Run, tmp_path: Path) -> None:
    line = refused(tmp_path / "other", "--port", str(shared.port))
    assert f"Port {shared.port} on 127.0.0.1 is taken" in line


def test_a_directory_that_cannot_be_written_is_named() -> None:
    assert refused(Path("/proc/1/data")).startswith("The data directory /proc/1/data cannot be")


def test_a_database_of_a_newer_version_is_left_alone(prepared: Path) -> None:
    with closing(sqlite3.connect(prepared / "db.sqlite3")) as database, database:
        database.execute(
            "insert into django_migrations (app, name, applied) "
            "values ('certificates', '9999_future', '2030-01-01')"
        )
    (prepared / "secrets" / "secret_key").unlink()
    before = snapshot(prepared)
    assert "9999_future" in refused(prepared, "--port", str(free_port()))
    assert snapshot(prepared) == before


def test_a_missing_key_file_is_named_and_nothing_is_made(prepared: Path) -> None:
    (prepared / "secrets" / "encryption_keys").unlink()
    before = snapshot(prepared)
    line = refused(prepared, "--port", str(free_port()))
    assert "encryption_keys is missing" in line
    assert snapshot(prepared) == before


def snapshot(directory: Path) -> dict[str, bytes]:
    """Every file's content but the lock's, which names whoever tried last."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "lock" and not path.name.startswith("db.sqlite3-")
    }


def test_a_host_that_others_can_reach_brings_a_warning(start_run: StartRun) -> None:
    run = start_run("--host", "0.0.0.0")
    run.process.wait_until(
        lambda: any("is ready at" in line for line in run.lines), "It is ready", timeout=120
    )
    assert any(line.startswith("Warning:") and "TLS" in line for line in run.lines)
    assert run.health() == 200


def test_a_broken_owner_file_is_named(run_dir: Path) -> None:
    run_dir.mkdir()
    (run_dir / "gateway-admin.env").write_text("nonsense\n")
    assert "gateway-admin.env, line 1" in refused(run_dir, "--port", str(free_port()))


def test_manage_py_runs_the_same(run_dir: Path) -> None:
    port = free_port()
    command = (sys.executable, str(CHECKOUT / "manage.py"), "run", "--data-dir", str(run_dir))
    process = Process(
        [*command, "--port", str(port)],
        log=run_dir.parent / "manage.log",
        env=clean_environment(),
        cwd=run_dir.parent,
    )
    line = f"Gateway Admin is ready at http://127.0.0.1:{port}"
    process.wait_until(lambda: line in process.output(), "It is ready", timeout=120)
    assert process.stop() == 0
    assert processes_of(run_dir) == {}
