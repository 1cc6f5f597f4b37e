"""How long a set of names is left alone after failures: kept as rows, consulted before any call.

Only automatic attempts are held back; a person may try again at any time.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from certificates.models import Backoff, Directory
from certificates.policy import ca_health, retry
from challenges.problems import Problem

# A day and its jitter: whatever lies further ahead was written while the clock was wrong.
LONGEST = datetime.timedelta(days=1.2)


def failed(
    names_key: str,
    problem: Problem,
    now: datetime.datetime,
    *,
    lifetime: datetime.timedelta | None,
    not_before: datetime.datetime | None = None,
    away_directory_url: str = "",
) -> None:
    """Count a failed attempt for that set of names and say when the next may be.

    ``lifetime`` is that of the certificate in use, because a short one cannot wait for days;
    ``not_before`` what the CA has asked for; ``away_directory_url`` the CA that could not be
    reached. A problem that cannot pass by itself stops all automatic attempts until
    :func:`forgive`.
    """
    before = Backoff.objects.filter(identifier_set=names_key).first()
    failures = (before.failures if before else 0) + 1
    pause = now + retry.attempt_delay(failures, lifetime=lifetime, seed=names_key)
    Backoff.objects.update_or_create(
        identifier_set=names_key,
        defaults={
            "failures": failures,
            "last_failure_at": now,
            "not_before": max(pause, not_before) if not_before else pause,
            "is_stopped": not problem.retryable,
            "away_directory_url": away_directory_url,
            "problem_facts": problem.to_json(),
        },
    )


def postpone(names_key: str, problem: Problem, now: datetime.datetime) -> None:
    """Hold the next automatic attempt back for a day, without counting a failure."""
    held = {"not_before": now + retry.DAILY, "problem_facts": problem.to_json()}
    Backoff.objects.update_or_create(
        identifier_set=names_key, defaults=held, create_defaults=held | {"last_failure_at": now}
    )


def succeeded(names_key: str) -> None:
    """Forget the failures of that set."""
    Backoff.objects.filter(identifier_set=names_key).delete()


def forgive(names_key: str, now: datetime.datetime) -> None:
    """Somebody has edited something that concerns this set: let it be tried at once.

    The count stays, so that the pauses grow on if the edit did not help.
    """
    Backoff.objects.filter(identifier_set=names_key).update(not_before=now, is_stopped=False)


def forgive_all(now: datetime.datetime) -> None:
    """Somebody has edited what concerns all sets, such as the challenge port."""
    Backoff.objects.update(not_before=now, is_stopped=False)


def by_set(names_keys: Iterable[str]) -> dict[str, Backoff]:
    """The backoffs of these sets. One query."""
    found = Backoff.objects.filter(identifier_set__in=list(names_keys))
    return {backoff.identifier_set: backoff for backoff in found}


def holds_until(
    backoff: Backoff | None, directories: dict[str, Directory], now: datetime.datetime
) -> datetime.datetime | None:
    """The end of the pause; None when there is none, or a wrong clock has written it.

    ``directories`` are the CAs by their addresses: the return of one ends the pauses of those who
    failed because it was away.
    """
    if backoff is None:
        return None
    until = retry.trustworthy_moment(backoff.not_before, now, LONGEST)
    away = directories.get(backoff.away_directory_url)
    if until is None or away is None:
        return until
    return ca_health.retry_at(until, backoff.last_failure_at, away.returned_at)
