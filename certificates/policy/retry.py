"""When to look again and when to try again."""

from __future__ import annotations

import datetime
import email.utils

# The first polls are close together because a validation by a near CA takes milliseconds; the
# factor of three makes it seven requests in the first eleven seconds, then one every ten.
FIRST_POLL = datetime.timedelta(milliseconds=10)
POLL_FACTOR = 3
LONGEST_POLL = datetime.timedelta(seconds=10)

# A fault on the way to the CA is often over at once; these belong to one attempt.
STEP_RETRIES = (
    datetime.timedelta(seconds=2),
    datetime.timedelta(seconds=5),
    datetime.timedelta(seconds=15),
)

# A CA validates and issues within minutes; an order that hangs must not hang for months.
LONGEST_ORDER = datetime.timedelta(hours=1)

# A CA that asks for a longer pause has ended the attempt.
LONGEST_STEP_PAUSE = datetime.timedelta(minutes=5)

# Let's Encrypt's integration guide: back off exponentially, then once a day.
RENEWAL_RETRIES = (
    datetime.timedelta(minutes=1),
    datetime.timedelta(minutes=10),
    datetime.timedelta(minutes=100),
)
DAILY = datetime.timedelta(days=1)

LONGEST_RETRY_AFTER = datetime.timedelta(days=1)


def poll_delay(polls: int) -> datetime.timedelta:
    """How long to wait before the next poll after ``polls`` of them, unless the CA says."""
    # The exponent is bounded because a timedelta overflows long before an integer does.
    factor: int = POLL_FACTOR ** min(polls, 10)
    return min(FIRST_POLL * factor, LONGEST_POLL)


def step_delay(failures: int) -> datetime.timedelta | None:
    """The pause after the n-th transient failure in a row of an attempt, from 1; None: give up."""
    return STEP_RETRIES[failures - 1] if 1 <= failures <= len(STEP_RETRIES) else None


def renewal_delay(failed_attempts: int) -> datetime.timedelta:
    """The pause after that many failed renewals in a row: 1, 10, 100 minutes, then a day."""
    if failed_attempts <= 0:
        return datetime.timedelta(0)
    if failed_attempts <= len(RENEWAL_RETRIES):
        return RENEWAL_RETRIES[failed_attempts - 1]
    return DAILY


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
