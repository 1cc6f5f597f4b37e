"""Whether a process has stopped working although it runs: decisions about what a watchdog sees.

All times are seconds of one monotonic clock. Nothing here touches the world: what there is to
see, and the message to be sent, come in as callables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

PING_EVERY = 4.0
# Three pings in vain. A consumer that has lost the broker is back within seven seconds of its
# return, so that only one that never comes back is taken for deaf; and this, with ending and
# starting again, stays well below half a minute.
DEAF_AFTER = 12.0
# A task moves one issuance a few steps on. A slow CA may take half a minute for each request,
# which is work and not a fault, however many threads wait like that; this is far beyond it.
STUCK_AFTER = 10 * 60.0
BEAT_HANGS_AFTER = 30.0


class Watch(Protocol):
    """One thing to look at again and again."""

    def look(self, now: float) -> str | None:
        """Why the process should end, as a sentence; None while all is well."""
        ...

    def excuse(self, now: float) -> None:
        """Time has passed that nobody is to blame for: begin to count anew."""
        ...


class ConsumerWatch:
    """Whether messages are taken from the broker and carried out.

    Judged by messages to a queue that this process alone consumes. While the broker does not take
    them the consumer is not to blame. Nor is it while every thread of the pool is busy: then the
    message waits its turn, because no more messages are taken than there are threads.
    """

    def __init__(
        self,
        started_at: float,
        *,
        ping: Callable[[], bool],
        begun: Callable[[], int],
        is_saturated: Callable[[], bool],
    ) -> None:
        """``ping`` sends one and says whether the broker took it; ``begun`` counts those that
        were carried out so far.
        """
        self._ping = ping
        self._begun = begun
        self._is_saturated = is_saturated
        self._count = 0
        self._next_ping = started_at
        # It has yet to connect: twice the time for the first one.
        self._well_at = started_at + DEAF_AFTER

    def look(self, now: float) -> str | None:
        """Send a ping if it is time; see whether one was carried out."""
        if self._is_saturated():
            self.excuse(now)
            return None
        if (count := self._begun()) != self._count:
            self._count = count
            self.excuse(now)
        if now >= self._next_ping:
            if self._ping():
                self._next_ping = now + PING_EVERY
            else:
                self.excuse(now)
        deaf = now - self._well_at
        if deaf < DEAF_AFTER:
            return None
        return (
            f"The worker has carried out no message for {deaf:.0f} seconds although the broker "
            "takes messages; it ends itself to be started again."
        )

    def excuse(self, now: float) -> None:
        """Begin to count anew."""
        self._well_at = max(self._well_at, now)


class PoolWatch:
    """Whether every thread of the pool has been stuck in one task for far too long."""

    def __init__(self, threads: int, active: Callable[[], Iterable[str]]) -> None:
        """``active`` tells the ids of the tasks that are being carried out."""
        self._threads = threads
        self._active = active
        self._since: dict[str, float] = {}

    def look(self, now: float) -> str | None:
        """See which tasks are still the same."""
        self._since = {task: self._since.get(task, now) for task in self._active()}
        stuck = [since for since in self._since.values() if now - since >= STUCK_AFTER]
        if len(stuck) < self._threads:
            return None
        return (
            f"Each of the worker's {self._threads} threads has been busy with a single task for "
            f"more than {STUCK_AFTER / 60:.0f} minutes; it ends itself to be started again."
        )

    def excuse(self, now: float) -> None:
        """Begin to count anew."""
        self._since = dict.fromkeys(self._since, now)


class BeatWatch:
    """Whether beat still makes its rounds. It waits for the database and the broker in them."""

    def __init__(
        self,
        started_at: float,
        *,
        ticked_at: Callable[[], float],
        surroundings_answer: Callable[[], bool],
    ) -> None:
        """``surroundings_answer`` says whether database and broker do; asked only if in doubt."""
        self._ticked_at = ticked_at
        self._surroundings_answer = surroundings_answer
        self._excused_at = started_at
        self._are_away = False

    def look(self, now: float) -> str | None:
        """See when the last round began."""
        if now - self._ticked_at() < BEAT_HANGS_AFTER:
            self._are_away = False
            return None
        if not self._are_away and now - self._excused_at < BEAT_HANGS_AFTER:
            return None
        were_away, self._are_away = self._are_away, not self._surroundings_answer()
        if self._are_away:
            return None
        if were_away:
            # Whatever beat waits for gets the whole time to come back.
            self._excused_at = now
            return None
        return (
            f"Beat has not made its round for {now - self._ticked_at():.0f} seconds; "
            "it is ended to be started again."
        )

    def excuse(self, now: float) -> None:
        """Begin to count anew."""
        self._excused_at = max(self._excused_at, now)
