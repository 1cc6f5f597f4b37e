"""Whether there is room for what an issuance writes. Decides; looks at nothing itself."""

from __future__ import annotations

import dataclasses

from challenges.problems import Problem, Severity

# One issuance writes less than 100 kB: rows, their journal, four files. The rest is for what
# else grows meanwhile, since a certificate that cannot be stored counts at the CA all the same.
LEAST_BYTES = 16 * 1024 * 1024
# Four files, their directory, a link, a journal; and some for everybody else.
LEAST_FILES = 64
_MIB = 1024 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Space:
    """What the file system of a directory has left for this user.

    ``free_files`` is None where the file system does not count them; ``read_only`` says that it
    is mounted so.
    """

    directory: str
    free_bytes: int
    free_files: int | None = None
    read_only: bool = False


def shortage(space: Space) -> Problem | None:
    """Why nothing should be ordered that would have to be stored here; None when there is room."""
    if space.read_only:
        return not_writable(space.directory, "Read-only file system")
    if space.free_bytes < LEAST_BYTES:
        return _full(
            space.directory,
            f"{_mebibytes(space.free_bytes)} MiB free, and {_mebibytes(LEAST_BYTES)} MiB",
            "Delete what is not needed, or give it more space.",
        )
    if space.free_files is not None and space.free_files < LEAST_FILES:
        return _full(
            space.directory,
            f"room for {space.free_files} more files, and {LEAST_FILES}",
            "Delete files that are not needed: its table of files (inodes) is full, whatever "
            "space is left.",
        )
    return None


def not_writable(directory: str, reason: str) -> Problem:
    """Nothing can be written there; ``reason`` is the operating system's word for it."""
    return Problem(
        code="data-directory-not-writable",
        severity=Severity.ERROR,
        explanation=(
            f"Nothing can be written to the data directory {directory}: {reason}. No certificate "
            "is ordered that could not be stored. The files in use are untouched."
        ),
        remedy=(
            f"Let this program's user write to {directory}: its rights, and how it is mounted.",
            "If it became read-only by itself, look for disk errors in the system's log.",
            "Then press Try again.",
        ),
        retryable=True,
    )


def _full(directory: str, left_and_needed: str, remedy: str) -> Problem:
    return Problem(
        code="disk-full",
        severity=Severity.ERROR,
        explanation=(
            f"The disk is full: the file system of the data directory {directory} has "
            f"{left_and_needed} are needed. No certificate is ordered that could not be stored. "
            "The files in use are untouched."
        ),
        remedy=(
            f"See what fills the file system: df -h {directory} and df -i {directory}.",
            remedy,
            "Then press Try again.",
        ),
        retryable=True,
    )


def _mebibytes(size: int) -> str:
    return f"{size / _MIB:.0f}" if size % _MIB == 0 else f"{size / _MIB:.1f}"
