"""Many questions at once: bounded in time, whatever hangs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from django.utils import translation

from challenges.preflight.parallel import MOST_THREADS, in_parallel
from tests.challenges.conftest import ROOT, environment


def test_the_answers_come_in_the_order_of_the_questions() -> None:
    second = threading.Event()

    def first() -> str:
        assert second.wait(5)
        return "first"

    def last() -> str:
        second.set()
        return "second"

    assert in_parallel([first, last], seconds=5) == ["first", "second"]


def test_more_questions_than_threads_are_all_answered() -> None:
    numbers = range(5 * MOST_THREADS)
    asked = [partial(int, number) for number in numbers]
    assert in_parallel(asked, seconds=5) == list(numbers)


def test_no_questions_have_no_answers() -> None:
    assert in_parallel([], seconds=0) == []


def test_what_hangs_is_none_and_the_rest_is_there() -> None:
    over = threading.Event()
    started = time.monotonic()
    assert in_parallel([over.wait, lambda: True], seconds=0.2) == [None, True]
    assert time.monotonic() - started < 2
    over.set()


def test_an_exception_is_raised_to_whoever_asked() -> None:
    with pytest.raises(ZeroDivisionError):
        in_parallel([lambda: 1, lambda: 1 // 0], seconds=5)


def test_answers_are_in_the_language_of_whoever_asked() -> None:
    with translation.override("de"):
        assert in_parallel([translation.get_language], seconds=5) == ["de"]


def test_a_question_that_hangs_for_ever_does_not_keep_the_process_alive(
    tmp_path: Path,
) -> None:
    script = (
        "import threading, django\n"
        "django.setup()\n"
        "from challenges.preflight.parallel import in_parallel\n"
        "print(in_parallel([threading.Event().wait], seconds=0.1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        timeout=20,
        check=True,
    )
    assert done.stdout == b"[None]\n"
