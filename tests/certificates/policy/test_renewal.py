from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.policy.renewal import Plan, Reason, by_lifetime, is_last_part, next_renewal
from certificates.policy.renewal_info import Window, chosen_moment

ISSUED = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
MOMENTS = st.timedeltas(datetime.timedelta(days=-9000), datetime.timedelta(days=27000)).map(
    lambda span: ISSUED + span
)
LIFETIMES = st.timedeltas(datetime.timedelta(seconds=1), datetime.timedelta(days=3650))


def days(count: float) -> datetime.timedelta:
    return datetime.timedelta(days=count)


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


def test_without_the_cas_advice_the_lifetime_decides() -> None:
    assert next_renewal(ISSUED, ISSUED + days(90)) == by_lifetime(ISSUED, ISSUED + days(90))


@pytest.mark.parametrize(("first", "last"), [(10, 12), (50, 55), (70, 75), (-30, -29)])
def test_the_window_of_the_ca_comes_before_the_lifetime(first: int, last: int) -> None:
    window = Window(ISSUED + days(first), ISSUED + days(last))
    plan = next_renewal(ISSUED, ISSUED + days(90), window=window, seed="4711")
    assert plan == Plan(chosen_moment(window, "4711"), Reason.CA_WINDOW)


def test_an_unusable_window_is_as_if_it_was_not_there() -> None:
    window = Window(ISSUED + days(12), ISSUED + days(10))
    plan = next_renewal(ISSUED, ISSUED + days(90), window=window)
    assert plan == by_lifetime(ISSUED, ISSUED + days(90))


@pytest.mark.parametrize(("lifetime", "twentieth"), [(90, 4.5), (45, 2.25), (6, 0.3)])
@pytest.mark.parametrize("opens", [0, 1, 1000])
def test_the_last_twentieth_overrides_a_window_that_is_too_late(
    lifetime: int, twentieth: float, opens: int
) -> None:
    expiry = ISSUED + days(lifetime)
    window = Window(expiry + days(opens), expiry + days(opens + 1))
    plan = next_renewal(ISSUED, expiry, window=window)
    assert plan == Plan(expiry - days(twentieth), Reason.LAST_TWENTIETH)


@pytest.mark.parametrize(("age", "expected"), [(0, False), (85.4, False), (85.5, True), (99, True)])
def test_the_last_part_is_the_last_twentieth(age: float, expected: bool) -> None:
    assert is_last_part(ISSUED, ISSUED + days(90), ISSUED + days(age)) is expected


@pytest.mark.parametrize("window", [None, Window(ISSUED + days(50), ISSUED + days(51))])
def test_a_pause_after_a_failure_holds(window: Window | None) -> None:
    for pause_ends in (ISSUED + days(61), ISSUED + days(89.9)):
        plan = next_renewal(ISSUED, ISSUED + days(90), window=window, retry_not_before=pause_ends)
        assert plan == Plan(pause_ends, Reason.RETRY)


def test_a_pause_that_is_over_does_not_bring_the_renewal_forward() -> None:
    plan = next_renewal(ISSUED, ISSUED + days(90), retry_not_before=ISSUED)
    assert plan == by_lifetime(ISSUED, ISSUED + days(90))


@pytest.mark.parametrize(
    ("pause", "probe", "at", "reason"),
    [
        (None, 70, 70, Reason.CA_AWAY),
        (70, 71, 71, Reason.CA_AWAY),
        (72, 71, 72, Reason.RETRY),
        (None, 10, 60, Reason.THIRD_LEFT),
    ],
)
def test_while_the_ca_is_away_the_next_look_for_it_decides(
    pause: int | None, probe: int, at: int, reason: Reason
) -> None:
    plan = next_renewal(
        ISSUED,
        ISSUED + days(90),
        retry_not_before=ISSUED + days(pause) if pause is not None else None,
        ca_away_until=ISSUED + days(probe),
    )
    assert plan == Plan(ISSUED + days(at), reason)


@given(
    LIFETIMES,
    st.one_of(st.none(), MOMENTS),
    st.timedeltas(days(-1), days(400)),
    st.one_of(st.none(), MOMENTS),
)
def test_whatever_the_ca_says_only_a_pause_moves_a_renewal_into_the_last_twentieth(
    lifetime: datetime.timedelta,
    opens: datetime.datetime | None,
    span: datetime.timedelta,
    pause_ends: datetime.datetime | None,
) -> None:
    window = Window(opens, opens + span) if opens is not None else None
    plan = next_renewal(
        ISSUED, ISSUED + lifetime, window=window, seed="a", retry_not_before=pause_ends
    )
    latest = ISSUED + lifetime - lifetime / 20
    assert plan.at <= max(latest, pause_ends or latest)
    assert plan.at >= (pause_ends or plan.at)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_a_sentence(reason: Reason) -> None:
    assert reason.sentence.endswith(".")
