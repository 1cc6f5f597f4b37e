from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.policy.renewal_info import (
    Outcome,
    Window,
    chosen_moment,
    is_usable,
    may_ask,
    next_check,
)

NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
HOUR = datetime.timedelta(hours=1)
MINUTE = datetime.timedelta(minutes=1)
WINDOW = Window(NOW, NOW + 2 * DAY)
NEW_YORK = datetime.timezone(-5 * HOUR)
MOMENTS = st.datetimes(timezones=st.just(datetime.UTC))


# The window


@pytest.mark.parametrize(
    ("window", "usable"),
    [
        (WINDOW, True),
        (Window(NOW - 9000 * DAY, NOW - 8999 * DAY), True),
        (Window(NOW, NOW + datetime.timedelta(microseconds=1)), True),
        (Window(NOW.astimezone(NEW_YORK), NOW + DAY), True),
        (Window(NOW, NOW), False),
        (Window(NOW, NOW - DAY), False),
        (Window(NOW, NOW + 367 * DAY), False),
        (Window(NOW.replace(tzinfo=None), NOW + DAY), False),
        (Window(NOW, (NOW + DAY).replace(tzinfo=None)), False),
        (
            Window(
                datetime.datetime(1, 1, 1, tzinfo=datetime.timezone(HOUR)),
                datetime.datetime(1, 1, 2, tzinfo=datetime.UTC),
            ),
            False,
        ),
    ],
)
def test_a_window_is_usable_when_it_ends_after_its_start_within_a_year(
    window: Window, usable: bool
) -> None:
    assert is_usable(window) is usable


@given(MOMENTS, st.timedeltas(datetime.timedelta(microseconds=1), 366 * DAY), st.text())
def test_the_chosen_moment_is_within_the_window(
    start: datetime.datetime, span: datetime.timedelta, seed: str
) -> None:
    end = start + min(span, datetime.datetime.max.replace(tzinfo=datetime.UTC) - start)
    assert start <= chosen_moment(Window(start, end), seed) <= end


def test_the_chosen_moment_stands_while_the_window_does() -> None:
    same = Window(WINDOW.start.astimezone(NEW_YORK), WINDOW.end)
    assert chosen_moment(WINDOW, "a") == chosen_moment(WINDOW, "a") == chosen_moment(same, "a")


def test_the_chosen_moment_is_in_utc() -> None:
    window = Window(WINDOW.start.astimezone(NEW_YORK), WINDOW.end.astimezone(NEW_YORK))
    assert chosen_moment(window, "a").tzinfo is datetime.UTC


def test_another_window_has_another_moment() -> None:
    moved = Window(WINDOW.start + MINUTE, WINDOW.end + MINUTE)
    assert chosen_moment(moved, "a") - chosen_moment(WINDOW, "a") != MINUTE


def test_certificates_are_spread_evenly_over_one_window() -> None:
    """A thousand in ten parts: about a hundred in each; 60 and 140 are four deviations away."""
    parts = [0] * 10
    for serial in range(1000):
        parts[int((chosen_moment(WINDOW, str(serial)) - NOW) / (WINDOW.end - NOW) * 10)] += 1
    assert min(parts) > 60
    assert max(parts) < 140


# Asking


@pytest.mark.parametrize(
    ("not_after", "is_replaced", "expected"),
    [
        (NOW + DAY, False, True),
        (NOW + DAY, True, False),
        (NOW, False, False),
        (NOW - DAY, False, False),
    ],
)
def test_an_expired_or_replaced_certificate_is_not_asked_about(
    not_after: datetime.datetime, is_replaced: bool, expected: bool
) -> None:
    assert may_ask(NOW, not_after, is_replaced=is_replaced) is expected


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        (None, 6 * HOUR, 6.6 * HOUR),
        (-HOUR, 6 * HOUR, 6.6 * HOUR),
        (0 * HOUR, MINUTE, 1.1 * MINUTE),
        (MINUTE / 60, MINUTE, 1.1 * MINUTE),
        (HOUR, HOUR, 1.1 * HOUR),
        (12 * HOUR, 12 * HOUR, 13.2 * HOUR),
        (DAY, DAY, DAY),
        (3650 * DAY, DAY, DAY),
    ],
)
def test_after_an_answer_the_ca_says_when_between_a_minute_and_a_day(
    asked: datetime.timedelta | None, least: datetime.timedelta, most: datetime.timedelta
) -> None:
    retry_after = NOW + asked if asked is not None else None
    at = next_check(NOW, Outcome.ANSWERED, retry_after=retry_after, seed="a")
    assert least <= at - NOW <= most


@pytest.mark.parametrize(
    ("asked", "hours"), [(None, 6), (MINUTE, 6), (12 * HOUR, 12), (10 * DAY, 24)]
)
def test_after_an_unusable_answer_it_is_six_hours_or_what_the_ca_asks_for_beyond(
    asked: datetime.timedelta | None, hours: int
) -> None:
    retry_after = NOW + asked if asked is not None else None
    at = next_check(NOW, Outcome.UNUSABLE, retry_after=retry_after, failures=7)
    assert hours * HOUR <= at - NOW <= min(1.1 * hours * HOUR, DAY)


@pytest.mark.parametrize(
    ("failures", "minutes"),
    [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (9, 256), (10, 360), (11, 360), (10**9, 360)],
)
def test_a_ca_out_of_reach_is_asked_again_after_doubling_pauses_up_to_six_hours(
    failures: int, minutes: int
) -> None:
    at = next_check(NOW, Outcome.UNREACHABLE, failures=failures)
    assert minutes * MINUTE <= at - NOW <= 1.1 * minutes * MINUTE


def test_a_retry_after_of_a_ca_in_trouble_is_kept() -> None:
    at = next_check(NOW, Outcome.UNREACHABLE, failures=1, retry_after=NOW + HOUR)
    assert at >= NOW + HOUR


@given(
    st.sampled_from(Outcome),
    st.one_of(st.none(), MOMENTS),
    st.integers(-1, 10**9),
    st.text(),
)
def test_the_next_check_is_always_a_minute_to_a_day_ahead(
    outcome: Outcome, retry_after: datetime.datetime | None, failures: int, seed: str
) -> None:
    at = next_check(NOW, outcome, retry_after=retry_after, failures=failures, seed=seed)
    assert MINUTE <= at - NOW <= DAY


@pytest.mark.parametrize("outcome", Outcome)
def test_it_is_at_least_twice_a_day_where_the_ca_does_not_ask_for_less(outcome: Outcome) -> None:
    assert next_check(NOW, outcome, failures=20, seed="a") - NOW <= 12 * HOUR


def test_certificates_of_one_day_do_not_ask_at_the_same_moment() -> None:
    moments = {next_check(NOW, Outcome.ANSWERED, seed=str(serial)) for serial in range(100)}
    assert len(moments) == 100
