"""What does not answer keeps nobody else waiting, and is not asked again meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from certificates.patience import Asker
from tests.parts.processes import wait_until


class Disks:
    """``slow`` ones answer once they are let."""

    def __init__(self, *slow: str) -> None:
        self.slow = slow
        self.let = threading.Event()
        self.asked: list[str] = []

    def __call__(self, question: str) -> str:
        self.asked.append(question)
        if question in self.slow:
            self.let.wait(30)
        return question.upper()


@pytest.fixture
def disks() -> Iterator[Disks]:
    """Two of them are slow."""
    asked = Disks("b", "d")
    yield asked
    asked.let.set()


def test_all_others_are_answered(disks: Disks) -> None:
    asker: Asker[str, str, str] = Asker(disks, patience=0.05)
    answers = dict(asker.answers({key: key for key in "abcde"}))
    assert answers == {"a": "A", "b": None, "c": "C", "d": None, "e": "E"}


def test_what_hangs_is_not_asked_again_until_it_has_answered(disks: Disks) -> None:
    asker: Asker[str, str, str] = Asker(disks, patience=0.05)
    before = threading.active_count()
    for _ in range(5):
        answers = dict(asker.answers({key: key for key in "abcde"}))
        assert [key for key, answer in answers.items() if answer is None] in (
            ["b", "d"],
            ["d", "b"],
        )
    assert disks.asked.count("b") == disks.asked.count("d") == 1
    assert disks.asked.count("c") == 5
    wait_until(lambda: threading.active_count() == before + 2, "One thread hangs for each")
    disks.let.set()
    wait_until(lambda: threading.active_count() == before, "They end")
    assert dict(asker.answers({"b": "b"})) == {"b": "B"}


def test_who_is_given_up_asks_nothing_more_when_it_comes_back(disks: Disks) -> None:
    asker: Asker[str, str, str] = Asker(disks, patience=0.05)
    dict(asker.answers({key: key for key in "abc"}))
    before = list(disks.asked)
    disks.let.set()
    wait_until(
        lambda: not any(thread.name == "patient" for thread in threading.enumerate()), "They end"
    )
    assert disks.asked == before == ["a", "b", "c"]


def test_nothing_is_asked_without_questions(disks: Disks) -> None:
    asker: Asker[str, str, str] = Asker(disks)
    assert list(asker.answers({})) == []
