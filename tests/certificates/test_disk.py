"""Whether there is room for what an issuance writes, on the real file system of the test."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from certificates import disk
from certificates.policy.disk import LEAST_BYTES, LEAST_FILES
from challenges.problems import ProblemError
from tests.parts import faults


def say(monkeypatch: pytest.MonkeyPatch, **facts: int) -> None:
    """What the file system is taken to say of itself, the rest being plenty."""
    plenty = {
        "f_bavail": LEAST_BYTES,
        "f_frsize": 4096,
        "f_files": 10**6,
        "f_favail": 10**6,
        "f_flag": 0,
    }
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(**(plenty | facts)))


def code_of_require_space() -> str | None:
    """The problem that keeps an issuance from going on."""
    try:
        disk.require_space()
    except ProblemError as error:
        return error.problem.code
    return None


def test_with_room_nothing_is_left_behind(data_dir: Path) -> None:
    (data_dir / "live").mkdir()
    disk.require_space()
    assert disk.problem() is None
    assert {path.name for path in data_dir.rglob("*")} == {"live"}


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({}, None),
        ({"f_bavail": LEAST_BYTES // 4096 - 1}, "disk-full"),
        ({"f_favail": LEAST_FILES - 1}, "disk-full"),
        # btrfs and others count no files.
        ({"f_files": 0, "f_favail": 0}, None),
        ({"f_flag": os.ST_RDONLY}, "data-directory-not-writable"),
    ],
)
def test_what_the_file_system_says_is_understood(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, facts: dict[str, int], code: str | None
) -> None:
    say(monkeypatch, **facts)
    assert code_of_require_space() == code
    problem = disk.problem()
    assert (problem.code if problem else None) == code


def test_a_data_directory_that_is_gone_is_not_made_anew(data_dir: Path) -> None:
    data_dir.rmdir()
    assert code_of_require_space() == "data-directory-not-writable"
    assert not data_dir.exists()


@pytest.fixture
def used(data_dir: Path) -> Path:
    """A data directory with certificates in it."""
    for name in ("archive", "live"):
        (data_dir / name).mkdir()
    return data_dir


@pytest.mark.parametrize("number", [*faults.ERRORS, errno.EDQUOT], ids=errno.errorcode.get)
def test_a_write_that_fails_anywhere_is_a_reason_not_to_order(used: Path, number: int) -> None:
    failed = 0
    for at in range(1, 100):
        with faults.calls(faults.once(at, number)) as calls:
            code = code_of_require_space()
        if calls.count < at:
            break
        assert code == "data-directory-not-writable"
        failed += 1
    assert failed == 3 * len(["open", "write", "close", "unlink"]) + len(["fsync"])
    disk.require_space()
    assert {path.name for path in used.rglob("*")} == {"archive", "live"}


def test_what_a_killed_probe_left_is_removed_by_the_next(used: Path) -> None:
    with faults.calls(faults.killed(2)), pytest.raises(faults.KilledError):
        disk.require_space()
    assert (used / ".probe").exists()
    disk.require_space()
    assert not (used / ".probe").exists()


def test_a_link_in_the_place_of_the_probe_is_not_followed(used: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (used / ".probe").symlink_to(precious)
    assert code_of_require_space() == "data-directory-not-writable"
    assert precious.read_text() == "precious"


# Replacing a file


def test_a_file_is_replaced_whole_private_and_durably(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("before")
    file.chmod(0o644)
    before = file.open()

    disk.replace_file(file, b"after")

    assert file.read_text() == "after"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # Whoever had it open goes on reading what it was.
    with before:
        assert before.read() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_can_keep_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("before")
    file.chmod(0o640)

    disk.replace_file(file, b"after", like=file.stat())

    assert stat.S_IMODE(file.stat().st_mode) == 0o640


@pytest.mark.parametrize("call", ["fsync", "write", "fchown"])
def test_a_file_that_cannot_be_replaced_is_what_it_was(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("before")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match="No space left"):
            disk.replace_file(file, b"after", like=file.stat())

    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_what_the_killed_leave_behind_is_found_and_nothing_else(tmp_path: Path) -> None:
    for name in ("file", ".file.abc", ".file", ".filet.abc", "file.abc"):
        (tmp_path / name).touch()

    assert disk.leftovers(tmp_path / "file") == [tmp_path / ".file.abc"]


def test_one_at_a_time_is_at_work_in_a_directory(tmp_path: Path) -> None:
    with (
        disk.exclusively(tmp_path),
        pytest.raises(BlockingIOError),
        disk.exclusively(tmp_path, wait=False),
    ):
        pass
    with disk.exclusively(tmp_path, wait=False):
        pass
