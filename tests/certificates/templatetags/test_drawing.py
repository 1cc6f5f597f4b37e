"""Tones, shapes and the picture of a certificate's lifetime."""

from __future__ import annotations

import datetime
import re

import pytest
from django.template import Context, Template
from django.utils import translation

from certificates.models import Certificate
from certificates.policy.issuance import State
from certificates.templatetags.drawing import as_text, lifetime, shape, standing, tone
from challenges.problems import Problem, Severity

NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (State.DONE, "good"),
        (State.FAILED, "bad"),
        (State.WAITING, "neutral"),
        (State.STAGING_TEST, "busy"),
        (Severity.WARNING, "attention"),
        (Severity.INFO, "neutral"),
        ("success", "good"),
        ("attention", "attention"),
        ("something new", "neutral"),
    ],
)
def test_every_status_has_a_tone(word: str, expected: str) -> None:
    assert tone(word) == expected


def test_no_two_tones_share_a_shape() -> None:
    shapes = [shape(word) for word in ("good", "attention", "bad", "busy", "neutral", "info")]
    assert len(set(shapes)) == len(shapes)


def test_a_status_says_its_word_and_draws_its_shape() -> None:
    template = Template('{% include "_status.html" with tone="bad" word="Failed" %}')
    html = template.render(Context())
    assert 'data-tone="bad"' in html
    assert "<svg" in html
    assert "Failed</span>" in html


@pytest.mark.parametrize(
    ("tone_of_all", "words"), [("good", ["Valid"]), ("bad", ["Valid", "Needs attention"])]
)
def test_a_sound_certificate_is_called_sound_whatever_else_is_wrong(
    tone_of_all: str, words: list[str]
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    certificate = Certificate(not_before=now - 10 * DAY, not_after=now + 80 * DAY)
    summary = {"certificate": certificate, "tone": tone_of_all, "status": "Valid"}
    html = Template('{% include "_standing.html" %}').render(Context({"summary": summary}))
    assert re.findall(r"</svg>([^<]+)</span>", html) == words
    assert re.findall(r'data-tone="(\w+)"', html)[0] == "good"


def test_a_problem_is_drawn_with_its_steps_and_escapes_what_others_said() -> None:
    problem = Problem(
        "port-closed",
        Severity.ERROR,
        "Port 80 is <closed>.",
        ("Open it.", "Try again."),
        "<script>alert(1)</script>",
    )
    html = Template('{% include "_problem.html" %}').render(Context({"problem": problem}))
    assert "Port 80 is &lt;closed&gt;." in html
    assert "<li>Open it.</li><li>Try again.</li>" in html
    assert "<script" not in html
    assert "style=" not in html


def test_a_problem_as_text_has_everything_in_order() -> None:
    problem = Problem("c", Severity.ERROR, "It is closed.", ("Open it.", "Again."), "RFC 1", True)
    assert as_text(problem) == "It is closed.\n\n1. Open it.\n2. Again.\n\nRFC 1\n\n[c]"
    assert as_text(Problem("c", Severity.INFO, "So it is.")) == "So it is.\n\n[c]"


def test_the_validity_shows_what_is_gone_what_is_left_and_the_renewal() -> None:
    picture = lifetime(NOW - 45 * DAY, NOW + 45 * DAY, renewal_at=NOW + 15 * DAY, now=NOW)[
        "lifetime"
    ]
    assert (picture.gone, picture.left) == ("50.00%", "50.00%")
    assert picture.renewal == "66.67%"
    assert picture.renewal_anchor == "middle"
    assert picture.days_left == 45


@pytest.mark.parametrize(
    ("begins", "ends", "expected"),
    [(-45, 45, "good"), (-80, 10, "attention"), (1, 91, "attention"), (-91, -1, "bad")],
)
def test_the_bar_has_the_tone_of_the_certificate_itself(
    begins: int, ends: int, expected: str
) -> None:
    bar = lifetime(NOW + begins * DAY, NOW + ends * DAY, now=NOW)["lifetime"]
    assert bar.tone == expected
    now = datetime.datetime.now(datetime.UTC)
    certificate = Certificate(not_before=now + begins * DAY, not_after=now + ends * DAY)
    assert standing(certificate) == expected


@pytest.mark.parametrize(
    ("begins", "ends", "gone"), [(-100, -10, "100.00%"), (1, 91, "0.00%"), (0, 0, "0.00%")]
)
def test_the_validity_never_leaves_its_frame(begins: int, ends: int, gone: str) -> None:
    picture = lifetime(NOW + begins * DAY, NOW + ends * DAY, now=NOW)["lifetime"]
    assert picture.gone == gone


@pytest.mark.parametrize("renewal_at", [None, "", NOW - 400 * DAY, NOW + 400 * DAY])
def test_no_renewal_is_drawn_outside_the_lifetime(renewal_at: datetime.datetime | None) -> None:
    picture = lifetime(NOW - 45 * DAY, NOW + 45 * DAY, renewal_at=renewal_at, now=NOW)["lifetime"]
    assert picture.renewal == ""


@pytest.mark.parametrize(("day", "anchor"), [(-44, "start"), (44, "end")])
def test_the_renewals_word_stays_inside_the_picture(day: int, anchor: str) -> None:
    picture = lifetime(NOW - 45 * DAY, NOW + 45 * DAY, renewal_at=NOW + day * DAY, now=NOW)
    assert picture["lifetime"].renewal_anchor == anchor


def test_the_picture_has_a_text_alternative_and_points_in_every_language() -> None:
    template = Template("{% load drawing %}{% lifetime begins ends %}")
    now = datetime.datetime.now(datetime.UTC)
    with translation.override("de"):
        html = template.render(Context({"begins": now - 45.5 * DAY, "ends": now + 44.5 * DAY}))
    assert 'role="img"' in html
    assert "44 days of the validity are left" in html
    assert 'x="50.56%"' in html
    assert "style=" not in html
