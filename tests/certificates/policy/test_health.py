"""What signs of life mean."""

from __future__ import annotations

import datetime

import pytest

from certificates.policy.health import (
    AHEAD,
    LISTENER_SILENT_AFTER,
    SILENT_AFTER,
    SWEEP_OVERDUE_AFTER,
    Listener,
    Part,
    PartStatus,
    is_healthy,
    last_sweep,
    parts,
)

NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
ALIVE = {"worker": NOW, "beat": NOW, "sweep": NOW}
LISTENER = Listener(seen_at=NOW, port=8080, wanted_port=8080)
MOMENT = datetime.timedelta(microseconds=1)


def of(part: Part, statuses: tuple[PartStatus, ...]) -> PartStatus:
    return next(status for status in statuses if status.part is part)


def test_all_parts_are_told_in_one_order_with_the_names_that_monitoring_knows() -> None:
    statuses = parts(NOW, heartbeats=ALIVE, listener=LISTENER, broker_ok=True)

    assert [status.name for status in statuses] == [
        "database",
        "broker",
        "worker",
        "beat",
        "sweep",
        "challenge_port",
    ]
    assert {status.status for status in statuses} == {"ok"}
    assert statuses[-1].label == "Challenge port"
    assert is_healthy(statuses)


def test_a_broker_that_nobody_asked_is_left_out() -> None:
    statuses = parts(NOW, heartbeats=ALIVE, listener=LISTENER)

    assert Part.BROKER not in {status.part for status in statuses}


@pytest.mark.parametrize(
    ("silence", "is_ok"),
    [
        (datetime.timedelta(0), True),
        (SILENT_AFTER, True),
        (SILENT_AFTER + MOMENT, False),
        # Clocks differ a little, and are set; but not to another day.
        (-AHEAD, True),
        (-AHEAD - MOMENT, False),
        (datetime.timedelta(days=-3650), False),
    ],
)
@pytest.mark.parametrize("part", [Part.WORKER, Part.BEAT])
def test_silence_has_a_limit(part: Part, silence: datetime.timedelta, is_ok: bool) -> None:
    heartbeats = {**ALIVE, part.value: NOW - silence}
    statuses = parts(NOW, heartbeats=heartbeats, listener=LISTENER, broker_ok=True)

    assert of(part, statuses).is_ok is is_ok
    assert is_healthy(statuses) is is_ok


@pytest.mark.parametrize(
    ("age", "is_ok", "words"),
    [
        (datetime.timedelta(0), True, "ended 0 seconds ago."),
        (datetime.timedelta(seconds=1), True, "ended 1 second ago."),
        (datetime.timedelta(seconds=12), True, "The last sweep ended 12 seconds ago."),
        # A clock that was set by a little is no reason for a negative age.
        (datetime.timedelta(seconds=-20), True, "ended 0 seconds ago."),
        (SWEEP_OVERDUE_AFTER, True, "ended 3 minutes ago."),
        (SWEEP_OVERDUE_AFTER + MOMENT, False, "3 minutes ago, on 2026-11-23 11:56 UTC; without"),
        (datetime.timedelta(days=2), False, "2 days ago, on 2026-11-21 12:00 UTC; without"),
        (-AHEAD - MOMENT, False, "has not reported since the clock was set back"),
    ],
)
def test_a_sweep_that_does_not_come_is_a_failure_although_worker_and_beat_are_alive(
    age: datetime.timedelta, is_ok: bool, words: str
) -> None:
    statuses = parts(
        NOW, heartbeats={**ALIVE, "sweep": NOW - age}, listener=LISTENER, broker_ok=True
    )
    sweep = of(Part.SWEEP, statuses)

    assert (sweep.is_ok, is_healthy(statuses)) == (is_ok, is_ok)
    assert words in sweep.explanation
    assert last_sweep(statuses) == (NOW - age if age > -AHEAD else None)


def test_silence_says_since_when_and_what_to_do() -> None:
    heard = NOW - datetime.timedelta(minutes=3)
    statuses = parts(NOW, heartbeats={**ALIVE, "worker": heard}, listener=LISTENER)
    worker, beat = of(Part.WORKER, statuses), of(Part.BEAT, statuses)

    assert worker.explanation == (
        "The worker has been silent for 3 minutes, since 2026-11-23 11:57 UTC."
    )
    assert worker.silent_since == heard
    assert worker.remedy
    assert (beat.silent_since, beat.remedy, beat.seen_at) == (None, (), NOW)


def test_a_sign_of_life_from_the_future_does_not_count_and_is_explained() -> None:
    ahead = NOW.replace(year=2036)
    statuses = parts(
        NOW,
        heartbeats={"worker": ahead, "beat": ahead, "sweep": ahead},
        listener=Listener(seen_at=ahead, port=8080, wanted_port=8080),
        broker_ok=True,
    )

    for part in (Part.WORKER, Part.BEAT, Part.SWEEP, Part.CHALLENGE_PORT):
        status = of(part, statuses)
        assert not status.is_ok
        assert "since the clock was set back" in status.explanation
        assert "2036-11-23 12:00 UTC" in status.explanation
        assert (status.silent_since, status.seen_at) == (None, None)


def test_without_the_database_nothing_is_said_of_those_who_report_through_it() -> None:
    statuses = parts(NOW, heartbeats={}, listener=None, database_ok=False, broker_ok=True)

    assert [status.part for status in statuses] == list(Part)
    assert [status.part for status in statuses if status.is_ok] == [Part.BROKER]
    for status in statuses:
        assert "not reported" not in status.explanation
        assert status.remedy in ((), of(Part.DATABASE, statuses).remedy)
    assert last_sweep(statuses) is None


@pytest.mark.parametrize("part", [Part.BROKER, Part.WORKER, Part.BEAT, Part.SWEEP])
def test_each_necessary_part_alone_makes_it_unhealthy(part: Part) -> None:
    statuses = parts(
        NOW,
        heartbeats={name: at for name, at in ALIVE.items() if name != part},
        listener=LISTENER,
        broker_ok=part is not Part.BROKER,
    )

    assert [status.part for status in statuses if not status.is_ok] == [part]
    assert not is_healthy(statuses)


@pytest.mark.parametrize(
    ("listener", "words"),
    [
        (None, "has not reported yet"),
        (Listener(NOW - LISTENER_SILENT_AFTER - MOMENT, 8080, 8080), "silent for 15 seconds"),
        (Listener(NOW - datetime.timedelta(hours=2), 8080, 8080), "silent for 2 hours"),
        (
            Listener(NOW - datetime.timedelta(days=1), 8080, 8080),
            "silent for 1 day, since 2026-11-22 12:00",
        ),
        (Listener(NOW, None, 80, "Port 80 is taken."), "Port 80 is taken."),
        (Listener(NOW, None, 80), "serves no port"),
        (Listener(NOW, 8080, 80, "Port 80 is taken."), "Port 8080 is still served. Port 80"),
    ],
)
def test_the_challenge_port_is_explained_but_not_necessary(
    listener: Listener | None, words: str
) -> None:
    statuses = parts(NOW, heartbeats=ALIVE, listener=listener, broker_ok=True)
    status = of(Part.CHALLENGE_PORT, statuses)

    assert not status.is_ok
    assert words in status.explanation
    assert is_healthy(statuses)


LONG_AGO = NOW - datetime.timedelta(hours=2)


@pytest.mark.parametrize(
    ("listener", "is_about_the_port"),
    [
        (None, False),
        (Listener(LONG_AGO, 8080, 8080), False),
        # What it said of its port before it fell silent is not the trouble any more.
        (Listener(LONG_AGO, None, 80, "Port 80 is taken."), False),
        (Listener(NOW.replace(year=2036), None, 80, "Port 80 is taken."), False),
        (Listener(NOW, None, 80), False),
        (Listener(NOW, None, 80, "Port 80 is taken."), True),
        (Listener(NOW, 8080, 80, "Port 80 is taken."), True),
    ],
)
def test_another_port_is_a_remedy_only_where_the_challenge_service_cannot_have_its_own(
    listener: Listener | None, is_about_the_port: bool
) -> None:
    statuses = parts(NOW, heartbeats={}, listener=listener, broker_ok=True)
    remedy = of(Part.CHALLENGE_PORT, statuses).remedy

    assert any("Choose a free challenge port" in step for step in remedy) is is_about_the_port
    assert (remedy == of(Part.WORKER, statuses).remedy) is not is_about_the_port


def test_every_explanation_is_a_sentence() -> None:
    for heartbeats in ({}, ALIVE):
        for status in parts(NOW, heartbeats=heartbeats, listener=LISTENER, broker_ok=False):
            assert status.explanation[0].isupper()
            assert status.explanation.endswith(".")
            assert all(step.endswith(".") for step in status.remedy)
            assert bool(status.remedy) is not status.is_ok
