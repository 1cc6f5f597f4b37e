"""Asks things of disks that may not answer: in threads that are left behind when they do not.

A read from a file server that is away cannot be ended, only no longer waited for.
"""

from __future__ import annotations

import collections
import queue
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Generic, TypeVar

PATIENCE = 5.0  # seconds for one question

Key = TypeVar("Key", bound=Hashable)
Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Asker(Generic[Key, Question, Answer]):
    """Puts one question after the other to ``ask``, which must not raise and must not use Django.

    What has not answered is not asked again before it has: there is at most one thread for each.
    """

    def __init__(self, ask: Callable[[Question], Answer], patience: float = PATIENCE) -> None:
        self._ask = ask
        self._patience = patience
        self._stuck: dict[Key, threading.Thread] = {}

    def answers(self, questions: Mapping[Key, Question]) -> Iterator[tuple[Key, Answer | None]]:
        """Each key with its answer; None for what does not answer in time."""
        self._stuck = {key: thread for key, thread in self._stuck.items() if thread.is_alive()}
        for key in self._stuck.keys() & questions.keys():
            yield key, None
        left = collections.deque(key for key in questions if key not in self._stuck)
        while left:
            yield from self._some(left, questions)

    def _some(
        self, left: collections.deque[Key], questions: Mapping[Key, Question]
    ) -> Iterator[tuple[Key, Answer | None]]:
        """Answers until one is not given in time; what was answered or not is no longer left."""
        given: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        given_up = threading.Event()
        asked = [questions[key] for key in left]
        thread = threading.Thread(
            target=self._work, args=(asked, given, given_up), name="patient", daemon=True
        )
        thread.start()
        while left:
            try:
                answer = given.get(timeout=self._patience)
            except queue.Empty:
                given_up.set()
                self._stuck[left[0]] = thread
                yield left.popleft(), None
                return
            yield left.popleft(), answer

    def _work(
        self, questions: list[Question], given: queue.SimpleQueue[Answer], end: threading.Event
    ) -> None:
        for question in questions:
            if end.is_set():
                return
            given.put(self._ask(question))
