"""The scripts that install what is needed: nothing twice, and nothing missing is passed over."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.parts.processes import find_program
from tests.parts.product import CHECKOUT

SCRIPTS = CHECKOUT / "scripts"
TOOLS = ("bash", "cat", "dirname", "env", "grep", "sha256sum", "flock")
PROGRAMS = {
    "chromium": ("chromium", "google-chrome"),
    "iproute2": ("ip",),
    "libnss3-tools": ("pk12util",),
    "openssl": ("openssl",),
    "pebble": ("pebble",),
    "redis-server": ("valkey-server", "redis-server"),
    "strace": ("strace",),
    "systemd": ("systemd-analyze",),
}
# On Ubuntu Chromium comes with Playwright and not as a package.
ON_UBUNTU = "\nID=ubuntu\n" in Path("/etc/os-release").read_text()
PACKAGES = [package for package in PROGRAMS if package != "chromium" or not ON_UBUNTU]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for PATH in which everything is there and nobody is root."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in (*TOOLS, "setpriv"):
        (folder / tool).symlink_to(shutil.which(tool) or find_program(tool, package=tool))
    for alternatives in PROGRAMS.values():
        (folder / alternatives[0]).symlink_to("/bin/true")
    for name in ("pebble-challtestsrv", "postgres", "nft", "nginx"):
        (folder / name).symlink_to("/bin/true")
    (folder / "id").write_text("#!/bin/sh\necho 1000\n")
    (folder / "id").chmod(0o755)
    return folder


def install(programs: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPTS / "install-test-parts"],
        env={"PATH": str(programs), "HOME": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_where_every_part_is_there_nothing_is_installed(programs: Path) -> None:
    done = install(programs)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_missing_part_is_an_error_that_names_it(programs: Path, package: str) -> None:
    for name in PROGRAMS[package]:
        (programs / name).unlink(missing_ok=True)
    done = install(programs)
    assert done.returncode == 1
    assert f"apt-get install {package}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_environment_that_is_complete_is_left_alone() -> None:
    stamp = CHECKOUT / ".venv" / ".installed-constraints-dev.txt"
    before = stamp.stat().st_mtime_ns
    done = subprocess.run([SCRIPTS / "venv", "--dev"], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert stamp.stat().st_mtime_ns == before


def test_an_unusable_python_is_an_error_in_one_line(tmp_path: Path, programs: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "scripts").mkdir(parents=True)
    (checkout / "deploy").mkdir()
    shutil.copy(SCRIPTS / "venv", checkout / "scripts")
    for name in ("constraints.txt", "constraints-dev.txt"):
        shutil.copy(CHECKOUT / "deploy" / name, checkout / "deploy")
    done = subprocess.run(
        [checkout / "scripts" / "venv"],
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Python 3.11 or later is needed" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (checkout / ".venv").exists()


def test_every_script_can_be_executed() -> None:
    scripts = [*SCRIPTS.iterdir(), CHECKOUT / ".ci" / "run", CHECKOUT / "deploy" / "make-secrets"]
    assert all(os.access(script, os.X_OK) for script in scripts if script.is_file())
