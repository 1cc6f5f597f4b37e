"""Which requests to the challenge port are worth a row of evidence: bounded, whoever floods it.

Published tokens are asked for by CAs alone, others by anybody, so each kind has bounds of its own
and neither displaces the other.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import re
import threading

# Let's Encrypt asks from about five networks, a few times more when it is redirected or retries.
MOST_FOR_A_TOKEN = 32
MOST_TOKENS_COUNTED = 4096
MOST_UNWRITTEN = 1000
# Of tokens that are not published: so many at once, and then one a second.
UNKNOWN_AT_ONCE = 30
UNKNOWN_PER_SECOND = 1.0
LONGEST_USER_AGENT = 200
LONGEST_HOST = 255
_PORT = re.compile(r":[0-9]*\Z")


@dataclasses.dataclass(frozen=True, slots=True)
class Visit:
    """One request for one well-formed token.

    ``is_known`` is None when nobody could say whether it was published; ``was_sent`` is false
    when the peer had gone before the answer.
    """

    token: str
    is_known: bool | None
    received_at: datetime.datetime
    address: str
    host: str
    user_agent: str
    was_sent: bool = True


def visit(
    token: str,
    *,
    is_known: bool | None,
    now: datetime.datetime,
    address: str,
    host: str,
    user_agent: str,
    was_sent: bool = True,
) -> Visit:
    """A visit with the texts of a stranger cut to what a row holds."""
    return Visit(
        token=token,
        is_known=is_known,
        received_at=now,
        address=address,
        host=_PORT.sub("", host)[:LONGEST_HOST],
        user_agent=user_agent[:LONGEST_USER_AGENT],
        was_sent=was_sent,
    )


class Quota:
    """Counts what was let through; ``now`` in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._unknown_left = float(UNKNOWN_AT_ONCE)
        self._looked_at = 0.0

    def allows(self, token: str, *, is_known: bool | None, now: float) -> bool:
        """Whether one more visit may be kept; counts it if so."""
        return self._allows_known(token) if is_known else self._allows_unknown(now)

    def _allows_known(self, token: str) -> bool:
        # At the end again: a token that is asked for stays among those that are counted.
        count = self._counts.pop(token, 0) + 1
        self._counts[token] = count
        if len(self._counts) > MOST_TOKENS_COUNTED:
            del self._counts[next(iter(self._counts))]
        return count <= MOST_FOR_A_TOKEN

    def _allows_unknown(self, now: float) -> bool:
        earned = (now - self._looked_at) * UNKNOWN_PER_SECOND
        self._unknown_left = min(self._unknown_left + earned, float(UNKNOWN_AT_ONCE))
        self._looked_at = now
        if self._unknown_left < 1:
            return False
        self._unknown_left -= 1
        return True


class Book:
    """Visits between the event loop, which notes them, and the thread that writes them."""

    def __init__(self) -> None:
        self._unwritten: collections.deque[Visit] = collections.deque()
        self.quota = Quota()
        self.news = threading.Event()

    def has_room(self) -> bool:
        """Whether another visit can be kept at all; false while the database is away for long."""
        return len(self._unwritten) < MOST_UNWRITTEN

    def note(self, made: Visit) -> None:
        """Keep a visit until it is taken."""
        self._unwritten.append(made)
        self.news.set()

    def take(self) -> list[Visit]:
        """All that are there, the oldest first."""
        taken: list[Visit] = []
        while self._unwritten:
            taken.append(self._unwritten.popleft())
        return taken
