"""Group reads: whoever asks for a token joins the next look into the database.

One thread looks, for all who wait, once at a time. A look begins after everybody in its group has
asked, so what was committed before a CA was told is always found, and what was withdrawn never,
with any number of processes: there is no cache to invalidate. The event loop never waits.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from challenges import answering
from challenges.answering import Answer

logger = logging.getLogger(__name__)

Read = Callable[[Collection[str]], Mapping[str, str] | None]
MOST_REMEMBERED = 4096
# Seconds. A CA asks within moments of being told, and nobody is told while the database is away.
LONGEST_REMEMBERED = 600.0
LOOK_AGAIN_AFTER = 1.0  # while the database is away
# A reply that was lost on its way is waited for in vain, whatever time-outs the server keeps.
OVERDUE_AFTER = 4.0
MOST_HANGING = 2  # threads whose look was given up, beside the one that looks
HOPELESS_AFTER = 60.0
_NOBODYS_TOKEN = ""


class Asker(Protocol):
    """Somebody who waits for the answer."""

    def hear(self, answer: Answer) -> None:
        """Called once, in the event loop, unless :meth:`Questions.forget` was called before."""


class Memory:
    """The last answers that were found, for the time when the database is away; bounded."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        # In the order in which they were learnt, each with the moment.
        self._found: dict[str, tuple[str, float]] = {}

    def learn(self, asked: Collection[str], found: Mapping[str, str], now: float) -> None:
        """What a look has found, and what it has not found any more."""
        for token in asked:
            self._found.pop(token, None)
        for token, known in found.items():
            self._found[token] = (known, now)
        while len(self._found) > self._most:
            del self._found[next(iter(self._found))]

    def answer(self, token: str, now: float) -> Answer:
        """The last known answer unless it is too old, else a request for patience."""
        known, learnt_at = self._found.get(token, ("", float("-inf")))
        return answering.AWAY if now - learnt_at > LONGEST_REMEMBERED else answering.answer(known)


class _Reader:
    """A thread that looks, and has a connection to the database of its own for that."""

    def __init__(self, read: Read, found: Callable[..., object]) -> None:
        self._read = read
        self._found = found
        self._groups: queue.SimpleQueue[tuple[str, ...] | None] = queue.SimpleQueue()
        # A daemon: a database that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._look_for_ever, name="tokens", daemon=True)
        self._thread.start()

    def look(self, group: tuple[str, ...]) -> None:
        """Find these, and tell."""
        self._groups.put(group)

    def end(self) -> None:
        """Look no more, once the look that is under way has come to an end, if it ever does."""
        self._groups.put(None)

    def is_alive(self) -> bool:
        """Whether the thread has not ended."""
        return self._thread.is_alive()

    def _look_for_ever(self) -> None:
        while (group := self._groups.get()) is not None:
            found = self._read(group)
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._found(self, group, found)


class Questions:
    """Everybody who waits for an answer. All but the look itself happens in the event loop.

    ``read`` returns the key authorizations of the published ones among some tokens, None while
    the database is away. ``time``, ``call_soon`` and ``call_back`` are the loop's time, call_soon
    and call_soon_threadsafe. ``hopeless`` is called when looks hang and no other thread may be
    started for them: only a new process can help.
    """

    def __init__(
        self,
        read: Read,
        *,
        time: Callable[[], float],
        call_soon: Callable[[Callable[[], object]], object],
        call_back: Callable[..., object],
        hopeless: Callable[[], object],
    ) -> None:
        self._read = read
        self._time = time
        self._call_soon = call_soon
        self._call_back = call_back
        self._hopeless = hopeless
        self._next: dict[str, dict[Asker, None]] = {}
        self._under_way: dict[str, dict[Asker, None]] = {}
        self._is_looking = False
        self._is_starting = False
        self._is_away = False
        self._has_given_up = False
        self._began_at = self._ended_at = float("-inf")
        self._memory = Memory()
        self._hanging: list[_Reader] = []
        self._reader = self._new_reader()

    def ask(self, token: str, asker: Asker) -> None:
        """Join the next look."""
        self._next.setdefault(token, {})[asker] = None
        if not self._is_looking and not self._is_starting:
            # Not now: whatever else has just arrived can come along.
            self._is_starting = True
            self._call_soon(self._start)

    def forget(self, token: str, asker: Asker) -> None:
        """Somebody does not wait any longer."""
        for askers in (self._next, self._under_way):
            if token in askers:
                askers[token].pop(asker, None)
                if not askers[token]:
                    del askers[token]

    def remembered(self, token: str) -> Answer:
        """For whoever can wait no longer."""
        return self._memory.answer(token, self._time())

    def tend(self) -> None:
        """To be called now and then: gives up a look that hangs, and tries again."""
        now = self._time()
        if self._is_looking:
            if now - self._began_at >= OVERDUE_AFTER:
                self._overdue(now - self._began_at)
        elif self._is_away and now - self._ended_at >= LOOK_AGAIN_AFTER:
            # Nobody asks: find out all the same when it is back, since that is news.
            self._look((_NOBODYS_TOKEN,))

    def end(self) -> None:
        """Ask the database no more."""
        self._reader.end()

    def _new_reader(self) -> _Reader:
        return _Reader(self._read, lambda *found: self._call_back(self._found, *found))

    def _start(self) -> None:
        self._is_starting = False
        if self._is_looking or not self._next:
            return
        self._under_way, self._next = self._next, {}
        self._look(tuple(self._under_way))

    def _look(self, group: tuple[str, ...]) -> None:
        self._is_looking = True
        self._began_at = self._time()
        self._reader.look(group)

    def _overdue(self, seconds: float) -> None:
        self._hanging = [reader for reader in self._hanging if reader.is_alive()]
        if len(self._hanging) >= MOST_HANGING:
            if seconds >= HOPELESS_AFTER:
                self._hopeless()
            return
        if not self._is_away:
            logger.error(
                "The database has not answered within %g seconds; asking it over a new connection.",
                OVERDUE_AFTER,
            )
        self._has_given_up = True
        self._reader.end()
        self._hanging.append(self._reader)
        self._reader = self._new_reader()
        self._conclude(None)

    def _found(
        self, reader: _Reader, asked: tuple[str, ...], found: Mapping[str, str] | None
    ) -> None:
        if reader is not self._reader:
            return  # too late: others have asked since
        if found is not None:
            self._memory.learn(asked, found, self._time())
            if self._has_given_up:
                self._has_given_up = False
                logger.warning("The database answers over a new connection.")
        self._conclude(found)

    def _conclude(self, found: Mapping[str, str] | None) -> None:
        group, self._under_way = self._under_way, {}
        self._is_looking = False
        self._is_away = found is None
        self._ended_at = self._time()
        self._start()
        for token, askers in group.items():
            answer = self.remembered(token) if found is None else answering.answer(found.get(token))
            for asker in tuple(askers):
                asker.hear(answer)
