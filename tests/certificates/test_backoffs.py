from __future__ import annotations

import datetime

import pytest

from certificates import backoffs
from certificates.models import Backoff, Directory
from challenges.problems import Problem, Severity
from tests.certificates.engine import DAY, HOUR, MINUTE

NOW = datetime.datetime(2026, 12, 1, 12, tzinfo=datetime.UTC)
KEY = "f" * 64
URL = "https://ca.example/directory"
PASSING = Problem("acme-connection", Severity.ERROR, "Refused.", ("Open it.",), retryable=True)
PERMANENT = Problem("acme-rejected-identifier", Severity.ERROR, "Never.", ("Edit.",))

pytestmark = pytest.mark.django_db


def fail(
    problem: Problem = PASSING,
    now: datetime.datetime = NOW,
    *,
    lifetime: datetime.timedelta | None = None,
    not_before: datetime.datetime | None = None,
    away: str = "",
) -> Backoff:
    """One more failed attempt."""
    backoffs.failed(
        KEY, problem, now, lifetime=lifetime, not_before=not_before, away_directory_url=away
    )
    return Backoff.objects.get()


def held(
    backoff: Backoff, now: datetime.datetime = NOW, *, returned_at: datetime.datetime | None = None
) -> datetime.datetime | None:
    """Until when, given when the CA has returned."""
    return backoffs.holds_until(backoff, {URL: Directory(url=URL, returned_at=returned_at)}, now)


def test_the_pauses_are_1_10_100_minutes_and_then_daily() -> None:
    for pause in (MINUTE, 10 * MINUTE, 100 * MINUTE, DAY, DAY, DAY):
        assert pause <= fail().not_before - NOW < 1.1 * pause
    backoff = Backoff.objects.get()
    assert (backoff.failures, backoff.problem) == (6, PASSING)


def test_a_short_certificate_cannot_wait_for_days() -> None:
    backoff = [fail(lifetime=6 * DAY) for _ in range(8)][-1]
    assert 6 * HOUR < backoff.not_before - NOW <= 6 * DAY / 20


def test_a_success_forgets_that_set_alone() -> None:
    fail()
    backoffs.failed("another", PASSING, NOW, lifetime=None)
    backoffs.succeeded(KEY)
    assert Backoff.objects.get().identifier_set == "another"


@pytest.mark.parametrize(
    ("asked", "kept"), [(HOUR, HOUR), (2 * DAY, 2 * DAY), (MINUTE / 2, MINUTE)]
)
def test_what_the_ca_asks_for_wins_when_it_is_longer(
    asked: datetime.timedelta, kept: datetime.timedelta
) -> None:
    backoff = fail(not_before=NOW + asked)
    assert kept <= backoff.not_before - NOW < 1.1 * kept


def test_a_problem_that_cannot_pass_stops_until_somebody_has_edited_something() -> None:
    assert not fail().is_stopped
    assert fail(PERMANENT).is_stopped
    backoffs.forgive("another", NOW)
    assert Backoff.objects.get().is_stopped
    backoffs.forgive(KEY, NOW)
    backoff = Backoff.objects.get()
    assert (backoff.is_stopped, backoff.not_before, backoff.failures) == (False, NOW, 2)
    # If the edit did not help the pauses go on from where they were.
    assert fail().not_before - NOW >= 100 * MINUTE


def test_an_edit_of_what_concerns_all_forgives_all() -> None:
    fail(PERMANENT)
    backoffs.failed("another", PERMANENT, NOW, lifetime=None)
    backoffs.forgive_all(NOW)
    assert not Backoff.objects.filter(is_stopped=True).exists()
    assert set(Backoff.objects.values_list("not_before", flat=True)) == {NOW}


def test_without_failures_nothing_is_held_back() -> None:
    assert backoffs.holds_until(None, {}, NOW) is None
    assert backoffs.by_set([KEY]) == {}


def test_a_pause_holds_until_its_end() -> None:
    backoff = fail()
    assert held(backoff) == backoff.not_before
    assert backoffs.by_set([KEY, "another"]) == {KEY: backoff}


def test_a_pause_that_a_wrong_clock_has_written_holds_nothing() -> None:
    backoff = fail(now=NOW + 700 * DAY)
    assert held(backoff) is None
    assert held(backoff, NOW + 700 * DAY) == backoff.not_before


def test_the_return_of_the_ca_ends_the_pause_but_for_its_first_quarter() -> None:
    backoff = [fail(away=URL) for _ in range(4)][-1]
    pause = backoff.not_before - NOW
    assert held(backoff) == backoff.not_before
    assert held(backoff, returned_at=NOW - HOUR) == backoff.not_before, (
        "it failed after that return"
    )
    assert held(backoff, returned_at=NOW + HOUR) == NOW + pause / 4
    assert held(backoff, returned_at=NOW + 10 * HOUR) == NOW + 10 * HOUR
    assert held(backoff, returned_at=NOW + 2 * DAY) == backoff.not_before


def test_another_trouble_is_not_ended_by_a_return() -> None:
    backoff = [fail() for _ in range(4)][-1]
    assert held(backoff, returned_at=NOW + 10 * HOUR) == backoff.not_before


def test_the_last_failure_decides_what_is_waited_for() -> None:
    assert fail(away=URL).away_directory_url == URL
    assert fail().away_directory_url == ""
