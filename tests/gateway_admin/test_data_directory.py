from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway_admin.data_directory import _make_secret, write_secret
from tests.parts.product import CHECKOUT, clean_environment

PREPARE = """
import django; django.setup()
from django.conf import settings
from gateway_admin import configuration, data_directory
try:
    data_directory.prepare(settings.CONFIGURATION)
except configuration.ConfigurationError as error:
    raise SystemExit(str(error))
"""


def prepare(data_dir: Path, **environ: str) -> str:
    """Prepare it in a process of its own; returns why that was not possible."""
    done = subprocess.run(
        [sys.executable, "-c", PREPARE],
        env=clean_environment()
        | {
            "DJANGO_SETTINGS_MODULE": "gateway_admin.settings",
            "GATEWAY_ADMIN_DATA_DIR": str(data_dir),
            **environ,
        },
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == (1 if done.stderr else 0)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1
    return done.stderr


def contents(data_dir: Path) -> dict[str, bytes]:
    """Every file but the journals that SQLite keeps beside its own."""
    return {
        str(path.relative_to(data_dir)): path.read_bytes()
        for path in data_dir.rglob("*")
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that was prepared once; tests copy it."""
    data_dir = tmp_path_factory.mktemp("prepared") / "deep" / "data"
    assert prepare(data_dir) == ""
    return data_dir


@pytest.fixture
def copy(prepared: Path, tmp_path: Path) -> Path:
    """A prepared data directory to be hurt."""
    subprocess.run(["cp", "-a", prepared, tmp_path / "data"], check=True)
    return tmp_path / "data"


def test_everything_in_it_belongs_to_its_owner_alone(prepared: Path) -> None:
    modes = {
        path.relative_to(prepared): stat.S_IMODE(path.stat().st_mode)
        for path in [prepared, *prepared.rglob("*")]
    }
    assert [path for path, mode in modes.items() if mode & 0o077] == []
    for name in ("secret_key", "encryption_keys"):
        assert modes[Path("secrets") / name] == 0o600
        assert len((prepared / "secrets" / name).read_text()) > 40


def test_preparing_again_changes_nothing(copy: Path) -> None:
    before = contents(copy)
    assert prepare(copy) == ""
    assert contents(copy) == before


@pytest.mark.parametrize("name", ["secret_key", "encryption_keys"])
def test_a_missing_key_file_is_not_replaced(copy: Path, name: str) -> None:
    (copy / "secrets" / name).unlink()
    before = contents(copy)
    error = prepare(copy)
    assert f"secrets/{name} is missing" in error
    assert f"GATEWAY_ADMIN_{name.upper()}" in error
    assert contents(copy) == before


def test_a_key_in_the_environment_needs_no_file(copy: Path) -> None:
    key = (copy / "secrets" / "encryption_keys").read_text().strip()
    (copy / "secrets" / "encryption_keys").unlink()
    assert prepare(copy, GATEWAY_ADMIN_ENCRYPTION_KEYS=key) == ""
    assert not (copy / "secrets" / "encryption_keys").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "encryption_keys is empty"),
        (b"no key\n", "Key 1 for encryption at rest is damaged"),
        (b"\xff\xfek\x00", "encryption_keys cannot be read: it is not UTF-8 text"),
        (b"A" * 70_000, "encryption_keys is larger than 64 KiB"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_told_at_once_and_kept(
    copy: Path, content: bytes, said: str
) -> None:
    (copy / "secrets" / "encryption_keys").write_bytes(content)
    before = contents(copy)
    assert said in prepare(copy)
    assert contents(copy) == before


def test_a_byte_order_mark_in_front_of_the_keys_does_no_harm(copy: Path) -> None:
    file = copy / "secrets" / "encryption_keys"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert prepare(copy) == ""


@pytest.mark.parametrize(
    ("content", "said"), [(None, "which cannot be read: No such file"), ("", "which is empty")]
)
def test_a_file_that_the_owner_names_and_that_holds_no_key_is_never_replaced_by_ours(
    tmp_path: Path, content: str | None, said: str
) -> None:
    file = tmp_path / "given"
    if content is not None:
        file.write_text(content)
    error = prepare(tmp_path / "data", GATEWAY_ADMIN_ENCRYPTION_KEYS_FILE=str(file))
    assert f"GATEWAY_ADMIN_ENCRYPTION_KEYS_FILE names {file}, {said}" in error
    assert not (tmp_path / "data" / "secrets" / "encryption_keys").exists()


def test_of_several_that_start_at_the_same_time_one_makes_the_key(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "key"
    begin = threading.Barrier(8)

    def make(number: int) -> str:
        begin.wait()
        _make_secret("NO_SUCH_VARIABLE", file, f"key {number}", may_make=True)
        return file.read_text()

    with ThreadPoolExecutor(8) as starting:
        assert len(set(starting.map(make, range(8)))) == 1


def test_a_database_of_a_newer_version_is_left_alone(copy: Path) -> None:
    database = sqlite3.connect(copy / "db.sqlite3")
    with database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) "
            "VALUES ('certificates', '9999_from_the_future', '2030-01-01')"
        )
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    before = contents(copy)
    assert "certificates.9999_from_the_future" in prepare(copy)
    assert contents(copy) == before


def test_what_is_no_database_is_told(copy: Path) -> None:
    for file in copy.glob("db.sqlite3*"):
        file.unlink()
    (copy / "db.sqlite3").write_bytes(b"this is no database" * 100)
    before = contents(copy)
    assert "The database cannot be used" in prepare(copy)
    assert contents(copy) == before


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/data"])
def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    error = prepare(tmp_path / place)
    assert f"The data directory {tmp_path / place} cannot be written" in error
    assert "--data-dir" in error
    assert (tmp_path / "file").read_text() == "mine"


# Secrets


def test_a_secret_is_private_whatever_the_umask_and_never_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "secrets" / "key"
    before = os.umask(0)
    try:
        write_secret(file, "one")
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert file.read_text() == "one\n"

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space left"):
            write_secret(file, "two")
    assert file.read_text() == "one\n"
    assert list(file.parent.iterdir()) == [file]
