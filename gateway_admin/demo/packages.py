"""Pebble, the ACME test CA that the demo runs: found, or installed where we may."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from gateway_admin.launch.errors import LaunchError

PACKAGE = "pebble"
PROGRAMS = ("pebble", "pebble-challtestsrv")
DIES_WITH_US = ("setpriv", "--pdeathsig", "TERM", "--")
# Seconds for one call of apt-get, and for it to end when it is told to.
APT_TIMEOUT = 300
APT_GRACE = 5


def ensure_pebble() -> None:
    """See that Pebble and its DNS server are installed.

    Raises LaunchError, saying what to install, where they are not and cannot be.
    """
    if _missing() and os.geteuid() == 0 and shutil.which("apt-get"):
        sys.stderr.write("Installing Pebble, the demo's test CA, with apt-get ...\n")
        # Fresh machines and containers come without package lists.
        if not _apt_get("install") and _apt_get("update"):
            _apt_get("install")
    if missing := _missing():
        raise LaunchError(
            f"The demo needs {' and '.join(missing)}: install the Debian package {PACKAGE} "
            f"(sudo apt-get install {PACKAGE}) and start again."
        )


def _missing() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program) is None]


def _apt_get(action: str) -> bool:
    """Run apt-get quietly; whether it did what it should. A stop request ends it in order."""
    packages = ["--no-install-recommends", PACKAGE] if action == "install" else []
    with subprocess.Popen(
        [*DIES_WITH_US, "apt-get", "-qq", "-y", action, *packages],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
    ) as process:
        try:
            return process.wait(APT_TIMEOUT) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(APT_GRACE)
                except subprocess.TimeoutExpired:
                    process.kill()
