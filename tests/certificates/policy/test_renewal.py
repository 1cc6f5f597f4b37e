from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.policy.renewal import Plan, Reason, by_lifetime, next_renewal

ISSUED = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
LIFETIMES = st.timedeltas(datetime.timedelta(seconds=1), datetime.timedelta(days=3650))


def days(count: float) -> datetime.timedelta:
    return datetime.timedelta(days=count)


def minutes(count: float) -> datetime.timedelta:
    return datetime.timedelta(minutes=count)


@pytest.mark.parametrize(
    ("lifetime", "age", "reason"),
    [
        (6, 3, Reason.HALF_LEFT),
        (9.99, 4.995, Reason.HALF_LEFT),
        (10, 6 + 2 / 3, Reason.THIRD_LEFT),
        (45, 30, Reason.THIRD_LEFT),
        (64, 42 + 2 / 3, Reason.THIRD_LEFT),
        (90, 60, Reason.THIRD_LEFT),
        (91, 60, Reason.SIXTY_DAYS),
        (398, 60, Reason.SIXTY_DAYS),
        (5 * 365, 60, Reason.SIXTY_DAYS),
    ],
)
def test_a_certificate_is_renewed_by_the_rule_of_its_lifetime(
    lifetime: float, age: float, reason: Reason
) -> None:
    plan = by_lifetime(ISSUED, ISSUED + days(lifetime))
    assert abs(plan.at - (ISSUED + days(age))) < datetime.timedelta(seconds=1)
    assert plan.reason is reason


@given(LIFETIMES)
def test_a_renewal_is_planned_after_issue_before_expiry_and_within_sixty_days(
    lifetime: datetime.timedelta,
) -> None:
    plan = by_lifetime(ISSUED, ISSUED + lifetime)
    assert ISSUED < plan.at < ISSUED + lifetime
    assert plan.at <= ISSUED + days(60)


@given(LIFETIMES)
def test_at_least_a_third_of_the_lifetime_is_left_for_repetitions(
    lifetime: datetime.timedelta,
) -> None:
    plan = by_lifetime(ISSUED, ISSUED + lifetime)
    left = ISSUED + lifetime - plan.at
    assert left >= lifetime / 3 - datetime.timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("failed", "pause"), [(1, minutes(1)), (2, minutes(10)), (3, minutes(100)), (4, days(1))]
)
def test_after_failures_the_next_attempt_waits_for_the_pause(
    failed: int, pause: datetime.timedelta
) -> None:
    failure = ISSUED + days(61)
    plan = next_renewal(ISSUED, ISSUED + days(90), failed_attempts=failed, last_failure_at=failure)
    assert plan == Plan(failure + pause, Reason.RETRY)


def test_a_failure_before_the_renewal_is_due_does_not_move_it() -> None:
    plan = next_renewal(
        ISSUED, ISSUED + days(90), failed_attempts=4, last_failure_at=ISSUED + days(10)
    )
    assert plan == by_lifetime(ISSUED, ISSUED + days(90))


def test_a_moment_without_a_failure_is_no_failure() -> None:
    plan = next_renewal(ISSUED, ISSUED + days(90), last_failure_at=ISSUED + days(80))
    assert plan == by_lifetime(ISSUED, ISSUED + days(90))


@pytest.mark.parametrize("pause_ends", [ISSUED + days(70), ISSUED + days(61)])
def test_the_ca_is_never_asked_before_it_is_ready(pause_ends: datetime.datetime) -> None:
    plan = next_renewal(
        ISSUED,
        ISSUED + days(90),
        failed_attempts=1,
        last_failure_at=ISSUED + days(60.5),
        not_before_retry=pause_ends,
    )
    assert plan == Plan(pause_ends, Reason.RETRY)


def test_a_pause_that_is_over_does_not_bring_the_renewal_forward() -> None:
    plan = next_renewal(ISSUED, ISSUED + days(90), not_before_retry=ISSUED)
    assert plan == by_lifetime(ISSUED, ISSUED + days(90))


@given(LIFETIMES, st.integers(0, 10), st.timedeltas(days(0), days(200)))
def test_failures_only_ever_delay(
    lifetime: datetime.timedelta, failed: int, age: datetime.timedelta
) -> None:
    plan = next_renewal(
        ISSUED, ISSUED + lifetime, failed_attempts=failed, last_failure_at=ISSUED + age
    )
    regular = by_lifetime(ISSUED, ISSUED + lifetime)
    assert plan.at >= regular.at
    assert plan.at <= max(regular.at, ISSUED + age + days(1))


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_a_sentence(reason: Reason) -> None:
    assert reason.sentence.endswith(".")
