"""When to look again and when to try again."""

from __future__ import annotations

import datetime
import email.utils

from certificates.policy.spread import JITTER, stretched

# The first polls are close together because a validation by a near CA takes milliseconds; the
# factor of three makes it seven requests in the first eleven seconds, then one every ten.
FIRST_POLL = datetime.timedelta(milliseconds=10)
POLL_FACTOR = 3
LONGEST_POLL = datetime.timedelta(seconds=10)

# A fault on the way to the CA is often over at once; these belong to one attempt. Eleven pauses
# are twelve tries. With a CA that fails 30 % of all requests one in 0.3^-12, two million, fails
# every time; an issuance has some 16, so that of 100 issuances all succeed with 99.9 %. The
# pauses add up to one minute: a person who waits at the page is told then.
STEP_RETRIES = tuple(
    datetime.timedelta(seconds=seconds) for seconds in (0.25, 0.5, 1, 2, 3, 4, 5, 7, 10, 12, 15)
)
# Tries that hang until their timeout take time as well: none begins later than this.
STEP_DEADLINE = datetime.timedelta(seconds=65)

# A CA validates and issues within minutes; an order that hangs must not hang for months.
LONGEST_ORDER = datetime.timedelta(hours=1)

# A CA that asks for a longer pause has ended the attempt; shorter ones are waited out within it,
# for as long as this altogether.
LONGEST_STEP_PAUSE = datetime.timedelta(minutes=2)
LONGEST_STEP = datetime.timedelta(minutes=10)

# Let's Encrypt's integration guide: back off exponentially, then once a day.
ATTEMPT_RETRIES = (
    datetime.timedelta(minutes=1),
    datetime.timedelta(minutes=10),
    datetime.timedelta(minutes=100),
)
DAILY = datetime.timedelta(days=1)
# The longest pause as a part of the lifetime: daily would be too seldom for one of six days.
PAUSE_PART = 20

# How often, and for how long, a CA in trouble is asked for a certificate that it may have issued.
ASK_FOR_CERTIFICATE_EVERY = datetime.timedelta(minutes=15)
LONGEST_HANDED_OVER = datetime.timedelta(days=2)

# A CA that is busy, and goes on to say so without saying for how long.
UNSAID_PAUSE = datetime.timedelta(hours=1)
LONGEST_RETRY_AFTER = datetime.timedelta(days=1)


def poll_delay(polls: int) -> datetime.timedelta:
    """How long to wait before the next poll after ``polls`` of them, unless the CA says."""
    # The exponent is bounded because a timedelta overflows long before an integer does.
    factor: int = POLL_FACTOR ** min(polls, 10)
    return min(FIRST_POLL * factor, LONGEST_POLL)


def step_delay(
    failures: int, spent: datetime.timedelta = datetime.timedelta(0)
) -> datetime.timedelta | None:
    """The pause after the n-th transient failure in a row of an attempt, from 1; None: give up.

    ``spent`` is the time since the first of these failures. Any request that succeeds sets both
    back.
    """
    if not 1 <= failures <= len(STEP_RETRIES):
        return None
    pause = STEP_RETRIES[failures - 1]
    return pause if spent + pause <= STEP_DEADLINE else None


def next_try(
    failures: int,
    now: datetime.datetime,
    *,
    failing_since: datetime.datetime,
    retry_after: datetime.datetime | None = None,
) -> datetime.datetime | None:
    """When a step that met a transient fault is repeated; None: the attempt has failed.

    As :func:`step_delay`, unless the CA says when it wants to be asked (``retry_after``): not
    before then, and given up when that is too far away.
    """
    # A clock that was set back in between must not keep a step alive.
    spent = abs(now - failing_since)
    if retry_after is None or retry_after <= now:
        pause = step_delay(failures, spent)
    elif (
        failures > len(STEP_RETRIES)
        or retry_after - now > LONGEST_STEP_PAUSE
        or retry_after - now + spent > LONGEST_STEP
    ):
        pause = None
    else:
        pause = max(retry_after - now, STEP_RETRIES[failures - 1])
    return None if pause is None else now + pause


def attempt_delay(
    failures: int, *, lifetime: datetime.timedelta | None = None, seed: str = ""
) -> datetime.timedelta:
    """The pause after that many failed attempts in a row: 1, 10, 100 minutes, then a day.

    Up to a tenth more, derived from ``seed`` (one for each set of names) and ``failures``: the
    same question has the same answer. With the ``lifetime`` of the certificate in use it is at
    most a twentieth of that, but never less than the 100 minutes for a reason of lifetime alone.
    """
    if failures <= 0:
        return datetime.timedelta(0)
    if failures <= len(ATTEMPT_RETRIES):
        return stretched(ATTEMPT_RETRIES[failures - 1], seed, failures)
    pause = stretched(DAILY, seed, failures)
    if lifetime is None:
        return pause
    # The stretch is within the cap, so that certificates at the cap are spread as well.
    capped = stretched(lifetime / PAUSE_PART / (1 + JITTER), seed, failures)
    return min(pause, max(capped, stretched(ATTEMPT_RETRIES[-1], seed, failures)))


def trustworthy_moment(
    at: datetime.datetime | None, now: datetime.datetime, longest: datetime.timedelta
) -> datetime.datetime | None:
    """A stored end of a pause, or None when no pause reaches so far ahead.

    A clock that was years ahead may have written it; that must not stop anything for years.
    """
    return at if at is not None and at - now <= longest else None


def parse_retry_after(value: str | None, now: datetime.datetime) -> datetime.datetime | None:
    """The moment that a Retry-After header (RFC 9110 §10.2.3) means, in UTC.

    Seconds or an HTTP-date, whatever the zone of this machine; at most a day from ``now`` and
    never before it. None when the header is missing or makes no sense.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        # Nine digits are 31 years; more would overflow and mean no more.
        seconds = int(text[:9]) if len(text) <= 9 else int(LONGEST_RETRY_AFTER.total_seconds())
        moment = now + min(datetime.timedelta(seconds=seconds), LONGEST_RETRY_AFTER)
    else:
        try:
            moment = email.utils.parsedate_to_datetime(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=datetime.UTC)
            moment = moment.astimezone(datetime.UTC)
        except (ValueError, OverflowError):
            return None
    return min(max(moment, now), now + LONGEST_RETRY_AFTER)
