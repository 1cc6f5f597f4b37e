"""What forbids an issuance, and what lets one skip its test, as tables."""

from __future__ import annotations

import datetime

import pytest

from certificates.policy import starting
from challenges.problems import Problem, Severity

NOW = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
WRONG_CLOCK = Problem("clock-implausible", Severity.ERROR, "The clock is wrong.", ("Set it.",))


@pytest.mark.parametrize(
    ("uses_lets_encrypt", "terms_agreed", "clock", "code"),
    [
        (True, True, None, None),
        (True, False, None, "terms-not-agreed"),
        (False, True, None, "source-is-manual"),
        (True, True, WRONG_CLOCK, "clock-implausible"),
        (True, False, WRONG_CLOCK, "terms-not-agreed"),
        (False, False, WRONG_CLOCK, "source-is-manual"),
    ],
)
def test_the_first_thing_that_forbids_it_is_named(
    uses_lets_encrypt: bool, terms_agreed: bool, clock: Problem | None, code: str | None
) -> None:
    problem = starting.why_not(
        uses_lets_encrypt=uses_lets_encrypt, terms_agreed=terms_agreed, clock=clock
    )
    assert (problem.code if problem else None) == code
    assert problem is None or problem.remedy


def test_the_moment_to_try_again_is_told_with_the_cas_own_words() -> None:
    said = Problem("acme-rate-limited", Severity.ERROR, "Too many.", detail="rateLimited: no")
    problem = starting.asked_to_wait(said, NOW)
    assert problem.code == "ca-asked-to-wait"
    assert "2026-11-23 12:00:00 UTC" in problem.explanation
    assert problem.detail == "Too many.\nrateLimited: no"
    assert problem.retryable


@pytest.mark.parametrize(
    ("attempt", "is_same_set", "age", "is_staging_away", "skips"),
    [
        (1, True, 60, False, True),
        (1, True, 60, True, True),
        (1, True, 89, False, True),
        (1, False, 60, False, False),
        (1, False, 60, True, False),
        (1, False, 82, True, True),
        (2, True, 60, False, False),
        (2, True, 60, True, False),
        (2, True, 81, True, False),
        (2, True, 81.01, True, True),
        (2, True, 81.01, False, False),
        (30, True, 95, True, True),
        (30, True, 95, False, False),
    ],
)
def test_the_first_attempt_for_the_same_names_skips_the_test_and_others_in_need_alone(
    attempt: int, is_same_set: bool, age: float, is_staging_away: bool, skips: bool
) -> None:
    begin = NOW - age * DAY
    assert skips == starting.may_skip_test(
        attempt,
        is_same_set=is_same_set,
        not_before=begin,
        not_after=begin + 90 * DAY,
        is_staging_away=is_staging_away,
        now=NOW,
    )


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (starting.is_busy(is_rehearsal=True), "A rehearsal of the renewal is running"),
        (starting.is_busy(is_rehearsal=False), "The issuance of a certificate is running"),
        (starting.was_busy(), "has just ended"),
        (starting.is_obtained_elsewhere("north"), "for the gateway north"),
    ],
)
def test_whatever_is_in_the_way_is_named_and_passes(problem: Problem, words: str) -> None:
    assert problem.code == "issuance-running"
    assert words in problem.explanation
    assert problem.retryable
    assert problem.remedy


def test_what_cannot_be_cancelled_says_why() -> None:
    ended, issued = (starting.cannot_cancel(has_ended=ended) for ended in (True, False))
    assert ended.code == issued.code == "cannot-cancel"
    assert "ended already" in ended.explanation
    assert "is issuing" in issued.explanation
