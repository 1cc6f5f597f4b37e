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


# Steps


def test_a_step_is_tried_twelve_times_in_a_minute_and_then_given_up() -> None:
    delays = list(itertools.takewhile(bool, map(retry.step_delay, itertools.count(1))))
    assert len(delays) == 11
    assert seconds(55) < sum(filter(None, delays), seconds(0)) < seconds(65)


@pytest.mark.parametrize("failures", [-1, 0, 12, 10**6])
def test_beyond_the_table_there_is_no_pause(failures: int) -> None:
    assert retry.step_delay(failures) is None


def test_of_a_hundred_issuances_at_a_ca_that_fails_three_in_ten_requests_all_succeed() -> None:
    tries = len(retry.STEP_RETRIES) + 1
    request_fails = 0.3**tries
    all_succeed = (1 - request_fails) ** (100 * 16)
    assert all_succeed > 0.999


@pytest.mark.parametrize("hangs", [0, 1, 5, 10, 20])
def test_a_person_reads_within_ninety_seconds_that_the_ca_is_away(hangs: float) -> None:
    spent = seconds(0)
    for failures in itertools.count(1):
        spent += seconds(hangs)
        pause = retry.step_delay(failures, spent)
        if pause is None:
            break
        spent += pause
    assert spent <= seconds(90)


def test_the_ca_is_not_asked_more_than_twelve_times_by_one_attempt_that_finds_it_away() -> None:
    tries, now = 1, NOW
    while (at := retry.next_try(tries, now, failing_since=NOW)) is not None:
        tries, now = tries + 1, at
    assert tries == 12


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (seconds(-5), seconds(0.25)),
        (seconds(0), seconds(0.25)),
        (seconds(0.1), seconds(0.25)),
        (seconds(30), seconds(30)),
        (seconds(120), seconds(120)),
        (seconds(121), None),
        (DAY, None),
    ],
)
def test_a_pause_of_two_minutes_that_the_ca_asks_for_is_waited_out(
    asked: datetime.timedelta, expected: datetime.timedelta | None
) -> None:
    at = retry.next_try(1, NOW, failing_since=NOW, retry_after=NOW + asked)
    assert at == (NOW + expected if expected is not None else None)


def test_a_ca_that_keeps_asking_for_pauses_ends_the_attempt_within_ten_minutes() -> None:
    tries, now = 1, NOW
    while at := retry.next_try(tries, now, failing_since=NOW, retry_after=now + seconds(100)):
        tries, now = tries + 1, at
    assert now == NOW + seconds(600)


def test_short_pauses_that_the_ca_asks_for_end_after_twelve_tries_as_well() -> None:
    asked = NOW + seconds(1)
    assert retry.next_try(11, NOW, failing_since=NOW, retry_after=asked) is not None
    assert retry.next_try(12, NOW, failing_since=NOW, retry_after=asked) is None


def test_a_clock_that_was_set_back_does_not_keep_a_step_alive() -> None:
    assert retry.next_try(1, NOW, failing_since=NOW + DAY) is None


# Attempts


@pytest.mark.parametrize(
    ("failed", "minutes"),
    [(-1, 0), (0, 0), (1, 1), (2, 10), (3, 100), (4, 24 * 60), (5, 24 * 60), (10**6, 24 * 60)],
)
@pytest.mark.parametrize("lifetime", [None, 45 * DAY, 90 * DAY])
def test_a_failed_attempt_is_repeated_after_1_10_and_100_minutes_then_daily(
    failed: int, minutes: int, lifetime: datetime.timedelta | None
) -> None:
    delay = retry.attempt_delay(failed, lifetime=lifetime, seed="mx.example.org")
    base = datetime.timedelta(minutes=minutes)
    assert base <= delay <= 1.1 * base


@given(st.text(), st.integers(1, 10), st.timedeltas(DAY / 24, 400 * DAY))
def test_a_pause_is_at_most_a_twentieth_of_the_lifetime_and_at_least_100_minutes_once_there(
    seed: str, failures: int, lifetime: datetime.timedelta
) -> None:
    delay = retry.attempt_delay(failures, lifetime=lifetime, seed=seed)
    assert delay <= max(lifetime / 20 + seconds(1), retry.ATTEMPT_RETRIES[-1] * 1.1)
    if failures > 3:
        assert delay >= retry.ATTEMPT_RETRIES[-1]


def test_a_certificate_of_six_days_is_tried_about_every_seven_hours() -> None:
    hours = [
        retry.attempt_delay(failures, lifetime=6 * DAY, seed="a") / (DAY / 24)
        for failures in range(4, 50)
    ]
    assert all(6.5 <= each <= 7.2 for each in hours)
    assert max(hours) - min(hours) > 0.3


@pytest.mark.parametrize("hours", [1, 24, 33])
def test_a_very_short_lifetime_does_not_bring_attempts_closer_than_100_minutes(hours: int) -> None:
    delay = retry.attempt_delay(4, lifetime=hours * DAY / 24, seed="a")
    assert seconds(6000) <= delay <= seconds(6600)


def test_the_same_question_has_the_same_answer_and_others_have_others() -> None:
    assert retry.attempt_delay(4, seed="a") == retry.attempt_delay(4, seed="a")
    delays = {retry.attempt_delay(failures, seed=seed) for seed in "abc" for failures in (4, 5, 6)}
    assert len(delays) == 9


@given(st.text(), st.one_of(st.none(), st.timedeltas(DAY / 24, 400 * DAY)))
def test_no_hour_has_five_attempts(seed: str, lifetime: datetime.timedelta | None) -> None:
    delays = (retry.attempt_delay(n, lifetime=lifetime, seed=seed) for n in range(50))
    moments = list(itertools.accumulate(delays))
    hour = datetime.timedelta(hours=1)
    assert all(later - earlier > hour for earlier, later in zip(moments, moments[4:], strict=False))


# Moments that a wrong clock has written


@pytest.mark.parametrize(
    ("at", "trusted"),
    [
        (None, False),
        (NOW - 365 * DAY, True),
        (NOW, True),
        (NOW + DAY, True),
        (NOW + DAY + seconds(1), False),
        (NOW + 3650 * DAY, False),
    ],
)
def test_a_pause_longer_than_any_can_be_is_not_believed(
    at: datetime.datetime | None, trusted: bool
) -> None:
    assert retry.trustworthy_moment(at, NOW, DAY) == (at if trusted else None)


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
