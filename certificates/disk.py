"""Durable writes, and whether there is room for them. Knows nothing of certificates."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from certificates.policy import disk as policy
from challenges.problems import Problem, ProblemError

PRIVATE_DIRECTORY = 0o700
PRIVATE_FILE = 0o600
# One name for all: whatever a killed process leaves behind, the next probe removes.
_PROBE = ".probe"


def problem() -> Problem | None:
    """Why the data directory has no room, by what its file system says; writes nothing."""
    directory = data_directory()
    try:
        facts = os.statvfs(directory)
    except OSError as error:
        return policy.not_writable(str(directory), _reason(error))
    return policy.shortage(
        policy.Space(
            directory=str(directory),
            free_bytes=facts.f_bavail * facts.f_frsize,
            # Some file systems make room for files as they come, and say so by counting none.
            free_files=facts.f_favail if facts.f_files else None,
            read_only=bool(facts.f_flag & os.ST_RDONLY),
        )
    )


def require_space() -> None:
    """Make sure that a certificate could be stored: there is room, and a file can be written.

    Writes a file and removes it, where the certificates' files go: neither rights nor quotas nor
    a dying disk are seen otherwise. Raises ProblemError.
    """
    if found := problem():
        raise ProblemError(found)
    root = data_directory()
    for directory in (root, root / "archive", root / "live"):
        try:
            if directory == root or directory.is_dir():
                # One flush shows whether the disk still takes what it is given.
                _probe(directory, flush=directory == root)
        except OSError as error:
            raise ProblemError(policy.not_writable(str(directory), _reason(error))) from error


def data_directory() -> Path:
    """Where everything is kept."""
    return Path(settings.CONFIGURATION.data_dir)


def make_directory(path: Path) -> None:
    """Make a directory that only this user can enter, whatever the umask.

    Its name is durable once its parent has been synchronized. Raises OSError.
    """
    path.mkdir(mode=PRIVATE_DIRECTORY)
    path.chmod(PRIVATE_DIRECTORY)


def write_file(path: Path, content: bytes) -> None:
    """Write a new file that only this user can read, and flush it to disk. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        os.fchmod(descriptor, PRIVATE_FILE)
        _write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes, *, like: os.stat_result | None = None) -> None:
    """Write a file that only this user can read, or replace it as a whole, and flush it to disk.

    With ``like`` it gets that owner, group and mode. At every moment, and after a power cut, there
    is the file before or the new one, and neither in part. What a killed process has left behind
    is :func:`leftovers`. Raises OSError; then the file before is in place, unless only the
    flushing of its new name failed.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        try:
            if like is not None:
                os.fchown(descriptor, like.st_uid, like.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
            _write(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    synchronize(path.parent)


def leftovers(path: Path) -> list[Path]:
    """What those have left behind who were killed while they replaced this file."""
    # Not by a pattern, in which the name's own characters could have a meaning.
    return [found for found in path.parent.iterdir() if found.name.startswith(f".{path.name}.")]


@contextlib.contextmanager
def exclusively(directory: Path, *, wait: bool = True) -> Iterator[None]:
    """While no other process is at work in this directory that asks for it in this way.

    The lock is the kernel's and ends with the process, so none is left behind. Raises OSError,
    and BlockingIOError where another has the lock and is not to be waited for.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def synchronize(directory: Path) -> None:
    """Flush the names in a directory to disk. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes) -> None:
    """All of it: a disk that fills up takes a part first, and fails only at the next call."""
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _probe(directory: Path, *, flush: bool) -> None:
    path = directory / _PROBE
    # Not exclusive: several workers may be probing at the same time.
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(path, flags, PRIVATE_FILE)
    try:
        _write(descriptor, b"Can be removed.\n")
        if flush:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
