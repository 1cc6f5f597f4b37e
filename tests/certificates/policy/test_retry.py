from __future__ import annotations

import datetime
import email.utils
import itertools
import os
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.policy import retry

NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.fixture(params=["America/New_York", "Asia/Kolkata", "UTC"])
def machine_zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """The zone of the machine; no fixture of the library does this."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def seconds(count: float) -> datetime.timedelta:
    return datetime.timedelta(seconds=count)


# Polls


def test_the_first_polls_are_close_together_and_later_ones_ten_seconds_apart() -> None:
    delays = [retry.poll_delay(polls).total_seconds() for polls in range(8)]
    assert delays == [0.01, 0.03, 0.09, 0.27, 0.81, 2.43, 7.29, 10]


@given(st.integers(min_value=0, max_value=10**9))
def test_a_poll_is_never_hasty_and_never_late(polls: int) -> None:
    assert retry.FIRST_POLL <= retry.poll_delay(polls) <= retry.LONGEST_POLL


def test_the_first_ten_minutes_take_fewer_than_seventy_requests() -> None:
    waits = itertools.accumulate(retry.poll_delay(polls).total_seconds() for polls in range(1000))
    assert sum(1 for wait in waits if wait < 600) < 70


# Steps and renewals


def test_a_step_is_repeated_three_times_and_then_given_up() -> None:
    assert [retry.step_delay(failures) for failures in range(6)] == [
        None,
        seconds(2),
        seconds(5),
        seconds(15),
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("failed", "minutes"),
    [(-1, 0), (0, 0), (1, 1), (2, 10), (3, 100), (4, 24 * 60), (5, 24 * 60), (10**6, 24 * 60)],
)
def test_a_failed_renewal_is_repeated_after_1_10_and_100_minutes_then_daily(
    failed: int, minutes: int
) -> None:
    assert retry.renewal_delay(failed) == datetime.timedelta(minutes=minutes)


# Retry-After


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", seconds(0)),
        ("5", seconds(5)),
        (" 120 ", seconds(120)),
        ("007", seconds(7)),
        ("86400", DAY),
        ("86401", DAY),
        ("999999999", DAY),
        ("9" * 5000, DAY),
    ],
)
def test_seconds_count_from_now_up_to_a_day(value: str, expected: datetime.timedelta) -> None:
    assert retry.parse_retry_after(value, NOW) == NOW + expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Mon, 23 Nov 2026 12:00:05 GMT", seconds(5)),
        ("Mon, 23 Nov 2026 12:00:05 -0000", seconds(5)),
        ("Mon, 23 Nov 2026 07:00:05 -0500", seconds(5)),
        ("Mon, 23 Nov 2026 17:30:05 +0530", seconds(5)),
        ("Monday, 23-Nov-26 12:00:05 GMT", seconds(5)),
        ("Mon Nov 23 12:00:05 2026", seconds(5)),
        ("Mon, 23 Nov 2026 11:59:59 GMT", seconds(0)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", seconds(0)),
        ("Wed, 25 Nov 2026 12:00:00 GMT", DAY),
        ("Fri, 31 Dec 9999 23:59:59 GMT", DAY),
    ],
)
@pytest.mark.usefixtures("machine_zone")
def test_a_date_means_the_same_on_a_machine_of_any_zone(
    value: str, expected: datetime.timedelta
) -> None:
    assert retry.parse_retry_after(value, NOW) == NOW + expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        "-5",
        "+5",
        "5.5",
        "1e9",
        "soon",
        "٥",
        "Mon",
        "Mon, 99 Nov 2026 12:00:05 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2300",
        "Mon, 23 Nov 2026 12:00:05 +9999999",
        "\x00",
    ],
)
def test_what_makes_no_sense_is_as_if_it_was_not_there(value: str | None) -> None:
    assert retry.parse_retry_after(value, NOW) is None


@given(
    st.one_of(
        st.text(),
        st.integers().map(str),
        st.datetimes().map(email.utils.format_datetime),
        st.datetimes(timezones=st.timezones()).map(email.utils.format_datetime),
        st.from_regex(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{1,5} \d\d:\d\d:\d\d [-+]?\d{1,5}"),
    )
)
def test_no_header_means_the_past_or_more_than_a_day(value: str) -> None:
    moment = retry.parse_retry_after(value, NOW)
    assert moment is None or NOW <= moment <= NOW + DAY
    assert moment is None or moment.utcoffset() == datetime.timedelta(0)
