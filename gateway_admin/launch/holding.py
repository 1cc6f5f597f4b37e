"""Holding the data directory: made, writable, locked, and free of what an earlier run left.

Standard library only: all of this happens before Django's settings read the directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path

from gateway_admin.launch.errors import LaunchError

# Longer than the programs are given to stop (stopwaitsecs), so that only a hung one is killed.
LEFTOVERS_WAIT = 8.0


def prepare(directory: Path) -> None:
    """Make the directory (0700) where it is missing; it must be one that can be written."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise LaunchError(f"The data directory {directory} is not a directory.") from None
    except OSError as error:
        raise _not_writable(directory, error.strerror) from error
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        raise _not_writable(directory, "permission denied or read-only file system")


def _not_writable(directory: Path, reason: str | None) -> LaunchError:
    return LaunchError(f"The data directory {directory} cannot be written: {reason}.")


def lock(directory: Path) -> int:
    """Take the directory for this process and whatever it execs; return the lock's descriptor.

    A flock ends with its last holder however that ends, so it is never stale.
    """
    path = directory / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _not_writable(directory, error.strerror) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        message = f"Gateway Admin is already running (pid {holder}) on {directory}."
        raise LaunchError(message) from None
    except OSError as error:
        os.close(descriptor)
        raise LaunchError(f"{path} cannot be locked: {error.strerror}.") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def wait_for_leftovers(directory: Path, wait: float = LEFTOVERS_WAIT) -> None:
    """See that nothing of an earlier run still works in the directory that we now hold.

    A supervisor that was killed takes its programs with it (the kernel tells them to stop), but
    they need a moment; starting beside them would find their ports taken.
    """
    if not (directory / "run" / "supervisord.pid").exists():
        return  # removed at every orderly end
    deadline = time.monotonic() + wait
    while (left := _supervised_in(directory)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _supervised_in(directory: Path) -> list[int]:
    """Processes, by pid, that a supervisor of this directory started."""
    wanted = {b"SUPERVISOR_ENABLED=1", b"GATEWAY_ADMIN_DATA_DIR=" + os.fsencode(directory)}
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environment = (entry / "environ").read_bytes().split(b"\0")
            if wanted.issubset(environment) and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found
