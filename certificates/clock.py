"""Whether this machine's clock can be believed; nothing is asked of a CA while it cannot."""

from __future__ import annotations

import datetime
import threading
import time

from django.conf import settings
from django.utils import timezone

from certificates.models import LastSeen
from certificates.policy import clock
from challenges.problems import Problem, ProblemError

# What was read is good for so long (seconds), because every step of an issuance asks.
FRESH = 10.0
_ROW = 1


class _Remembered(threading.local):
    """What this thread has read last; the database is per thread as well."""

    read_at = float("-inf")
    seen_at: datetime.datetime | None = None


_remembered = _Remembered()


def problem(now: datetime.datetime) -> Problem | None:
    """Why ``now`` cannot be the time; None when it can. One query, or none for ten seconds."""
    return clock.implausible(now, built_at=settings.BUILT_AT, last_seen=_last_seen())


def require_plausible() -> None:
    """Raise ProblemError while the clock is implausible: before anything is asked of a CA."""
    if found := problem(timezone.now()):
        raise ProblemError(found)


def note(now: datetime.datetime) -> None:
    """Remember that it is ``now``, unless that cannot be. Called every few seconds."""
    before = _read()
    if clock.implausible(now, built_at=settings.BUILT_AT, last_seen=before) is None:
        _write(clock.remembered(now, before))


def accept(now: datetime.datetime) -> None:
    """The owner says that ``now`` is right, whatever was seen before."""
    _write(now)


def forget() -> None:
    """Read the row again at the next question."""
    _remembered.read_at = float("-inf")


def recall(seen_at: datetime.datetime | None) -> None:
    """What another query of this thread has just read of the row."""
    _remembered.seen_at, _remembered.read_at = seen_at, time.monotonic()


def _last_seen() -> datetime.datetime | None:
    if time.monotonic() - _remembered.read_at > FRESH:
        recall(_read())
    return _remembered.seen_at


def _read() -> datetime.datetime | None:
    return LastSeen.objects.filter(pk=_ROW).values_list("seen_at", flat=True).first()


def _write(moment: datetime.datetime) -> None:
    LastSeen.objects.update_or_create(pk=_ROW, defaults={"seen_at": moment})
    recall(moment)
