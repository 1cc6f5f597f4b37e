"""Asking many things at once, for a limited time. What hangs is left behind and holds up nobody,
not even the end of the process: that is why the threads are not a ThreadPoolExecutor's.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from django.utils import translation

Answer = TypeVar("Answer")
MOST_THREADS = 16


def in_parallel(
    questions: Sequence[Callable[[], Answer]], *, seconds: float
) -> list[Answer | None]:
    """The answers in the order of the questions; None for one that took too long.

    A question that is still being asked is left behind, so each should end by itself at some
    time. The first exception of a question is raised here.
    """
    asked = _Asked(questions)
    for _number in range(min(len(questions), MOST_THREADS)):
        threading.Thread(target=asked.work, name="preflight", daemon=True).start()
    return asked.answers(time.monotonic() + max(0.0, seconds))


class _Asked(Generic[Answer]):
    """The questions that no thread has taken yet, and what has come of the others."""

    def __init__(self, questions: Sequence[Callable[[], Answer]]) -> None:
        self._count = len(questions)
        self._waiting: queue.SimpleQueue[tuple[int, Callable[[], Answer]]]
        self._waiting = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[int, Answer | None, BaseException | None]]
        self._done = queue.SimpleQueue()
        self._is_over = False
        self._language = translation.get_language()
        for number, question in enumerate(questions):
            self._waiting.put((number, question))

    def work(self) -> None:
        """Ask what is waiting, until nothing is or it is too late."""
        while not self._is_over:
            try:
                number, question = self._waiting.get_nowait()
            except queue.Empty:
                return
            try:
                # A thread of its own would answer in the language of nobody.
                with translation.override(self._language):
                    self._done.put((number, question(), None))
            except BaseException as error:  # handed to whoever waits
                self._done.put((number, None, error))

    def answers(self, deadline: float) -> list[Answer | None]:
        """What has come until ``deadline``, which is of the monotonic clock."""
        found: list[Answer | None] = [None] * self._count
        try:
            for _number in range(self._count):
                left = max(0.0, deadline - time.monotonic())
                number, found[number], error = self._done.get(timeout=left)
                if error is not None:
                    raise error
        except queue.Empty:
            pass
        finally:
            self._is_over = True
        return found
