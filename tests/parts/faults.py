"""A disk that fails: the n-th call of the operating system's file functions raises.

The functions are replaced where Python calls them by name, in the module ``os``; pathlib and
shutil go through there as well. What SQLite does is not seen from here.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

# What a disk answers when it is full, read-only, forbidden, or broken.
ERRORS = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO)
CHANGING = (
    "open",
    "write",
    "fsync",
    "close",
    "mkdir",
    "chmod",
    "fchmod",
    "symlink",
    "rename",
    "replace",
    "unlink",
    "rmdir",
)
# A broken disk cannot be read either.
READING = ("readlink", "listdir")


Fails = Callable[[int, str], BaseException | None]


class KilledError(BaseException):
    """The process ends here, as by SIGKILL: nothing that comes after it does anything."""


class Calls:
    """Counts the calls, and decides which of them fail."""

    def __init__(self, fails: Fails) -> None:
        self.fails = fails
        self.made: list[str] = []

    @property
    def count(self) -> int:
        """How many calls there were."""
        return len(self.made)

    def wrap(self, name: str) -> Callable[..., Any]:
        """The function of that name, made to fail now and then."""
        real: Callable[..., Any] = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self.made.append(name)
            error = self.fails(self.count, name)
            if error is None:
                return real(*arguments, **options)
            if name == "close":
                # A descriptor is gone even if closing it fails.
                real(*arguments, **options)
            if name == "write" and not isinstance(error, KilledError):
                # A disk that fills up takes a part.
                real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            raise error

        return call


@contextmanager
def calls(fails: Fails) -> Iterator[Calls]:
    """Within the block every call is counted, and fails when ``fails(number, name)`` says how."""
    counted = Calls(fails)
    with pytest.MonkeyPatch.context() as patch:
        for name, wrapped in [(name, counted.wrap(name)) for name in (*CHANGING, *READING)]:
            patch.setattr(os, name, wrapped)
        yield counted


def once(at: int, number: int) -> Fails:
    """The n-th call fails with that error, and no other."""
    return lambda count, _name: _error(number) if count == at else None


def lasting(at: int, number: int) -> Fails:
    """The n-th call fails with that error, and whatever would change the disk after it."""
    return lambda count, name: (
        _error(number) if count == at or (count > at and name in CHANGING) else None
    )


def killed(at: int) -> Fails:
    """The process is killed instead of the n-th call."""
    return lambda count, _name: KilledError() if count >= at else None


def now_and_then(seed: int, share: float) -> Fails:
    """That share of the calls fails, each with one of the errors, the same for the same seed."""
    chance = random.Random(seed)
    return lambda _count, _name: _error(chance.choice(ERRORS)) if chance.random() < share else None


def none(_count: int, _name: str) -> BaseException | None:
    """Nothing fails."""
    return None


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
