from __future__ import annotations

import dataclasses
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.policy import ca_health
from certificates.policy.ca_health import CaHealth

NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)
DAY = 24 * HOUR


def away(probes: int = 0, since: datetime.datetime = NOW) -> CaHealth:
    health = ca_health.opened(CaHealth(), since)
    for count in range(1, probes + 1):
        health = ca_health.probed_failed(health, since + count * 15 * MINUTE)
    return health


# Away


def test_a_ca_in_reach_is_not_probed_and_holds_nothing_back() -> None:
    assert not CaHealth().is_away
    assert ca_health.may_start_automatically(CaHealth(), NOW)
    assert not ca_health.is_probe_due(CaHealth(), NOW)


def test_one_attempt_that_finds_the_ca_away_holds_all_others_back() -> None:
    health = away()
    assert health.is_away
    assert not ca_health.may_start_automatically(health, NOW)


@pytest.mark.parametrize("seed", ["", "a", "b"])
def test_the_directory_is_looked_at_every_quarter_of_an_hour(seed: str) -> None:
    health, now = ca_health.opened(CaHealth(), NOW, seed=seed), NOW
    for _ in range(100):
        assert health.next_probe_at is not None
        assert 15 * MINUTE <= health.next_probe_at - now <= 16.5 * MINUTE
        assert not ca_health.is_probe_due(health, health.next_probe_at - SECOND)
        now = health.next_probe_at
        assert ca_health.is_probe_due(health, now)
        assert not ca_health.may_start_automatically(health, now)
        health = ca_health.probed_failed(health, now, seed=seed)
    assert health.failed_probes == 100
    assert health.away_since == NOW


def test_further_failed_attempts_do_not_put_the_probe_off() -> None:
    health = away(probes=2)
    assert ca_health.opened(health, NOW + HOUR) == health


def test_consoles_do_not_probe_at_the_same_moment() -> None:
    moments = {ca_health.opened(CaHealth(), NOW, seed=seed).next_probe_at for seed in "abcdef"}
    assert len(moments) == 6


def test_without_probes_for_an_hour_renewals_go_on() -> None:
    health = away()
    assert health.next_probe_at is not None
    assert not ca_health.may_start_automatically(health, health.next_probe_at + HOUR)
    assert ca_health.may_start_automatically(health, health.next_probe_at + HOUR + SECOND)
    lost = dataclasses.replace(health, next_probe_at=None)
    assert ca_health.may_start_automatically(lost, NOW)


def test_a_probe_that_a_wrong_clock_planned_for_years_ahead_is_due_now() -> None:
    health = away(since=NOW + 3650 * DAY)
    assert ca_health.is_probe_due(health, NOW)
    assert ca_health.may_start_automatically(health, NOW)


# The return


def test_the_return_is_noted_and_lets_everybody_start() -> None:
    health = ca_health.probed_ok(away(probes=3), NOW + HOUR)
    assert health == CaHealth(returned_at=NOW + HOUR)
    assert ca_health.may_start_automatically(health, NOW + HOUR)


def test_an_absence_that_no_probe_has_confirmed_ends_without_a_return() -> None:
    """The directory works and only the orders fail: nobody is brought forward by that."""
    assert ca_health.probed_ok(away(), NOW + HOUR) == CaHealth()
    before = dataclasses.replace(away(), returned_at=NOW - DAY)
    assert ca_health.probed_ok(before, NOW + HOUR) == CaHealth(returned_at=NOW - DAY)


def test_an_answer_of_a_ca_that_was_not_away_changes_nothing() -> None:
    health = CaHealth(returned_at=NOW)
    assert ca_health.probed_ok(health, NOW + HOUR) == health


def test_a_probe_of_a_ca_that_is_in_reach_can_find_it_away() -> None:
    health = ca_health.probed_failed(CaHealth(), NOW)
    assert health.away_since == NOW
    assert not ca_health.may_start_automatically(health, NOW)


@pytest.mark.parametrize(
    ("pause", "returned", "expected"),
    [
        (DAY, None, DAY),
        (DAY, -HOUR, DAY),
        (DAY, 0 * HOUR, DAY),
        (DAY, HOUR, 6 * HOUR),
        (DAY, 7 * HOUR, 7 * HOUR),
        (DAY, 25 * HOUR, DAY),
        (MINUTE, 30 * DAY, MINUTE),
    ],
)
def test_the_return_ends_a_pause_but_not_before_a_quarter_of_it(
    pause: datetime.timedelta,
    returned: datetime.timedelta | None,
    expected: datetime.timedelta,
) -> None:
    returned_at = NOW + returned if returned is not None else None
    assert ca_health.retry_at(NOW + pause, NOW, returned_at) == NOW + expected


# Gentle


def test_after_the_return_orders_go_out_one_a_second() -> None:
    next_order_at, sent = None, []
    for _ in range(100):
        slot = ca_health.order_slot(next_order_at, NOW, NOW - MINUTE)
        next_order_at = slot + ca_health.ORDER_SPACING
        sent.append(slot)
    assert sent == [NOW + count * SECOND for count in range(100)]


def test_a_slot_that_has_passed_is_now() -> None:
    assert ca_health.order_slot(NOW - MINUTE, NOW, NOW - HOUR) == NOW


@pytest.mark.parametrize("returned_at", [None, NOW - 3 * HOUR, NOW - DAY, NOW + DAY])
def test_three_hours_after_the_return_orders_are_not_spaced(
    returned_at: datetime.datetime | None,
) -> None:
    assert ca_health.order_slot(NOW + MINUTE, NOW, returned_at) == NOW


def test_a_slot_that_a_wrong_clock_took_years_ahead_is_nobodys() -> None:
    assert ca_health.order_slot(NOW + DAY, NOW, NOW - HOUR) == NOW


@given(
    st.one_of(st.none(), st.timedeltas(-9999 * DAY, 9999 * DAY)),
    st.one_of(st.none(), st.timedeltas(-9999 * DAY, 9999 * DAY)),
)
def test_no_order_waits_for_more_than_three_hours(
    slot: datetime.timedelta | None, returned: datetime.timedelta | None
) -> None:
    at = ca_health.order_slot(
        NOW + slot if slot is not None else None,
        NOW,
        NOW + returned if returned is not None else None,
    )
    assert NOW <= at <= NOW + ca_health.GENTLE_FOR
