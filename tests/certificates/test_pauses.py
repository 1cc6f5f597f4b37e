from __future__ import annotations

import datetime

import pytest

from certificates import pauses
from certificates.models import Pause
from certificates.policy.refusal import Scope
from challenges.problems import Problem, Severity
from tests.certificates.engine import DAY, HOUR, SECOND

NOW = datetime.datetime(2026, 12, 1, 12, tzinfo=datetime.UTC)
URL = "https://ca.example/directory"
SAID = Problem("acme-rate-limited", Severity.ERROR, "Too many.", ("Wait.",), retryable=True)
NAMES = ["mx.example.co.uk", "a.example.co.uk"]
SAME_SET = list(reversed(NAMES))
SAME_DOMAIN = ["b.example.co.uk"]
ONE_NAME = ["mx.example.co.uk", "mx.example.net"]
STRANGER = ["mx.other.co.uk"]

pytestmark = pytest.mark.django_db


def note(scope: Scope, subject: str = "", until: datetime.datetime = NOW + HOUR) -> None:
    """The CA asks for an hour, about an order for NAMES."""
    pauses.note(URL, scope, NAMES, until, SAID, subject=subject)


def held(names: list[str], url: str = URL, now: datetime.datetime = NOW) -> bool:
    return pauses.standing(url, names, now) is not None


@pytest.mark.parametrize(
    ("scope", "subject", "concerned"),
    [
        (Scope.CA, "", [NAMES, SAME_SET, SAME_DOMAIN, ONE_NAME, STRANGER]),
        (Scope.ACCOUNT, "", [NAMES, SAME_SET, SAME_DOMAIN, ONE_NAME, STRANGER]),
        (Scope.REGISTERED_DOMAIN, "example.co.uk", [NAMES, SAME_SET, SAME_DOMAIN, ONE_NAME]),
        (Scope.IDENTIFIER_SET, "", [NAMES, SAME_SET]),
        (Scope.IDENTIFIER, "mx.example.co.uk", [NAMES, SAME_SET, ONE_NAME]),
        (Scope.IDENTIFIER, "a.example.co.uk", [NAMES, SAME_SET]),
    ],
)
def test_a_pause_holds_back_what_it_is_about_and_nothing_else(
    scope: Scope, subject: str, concerned: list[list[str]]
) -> None:
    note(scope, subject)
    orders = [NAMES, SAME_SET, SAME_DOMAIN, ONE_NAME, STRANGER]
    assert [names for names in orders if held(names)] == concerned
    assert not held(NAMES, "https://staging.example/directory")


@pytest.mark.parametrize(
    ("scope", "subjects"),
    [
        (Scope.REGISTERED_DOMAIN, {"example.co.uk"}),
        (Scope.IDENTIFIER, set(NAMES)),
    ],
)
def test_a_subject_that_is_not_in_the_order_is_not_believed(
    scope: Scope, subjects: set[str]
) -> None:
    note(scope, "somebody-elses.example")
    assert set(Pause.objects.values_list("subject", flat=True)) == subjects


def test_it_ends_by_itself() -> None:
    note(Scope.CA)
    assert held(NAMES, now=NOW + HOUR - SECOND)
    assert not held(NAMES, now=NOW + HOUR)


def test_the_longest_of_several_holds() -> None:
    note(Scope.CA)
    note(Scope.ACCOUNT, until=NOW + 2 * HOUR)
    note(Scope.IDENTIFIER_SET, until=NOW + HOUR / 2)
    pause = pauses.standing(URL, NAMES, NOW)
    assert pause is not None
    assert (pause.until, pause.problem) == (NOW + 2 * HOUR, SAID)


def test_the_cas_last_word_replaces_the_one_before() -> None:
    note(Scope.CA, until=NOW + 3 * HOUR)
    note(Scope.CA)
    assert Pause.objects.get().until == NOW + HOUR


def test_one_that_a_wrong_clock_has_written_holds_nothing() -> None:
    note(Scope.CA, until=NOW + 700 * DAY)
    assert not held(NAMES)
    note(Scope.ACCOUNT)
    assert held(NAMES), "and hides no other"


def test_what_is_over_is_deleted() -> None:
    note(Scope.CA)
    note(Scope.ACCOUNT, until=NOW + 2 * HOUR)
    pauses.withdraw_expired(NOW + HOUR)
    assert Pause.objects.get().scope == Scope.ACCOUNT.value


def test_of_several_cas_each_has_its_own() -> None:
    note(Scope.CA)
    found = pauses.standing_at([URL, "https://staging.example/directory"], NAMES, NOW)
    assert list(found) == [URL]
