"""The CA's own advice on when to renew (RFC 9773): the moment in its window, when to ask again.

A window that has passed is followed as well, as the RFC demands: that is how a CA asks for a
renewal at once before it revokes. A CA whose every window has passed would have a certificate
renewed for ever; the budget for one set of names ends that (``limits``), since it counts every
order, whatever the CA exempts.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum

from certificates.policy.spread import fraction, stretched

# RFC 9773 §4.3.2 names both bounds as reasonable.
SHORTEST_CHECK = datetime.timedelta(minutes=1)
LONGEST_CHECK = datetime.timedelta(days=1)
# Four times a day where the CA does not say; twice a day is the least that Let's Encrypt advises.
USUAL_CHECK = datetime.timedelta(hours=6)
# Let's Encrypt's windows span a fiftieth of the lifetime. Longer than a year is no advice.
LONGEST_WINDOW = datetime.timedelta(days=366)


class Outcome(enum.StrEnum):
    """What became of a question to the CA.

    ``UNUSABLE``: a refusal (4xx) or an answer without a usable window; asking again soon would
    bring the same. ``UNREACHABLE``: no connection, a timeout, 429 or 5xx; it passes.
    """

    ANSWERED = "answered"
    UNUSABLE = "unusable"
    UNREACHABLE = "unreachable"


@dataclasses.dataclass(frozen=True, slots=True)
class Window:
    """The suggestedWindow of RFC 9773 §4.2, both ends in UTC."""

    start: datetime.datetime
    end: datetime.datetime


def is_usable(window: Window) -> bool:
    """Whether the window means anything: aware times, an end after the start, at most a year."""
    if window.start.utcoffset() is None or window.end.utcoffset() is None:
        return False
    try:
        start, end = _in_utc(window)
    except OverflowError:
        return False
    return datetime.timedelta(0) < end - start <= LONGEST_WINDOW


def chosen_moment(window: Window, seed: str) -> datetime.datetime:
    """The moment within the window, uniform and in UTC (RFC 9773 §4.2).

    It is derived from the seed (one for each certificate) and the bounds, so it stands as long
    as the window does, across restarts and without being stored.
    """
    start, end = _in_utc(window)
    return start + (end - start) * fraction(seed, start.isoformat(), end.isoformat())


def may_ask(now: datetime.datetime, not_after: datetime.datetime, *, is_replaced: bool) -> bool:
    """Whether a question makes sense: never for an expired or replaced one (RFC 9773 §4.3.3)."""
    return now < not_after and not is_replaced


def next_check(
    now: datetime.datetime,
    outcome: Outcome,
    *,
    retry_after: datetime.datetime | None = None,
    failures: int = 0,
    seed: str = "",
) -> datetime.datetime:
    """When the CA is asked again: from a minute to a day from now.

    What the CA asks for in Retry-After wins within these bounds, although a day is less often
    than Let's Encrypt's own advice of twice a day: it knows best. Without one it is six hours,
    and an unusable answer counts as none. ``failures`` counts questions in a row that found the
    CA out of reach, this one included: 1, 2, 4 … minutes, up to six hours; only an answer sets
    it back. The derived stretch of up to a tenth keeps certificates of one day apart.
    """
    usual = _backoff(failures) if outcome is Outcome.UNREACHABLE else USUAL_CHECK
    asked = None if retry_after is None else retry_after - now
    if asked is None or asked < datetime.timedelta(0):
        pause = usual
    elif outcome is Outcome.ANSWERED:
        pause = asked
    else:
        pause = max(asked, usual)
    pause = min(max(pause, SHORTEST_CHECK), LONGEST_CHECK)
    return now + min(stretched(pause, seed, failures), LONGEST_CHECK)


def _in_utc(window: Window) -> tuple[datetime.datetime, datetime.datetime]:
    """Both bounds, so that equal moments are written alike. Raises OverflowError at the edges."""
    return window.start.astimezone(datetime.UTC), window.end.astimezone(datetime.UTC)


def _backoff(failures: int) -> datetime.timedelta:
    # The exponent is bounded because a timedelta overflows long before an integer does.
    factor: int = 2 ** min(max(failures - 1, 0), 10)
    return min(SHORTEST_CHECK * factor, USUAL_CHECK)
