"""What the listener decides: which port to try, what to say, when to say it."""

from __future__ import annotations

import pytest

from challenges import following
from challenges.following import Position, Refusal, Report

NOW = 1000.0
REFUSED = Refusal(80, "Port 80 is taken.", NOW)


@pytest.mark.parametrize(
    ("position", "now", "port"),
    [
        (Position(), NOW, None),
        (Position(wanted=None, bound=8080), NOW, None),
        (Position(wanted=80), NOW, 80),
        (Position(wanted=8080, bound=8080), NOW, None),
        (Position(wanted=80, bound=8080), NOW, 80),
        (Position(wanted=80, bound=8080, refusal=REFUSED), NOW, None),
        (Position(wanted=80, bound=8080, refusal=REFUSED), NOW + 1.9, None),
        (Position(wanted=80, bound=8080, refusal=REFUSED), NOW + 2, 80),
        (Position(wanted=80, refusal=REFUSED), NOW + 2, 80),
        (Position(wanted=81, bound=8080, refusal=REFUSED), NOW, 81),
    ],
)
def test_the_port_to_try(position: Position, now: float, port: int | None) -> None:
    assert following.port_to_try(position, now) == port


@pytest.mark.parametrize(
    ("position", "port", "after"),
    [
        (Position(), 80, Position(wanted=80)),
        (Position(wanted=80, bound=80), 81, Position(wanted=81, bound=80)),
        (
            Position(wanted=80, bound=81, refusal=REFUSED),
            80,
            Position(wanted=80, bound=81, refusal=REFUSED),
        ),
        (Position(wanted=80, bound=81, refusal=REFUSED), 82, Position(wanted=82, bound=81)),
        (Position(wanted=80, bound=81, refusal=REFUSED), 81, Position(wanted=81, bound=81)),
    ],
)
def test_a_refusal_is_forgotten_when_the_port_is_no_longer_wanted(
    position: Position, port: int, after: Position
) -> None:
    assert following.wants(position, port) == after


def test_a_refused_port_leaves_the_old_one_and_its_reason_is_reported() -> None:
    position = following.refused(Position(wanted=80, bound=8080), 80, "Port 80 is taken.", NOW)
    assert following.report(position) == Report(80, 8080, "Port 80 is taken.")


def test_a_port_that_works_at_last_clears_the_reason() -> None:
    position = following.switched(Position(wanted=80, bound=8080, refusal=REFUSED), 80)
    assert following.report(position) == Report(80, 80, "")


def test_nothing_is_reported_before_the_settings_have_been_seen() -> None:
    assert following.report(Position()) is None


@pytest.mark.parametrize(
    ("last", "seconds", "due"),
    [
        (None, 0.0, True),
        (Report(80, 80, ""), 0.0, False),
        (Report(80, 80, ""), 2.9, False),
        (Report(80, 80, ""), 3.0, True),
        (Report(80, None, ""), 0.0, True),
        (Report(80, 80, "Port 81 is taken."), 0.0, True),
    ],
)
def test_a_change_is_told_at_once_and_the_rest_by_heartbeat(
    last: Report | None, seconds: float, *, due: bool
) -> None:
    assert following.is_report_due(last, NOW, Report(80, 80, ""), NOW + seconds) is due
