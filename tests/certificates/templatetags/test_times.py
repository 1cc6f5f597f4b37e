"""Moments and spans of time, as the template tags write them."""

from __future__ import annotations

import datetime

import pytest
from django.template import Context, Template
from django.utils import timezone

from certificates.templatetags.times import duration, relative_words

NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)


def drawn(value: datetime.datetime | None, style: str) -> str:
    template = Template("{% load times %}{% time value style now=now %}")
    return template.render(Context({"value": value, "style": style, "now": NOW}))


def test_a_moment_names_its_zone_and_holds_the_exact_utc_time() -> None:
    assert drawn(NOW, "moment") == (
        '<time datetime="2026-11-23T12:00:00Z" title="2026-11-23 12:00:00 UTC">'
        "23 Nov 2026, 12:00 UTC</time>"
    )


def test_a_moment_of_another_zone_is_the_same_instant_in_utc() -> None:
    berlin = datetime.timezone(datetime.timedelta(hours=1))
    assert drawn(NOW.astimezone(berlin), "moment") == drawn(NOW, "moment")


def test_the_active_zone_is_what_people_read_and_utc_stays_at_hand() -> None:
    with timezone.override(datetime.timezone(datetime.timedelta(hours=1), "CET")):
        html = drawn(NOW, "moment")
    assert "23 Nov 2026, 13:00 CET" in html
    assert 'datetime="2026-11-23T12:00:00Z"' in html


def test_a_date_is_without_the_time_of_day() -> None:
    assert ">23 Nov 2026</time>" in drawn(NOW, "date")


def test_the_full_style_adds_how_far_away_it_is() -> None:
    html = drawn(NOW + datetime.timedelta(days=41), "full")
    assert ">3 Jan 2027</time>" in html
    assert "(in 41 days)" in html


def test_a_missing_moment_is_a_dash() -> None:
    assert drawn(None, "moment") == "—"
    assert drawn(None, "relative") == "—"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "now"),
        (-0.5, "now"),
        (1, "in 1 second"),
        (59, "in 59 seconds"),
        (60, "in 1 minute"),
        (-119, "1 minute ago"),
        (-3 * 3600, "3 hours ago"),
        (47 * 3600, "in 47 hours"),
        (48 * 3600, "in 2 days"),
        (89.9 * 86400, "in 89 days"),
        (-400 * 86400, "400 days ago"),
        (5 * 365 * 86400, "in 5 years"),
    ],
)
def test_relative_times_are_whole_units_rounded_towards_now(seconds: float, words: str) -> None:
    assert relative_words(datetime.timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.04, "under 0.1 s"),
        (0.44, "0.4 s"),
        (-1.0, "under 0.1 s"),
        (12.3, "12 s"),
        (59.6, "1 min 0 s"),
        (65, "1 min 5 s"),
        (2 * 3600 + 3 * 60, "2 h 3 min"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words
