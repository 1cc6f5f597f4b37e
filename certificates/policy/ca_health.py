"""The circuit breaker of one CA directory: while it is away nothing starts by itself.

One attempt that found the CA out of reach opens it. From then on the directory alone is looked
at, every quarter of an hour, until it answers.
"""

from __future__ import annotations

import dataclasses
import datetime

from certificates.policy.spread import stretched

PROBE_EVERY = datetime.timedelta(minutes=15)
PROBES_OVERDUE = datetime.timedelta(hours=1)
# When everybody's renewals have waited for the CA's return, it is not to be overrun.
GENTLE_FOR = datetime.timedelta(hours=3)
ORDER_SPACING = datetime.timedelta(seconds=1)
# The part of its pause that an attempt waits in any case, though the CA is back.
LEAST_PAUSE_PART = 4


@dataclasses.dataclass(frozen=True, slots=True)
class CaHealth:
    """What is known of one directory; times in UTC.

    ``away_since`` is None while it is in reach. ``failed_probes`` counts those since then that
    found it away: without one, nobody but the failed attempt says that it was.
    ``returned_at`` is the end of the last outage that a probe has confirmed.
    """

    away_since: datetime.datetime | None = None
    next_probe_at: datetime.datetime | None = None
    failed_probes: int = 0
    returned_at: datetime.datetime | None = None

    @property
    def is_away(self) -> bool:
        """Whether it was out of reach when it was last looked for."""
        return self.away_since is not None


def opened(health: CaHealth, now: datetime.datetime, *, seed: str = "") -> CaHealth:
    """After an attempt that found the CA out of reach. Further ones change nothing."""
    if health.is_away:
        return health
    return dataclasses.replace(
        health, away_since=now, next_probe_at=now + _pause(seed, 0), failed_probes=0
    )


def probed_failed(health: CaHealth, now: datetime.datetime, *, seed: str = "") -> CaHealth:
    """After a look at the directory of an absent CA that found it away still."""
    failed_probes = health.failed_probes + 1
    return dataclasses.replace(
        health,
        away_since=health.away_since or now,
        next_probe_at=now + _pause(seed, failed_probes),
        failed_probes=failed_probes,
    )


def probed_ok(health: CaHealth, now: datetime.datetime) -> CaHealth:
    """After the directory of an absent CA, or any request, was answered again.

    Only an outage that a probe has confirmed ends with a return. Otherwise the CA's directory
    works and its orders fail: then a "return" every quarter of an hour would bring an attempt
    forward each time.
    """
    return CaHealth(returned_at=now if health.failed_probes else health.returned_at)


def is_probe_due(health: CaHealth, now: datetime.datetime) -> bool:
    """Whether to look at the directory of an absent CA now."""
    if not health.is_away:
        return False
    due = health.next_probe_at
    # Farther ahead than a pause can be, only a wrong clock has written it.
    return due is None or due <= now or due - now > 2 * PROBE_EVERY


def may_start_automatically(health: CaHealth, now: datetime.datetime) -> bool:
    """Whether the sweep may start issuances. A person always may: that is a look as well.

    Where nobody has probed for an hour, it may: a fault of the probes must not end all renewals.
    """
    if not health.is_away or health.next_probe_at is None:
        return True
    return abs(now - health.next_probe_at) > PROBES_OVERDUE


def retry_at(
    not_before: datetime.datetime,
    failed_at: datetime.datetime,
    returned_at: datetime.datetime | None,
) -> datetime.datetime:
    """When an attempt that failed because the CA was away is made again.

    At the end of its pause, or when the CA has returned since, but not before a quarter of the
    pause: a CA that comes and goes is not asked each time.
    """
    if returned_at is None or returned_at <= failed_at:
        return not_before
    least = failed_at + (not_before - failed_at) / LEAST_PAUSE_PART
    return min(not_before, max(returned_at, least))


def order_slot(
    next_order_at: datetime.datetime | None,
    now: datetime.datetime,
    returned_at: datetime.datetime | None,
) -> datetime.datetime:
    """When the next newOrder may be sent: at most one a second in the hours after a return.

    Who takes the slot stores it plus ``ORDER_SPACING`` as ``next_order_at``, by a conditional
    UPDATE, before the request.
    """
    if next_order_at is None or not is_gentle(returned_at, now):
        return now
    # Farther ahead than that only a wrong clock can have written.
    return max(now, next_order_at) if next_order_at <= now + GENTLE_FOR else now


def is_gentle(returned_at: datetime.datetime | None, now: datetime.datetime) -> bool:
    """Whether the CA has returned so recently that orders are spaced."""
    return returned_at is not None and datetime.timedelta(0) <= now - returned_at < GENTLE_FOR


def _pause(seed: str, failed_probes: int) -> datetime.timedelta:
    return stretched(PROBE_EVERY, seed, failed_probes)
