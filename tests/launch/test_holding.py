"""Taking possession of a data directory."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_admin.launch import holding
from gateway_admin.launch.errors import LaunchError


def test_a_missing_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    holding.prepare(directory)
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    holding.prepare(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o750


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for directory in (file, file / "below"):
        with pytest.raises(LaunchError, match=f"{directory} is not a directory"):
            holding.prepare(directory)


def test_a_place_that_cannot_be_written_is_named() -> None:
    with pytest.raises(LaunchError, match=r"/proc/1/data cannot be written"):
        holding.prepare(Path("/proc/1/data"))
    with pytest.raises(LaunchError, match=r"/proc/sys cannot be written"):
        holding.lock(Path("/proc/sys"))


def test_a_second_holder_is_told_who_the_first_is(tmp_path: Path) -> None:
    descriptor = holding.lock(tmp_path)
    with pytest.raises(LaunchError, match=rf"already running \(pid {os.getpid()}\)"):
        holding.lock(tmp_path)
    os.close(descriptor)
    os.close(holding.lock(tmp_path))


def test_what_a_killed_holder_leaves_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4711\n")
    descriptor = holding.lock(tmp_path)
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    assert fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    os.close(descriptor)


@pytest.fixture
def leftover(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of a supervisor that was killed, which ignores that it should stop."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "supervisord.pid").write_text("4711\n")
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('ready', flush=True); time.sleep(60)"
    )
    environment = {"SUPERVISOR_ENABLED": "1", "GATEWAY_ADMIN_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        # Before that it neither has its environment for certain nor ignores anything.
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def test_leftovers_of_a_killed_run_are_ended(
    tmp_path: Path, leftover: subprocess.Popen[bytes]
) -> None:
    holding.wait_for_leftovers(tmp_path, wait=0.1)
    assert leftover.wait(5) == -signal.SIGKILL


def test_programs_of_another_directory_are_left_alone(
    tmp_path: Path, leftover: subprocess.Popen[bytes]
) -> None:
    other = tmp_path / "other"
    (other / "run").mkdir(parents=True)
    (other / "run" / "supervisord.pid").touch()
    begin = time.monotonic()
    holding.wait_for_leftovers(other, wait=5)
    assert time.monotonic() - begin < 2
    assert leftover.poll() is None
