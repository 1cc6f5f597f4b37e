"""Rotates the keys for encryption at rest while everything runs.

A key is in the file before anything is sealed with it, and stays there while anything may need it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.conf import settings

from certificates import disk, events, sealing
from certificates.policy import rotation as policy
from certificates.policy.rotation import Row
from certificates.resealing import reseal, sealed_with
from challenges.problems import ProblemError


@dataclasses.dataclass(frozen=True)
class Rotated:
    """What has come of it. Keys are named by their identifiers.

    ``is_given``: the owner gives the keys, so none was added or forgotten here; ``forgotten`` are
    then those that need not be given any more. The rows ``unopened`` are as they were.
    """

    key: str
    is_new: bool
    is_given: bool
    kept: tuple[str, ...]
    forgotten: tuple[str, ...]
    resealed: int
    unopened: tuple[Row, ...]


def rotate(now: datetime.datetime) -> Rotated:
    """Add a key where the key file is ours, then seal everything with the newest one.

    What was interrupted within the last day is finished with its key, without another one.
    Raises ProblemError when another rotation runs, or keys cannot be read or written.
    """
    with _alone() as file:
        ring = sealing.keyring()
        is_new = file is not None and not _is_unfinished(file, ring, now)
        if file is not None and is_new:
            ring = _add_key(file, ring)
        resealed, unopened = reseal(ring)
        events.record(
            "encryption-keys-rotated",
            f"{resealed} stored keys were sealed anew with the encryption key {_ids(ring)[0]}.",
            detail=f"Could not be opened: {policy.listed(unopened)}." if unopened else "",
            at=now,
        )
    return Rotated(
        key=_ids(ring)[0],
        is_new=is_new,
        is_given=file is None,
        kept=_ids(ring)[1:],
        forgotten=(),
        resealed=resealed,
        unopened=unopened,
    )


def forget_old(now: datetime.datetime) -> Rotated:
    """Keep the newest key alone, once nothing stored needs the others.

    What a process had sealed with an old key while the keys were rotated is sealed anew first.
    Raises ProblemError, with nothing forgotten, when the newest key is younger than a day, or
    something that cannot be opened is sealed with an old key.
    """
    with _alone() as file:
        ring = sealing.keyring()
        old = _ids(ring)[1:]
        if file is not None and old and policy.is_recent(_changed_at(file), now):
            raise ProblemError(policy.too_recent())
        resealed, unopened = reseal(ring)
        if needing := sealed_with(ring[1:]):
            raise ProblemError(policy.still_needed(needing))
        if file is not None and old:
            _write(file, ring[:1])
            events.record(
                "encryption-keys-forgotten",
                f"{len(old)} old encryption keys were forgotten; {_ids(ring)[0]} is the only one.",
                detail=f"Forgotten: {', '.join(old)}.",
                at=now,
            )
    return Rotated(
        key=_ids(ring)[0],
        is_new=False,
        is_given=file is None,
        kept=(),
        forgotten=old,
        resealed=resealed,
        unopened=unopened,
    )


@contextlib.contextmanager
def _alone() -> Iterator[Path | None]:
    """The key file, while no other process changes it; None where it is not ours to change."""
    if settings.ENCRYPTION_KEYS_FILE is None:
        # Sealing anew can be done by several at the same time.
        yield None
        return
    # Whoever keeps it elsewhere and points here goes on finding it there.
    file = Path(settings.ENCRYPTION_KEYS_FILE).resolve()
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(disk.exclusively(file.parent, wait=False))
        except BlockingIOError:
            raise ProblemError(policy.already_running()) from None
        except OSError as error:
            raise _not_written(file, error) from error
        yield file


def _is_unfinished(file: Path, ring: Sequence[bytes], now: datetime.datetime) -> bool:
    """Whether the newest key has just been added and not everything is sealed with it.

    Later, what is still sealed with an old key was written by another process in between.
    """
    return policy.is_recent(_changed_at(file), now) and bool(sealed_with(ring[1:]))


def _changed_at(file: Path) -> datetime.datetime:
    """Since when the keys are what they are: the file is written only when they change."""
    try:
        return datetime.datetime.fromtimestamp(file.stat().st_mtime, datetime.UTC)
    except OSError as error:
        raise _not_written(file, error) from error


def _add_key(file: Path, ring: Sequence[bytes]) -> tuple[bytes, ...]:
    fresh = sealing.read_keys(sealing.new_key())[0]
    # First where it opens and does not seal: if a power cut takes the second change back, while
    # another process has sealed and stored something with the new key, the key is still there.
    _write(file, (*ring, fresh))
    _write(file, (fresh, *ring))
    return (fresh, *ring)


def _write(file: Path, ring: Sequence[bytes]) -> None:
    try:
        # Root may run this, and the services as another user have to go on reading the file.
        disk.replace_file(file, sealing.write_keys(ring).encode(), like=file.stat())
        for leftover in disk.leftovers(file):
            leftover.unlink(missing_ok=True)
    except OSError as error:
        raise _not_written(file, error) from error


def _not_written(file: Path, error: OSError) -> ProblemError:
    return ProblemError(policy.not_written(str(file), error.strerror or str(error)))


def _ids(ring: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(sealing.key_id(key) for key in ring)
