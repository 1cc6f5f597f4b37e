"""On a disk that is really full, read-only or forbidden, the row and the files stay what they were.

Mounting takes root, or a kernel that lets users have namespaces; without either the tests fail
and say so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts.product import CHECKOUT, clean_environment

pytestmark = pytest.mark.slow

IS_ROOT = os.geteuid() == 0
# A mount namespace: what is mounted there is seen by nobody else, and goes with its processes.
OWN_MOUNTS = ["unshare", "--mount", *([] if IS_ROOT else ["--user", "--map-root-user"])]
# Root may write everywhere, unless it gives up the right to.
WITHOUT_PRIVILEGE = (
    ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if IS_ROOT else []
)


def install_on(mode: str, directory: Path, around: list[str]) -> dict[str, int]:
    """How many installations ended how."""
    program = [sys.executable, "-m", "tests.certificates.real_disk", mode, str(directory)]
    done = subprocess.run(
        [*around, *program],
        cwd=CHECKOUT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ended: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return ended


@pytest.fixture
def own_mounts() -> list[str]:
    """The command before a program that may mount; fails the test where nobody may."""
    probe = [*OWN_MOUNTS, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(
            "This test mounts a small disk of its own, and may not: run it as root, or allow "
            f"user namespaces (sysctl kernel.unprivileged_userns_clone=1).\n{done.stderr}"
        )
    return OWN_MOUNTS


def test_with_any_amount_of_room_left(tmp_path: Path, own_mounts: list[str]) -> None:
    ended = install_on("full", tmp_path, own_mounts)
    # The last kind: the files were switched, and the commit had no room.
    assert set(ended) == {"installed", "certificate-files-not-written", "database-not-written"}


def test_on_a_disk_that_is_mounted_read_only(tmp_path: Path, own_mounts: list[str]) -> None:
    assert install_on("read-only", tmp_path, own_mounts) == {"certificate-files-not-written": 1}


def test_in_directories_where_this_user_may_not_write(tmp_path: Path) -> None:
    assert install_on("forbidden", tmp_path, WITHOUT_PRIVILEGE) == {
        "certificate-files-not-written": 2
    }
