"""Reads small files below directories that were allowed beforehand, and nothing anywhere else.

What a path leads to is known only once it is opened, so the opened file is looked at: a link that
is turned elsewhere between a look and the opening gains nothing (CWE-367).
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

MAX_FILE = 64 * 1024  # bytes


class NotReadError(Exception):
    """The file was not read; the text is the rest of a sentence that begins with its path."""


class OutsideError(NotReadError):
    """The path leads to somewhere that is not below an allowed directory."""


@dataclasses.dataclass(frozen=True, slots=True)
class Bounds:
    """Files below any of ``allowed`` may be read, unless they are below one of ``forbidden``."""

    allowed: tuple[Path, ...]
    forbidden: tuple[Path, ...] = ()

    def hold(self, path: str) -> bool:
        """Whether the path is within them as it is written."""
        return _is_below(path, self.allowed) and not _is_below(path, self.forbidden)

    def resolved(self) -> Bounds:
        """The same with the directories' real paths: they may be links themselves."""
        return Bounds(_real(self.allowed), _real(self.forbidden))


def read(path: str, bounds: Bounds) -> tuple[str, bytes]:
    """The file's state, as :func:`state` tells it, and its content.

    Nothing outside is opened, not even for a moment, and neither a pipe nor a device is waited
    for. Raises NotReadError, which never quotes the content.
    """
    if not bounds.hold(os.path.normpath(path)):
        # Without a look, or the answer would say which files there are elsewhere.
        raise OutsideError("is not below them")
    try:
        with _opened(path, os.O_PATH) as place:
            _require_allowed(place, bounds)
            with _opened(_link(place), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY) as descriptor:
                # Before the content: what changes meanwhile is another state at the next look.
                found = _told(os.fstat(descriptor))
                return found, _content(descriptor)
    except OSError as error:
        raise NotReadError(_why(error)) from error


def state(paths: Sequence[str]) -> str:
    """Tells the files' present state from another, without opening them."""
    return " ".join(_state_of(path) for path in paths)


def _state_of(path: str) -> str:
    try:
        return _told(os.stat(path))  # noqa: PTH116 (the same text for every kind of path)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "unknown")


def _told(facts: os.stat_result) -> str:
    return (
        f"{facts.st_dev:x}-{facts.st_ino:x}-{facts.st_size:x}-"
        f"{facts.st_mtime_ns:x}-{facts.st_ctime_ns:x}"
    )


def _require_allowed(place: int, bounds: Bounds) -> None:
    """Of a file that is found but not yet opened: O_PATH has no effect on what it leads to."""
    where = os.readlink(_link(place))  # noqa: PTH115 (the kernel's own word for an open file)
    if where.endswith(" (deleted)"):
        raise NotReadError("was just being replaced")
    if not bounds.resolved().hold(where):
        raise OutsideError("leads out of them")
    if not stat.S_ISREG(os.fstat(place).st_mode):
        raise NotReadError("is not a regular file")


def _is_below(path: str, directories: Sequence[Path]) -> bool:
    return any(
        Path(path).is_relative_to(directory) and Path(path) != directory
        for directory in directories
    )


def _real(directories: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(Path(os.path.realpath(directory)) for directory in directories)


def _content(descriptor: int) -> bytes:
    content = b""
    while len(content) <= MAX_FILE and (more := os.read(descriptor, MAX_FILE + 1 - len(content))):
        content += more
    if len(content) > MAX_FILE:
        raise NotReadError("is larger than 64 KiB")
    return content


def _link(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


@contextlib.contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _why(error: OSError) -> str:
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return "does not exist"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return "cannot be read: this program's user may not"
    return f"cannot be read: {error.strerror}"
