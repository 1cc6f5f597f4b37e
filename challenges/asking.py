"""Group reads: whoever asks for a token joins the next look into the database.

One thread looks, for all who wait, once at a time. A look begins after everybody in its group has
asked, so what was committed before a CA was told is always found, and what was withdrawn never,
with any number of processes: there is no cache to invalidate. The event loop never waits.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from challenges import answering
from challenges.answering import Answer

Read = Callable[[Collection[str]], Mapping[str, str] | None]
MOST_REMEMBERED = 4096
LOOK_AGAIN_AFTER = 1.0  # seconds, while the database is away
_NOBODYS_TOKEN = ""


class Asker(Protocol):
    """Somebody who waits for the answer."""

    def hear(self, answer: Answer) -> None:
        """Called once, in the event loop, unless :meth:`Questions.forget` was called before."""


class Memory:
    """The last answers that were found, for the time when the database is away; bounded."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._found: dict[str, str] = {}

    def learn(self, asked: Collection[str], found: Mapping[str, str]) -> None:
        """What a look has found, and what it has not found any more."""
        for token in asked:
            self._found.pop(token, None)
        self._found.update(found)
        while len(self._found) > self._most:
            del self._found[next(iter(self._found))]

    def answer(self, token: str) -> Answer:
        """The last known answer, else a request for patience."""
        known = self._found.get(token)
        return answering.AWAY if known is None else answering.answer(known)


class Questions:
    """Everybody who waits for an answer. All but the look itself happens in the event loop.

    ``read`` returns the key authorizations of the published ones among some tokens, None while
    the database is away. ``call_soon`` is the loop's call_soon, ``call_back`` its
    call_soon_threadsafe.
    """

    def __init__(
        self,
        read: Read,
        *,
        call_soon: Callable[[Callable[[], object]], object],
        call_back: Callable[..., object],
    ) -> None:
        self._read = read
        self._call_soon = call_soon
        self._call_back = call_back
        self._next: dict[str, dict[Asker, None]] = {}
        self._under_way: dict[str, dict[Asker, None]] = {}
        self._is_looking = False
        self._is_starting = False
        self._groups: queue.SimpleQueue[tuple[str, ...] | None] = queue.SimpleQueue()
        self._memory = Memory()
        # A daemon: a database that hangs must not keep the process from ending.
        threading.Thread(target=self._look_for_ever, name="tokens", daemon=True).start()

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
        return self._memory.answer(token)

    def end(self) -> None:
        """Ask the database no more."""
        self._groups.put(None)

    def _start(self) -> None:
        self._is_starting = False
        if self._is_looking or not self._next:
            return
        self._is_looking = True
        self._under_way, self._next = self._next, {}
        self._groups.put(tuple(self._under_way))

    def _found(self, asked: tuple[str, ...], found: Mapping[str, str] | None) -> None:
        if found is not None:
            self._memory.learn(asked, found)
        group, self._under_way = self._under_way, {}
        self._is_looking = False
        self._start()
        for token, askers in group.items():
            if found is None:
                answer = self._memory.answer(token)
            else:
                answer = answering.answer(found.get(token))
            for asker in tuple(askers):
                asker.hear(answer)

    def _look_for_ever(self) -> None:
        is_away = False
        while True:
            try:
                group = self._groups.get(timeout=LOOK_AGAIN_AFTER if is_away else None)
            except queue.Empty:
                # Nobody asks: find out all the same when it is back, since that is news.
                is_away = self._read((_NOBODYS_TOKEN,)) is None
                continue
            if group is None:
                return
            found = self._read(group)
            is_away = found is None
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._call_back(self._found, group, found)
