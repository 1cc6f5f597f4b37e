"""Whether this machine's clock can be believed: with a wrong one the CA is left alone.

A clock that has jumped would have certificates renewed that are good, or not renewed that are
due, and would write moments that block for years.
"""

from __future__ import annotations

import datetime

from challenges.problems import Problem, Severity

# A clock that is set right by a few minutes, and a machine that was off for months, are usual.
BACKWARDS = datetime.timedelta(hours=1)
FORWARDS = datetime.timedelta(days=366)


def implausible(
    now: datetime.datetime,
    *,
    built_at: datetime.datetime,
    last_seen: datetime.datetime | None,
) -> Problem | None:
    """Why the clock cannot be believed; None when it can.

    Before this version was made, or more than an hour before or 366 days after the time that
    was last seen.
    """
    if now < built_at:
        return _problem(
            f"The clock of this machine shows {_moment(now)}, but this version was made on "
            f"{_moment(built_at)}."
        )
    if last_seen is None:
        return None
    if now < last_seen - BACKWARDS:
        return _problem(
            f"The clock of this machine shows {_moment(now)}, but it has already shown "
            f"{_moment(last_seen)}."
        )
    if now > last_seen + FORWARDS:
        return _problem(
            f"The clock of this machine shows {_moment(now)}, but the last time that it showed "
            f"while Gateway Admin ran was {_moment(last_seen)}, more than a year before."
        )
    return None


def remembered(now: datetime.datetime, last_seen: datetime.datetime | None) -> datetime.datetime:
    """What to store as the time last seen: it never goes back, and takes no leap of a year.

    Without ``last_seen`` it is ``now``, so ask :func:`implausible` first.
    """
    if last_seen is None:
        return now
    return now if last_seen < now <= last_seen + FORWARDS else last_seen


def _problem(what: str) -> Problem:
    return Problem(
        code="clock-implausible",
        severity=Severity.ERROR,
        explanation=(
            f"{what} Until this is settled no certificate is requested or renewed; those in use "
            "stay."
        ),
        remedy=(
            (
                "If the clock is wrong, have it set by NTP: sudo timedatectl set-ntp true, then "
                "check it with timedatectl."
            ),
            "If the clock is right now, say so: manage.py accept_clock.",
        ),
        retryable=True,
    )


def _moment(at: datetime.datetime) -> str:
    return f"{at.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"
