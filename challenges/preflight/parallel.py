"""Asking many things at once, for a limited time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

Answer = TypeVar("Answer")
MOST_THREADS = 16


def in_parallel(
    questions: Sequence[Callable[[], Answer]], *, seconds: float
) -> list[Answer | None]:
    """The answers in the order of the questions; None for one that took too long.

    A question that is still being asked is left behind, so each must end by itself at some time.
    An exception in a question is raised here.
    """
    if not questions:
        return []
    executor = ThreadPoolExecutor(min(len(questions), MOST_THREADS), "preflight")
    try:
        # Each in a copy of our context, which holds the language of the answers.
        futures = [executor.submit(copy_context().run, question) for question in questions]
        done, _late = wait(futures, timeout=seconds)
        return [future.result() if future in done else None for future in futures]
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
