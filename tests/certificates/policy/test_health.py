"""What signs of life mean."""

from __future__ import annotations

import datetime

import pytest

from certificates.policy.health import (
    LISTENER_SILENT_AFTER,
    SILENT_AFTER,
    Listener,
    Part,
    PartStatus,
    is_healthy,
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
        # A clock that was set back is no sign of death.
        (-datetime.timedelta(hours=1), True),
    ],
)
@pytest.mark.parametrize("part", [Part.WORKER, Part.BEAT])
def test_silence_has_a_limit(part: Part, silence: datetime.timedelta, is_ok: bool) -> None:
    heartbeats = {**ALIVE, part.value: NOW - silence}
    statuses = parts(NOW, heartbeats=heartbeats, listener=LISTENER, broker_ok=True)

    assert of(part, statuses).is_ok is is_ok
    assert is_healthy(statuses) is is_ok


@pytest.mark.parametrize("part", [Part.DATABASE, Part.BROKER, Part.WORKER, Part.BEAT])
def test_each_necessary_part_alone_makes_it_unhealthy(part: Part) -> None:
    statuses = parts(
        NOW,
        heartbeats={name: at for name, at in ALIVE.items() if name != part},
        listener=LISTENER,
        database_ok=part is not Part.DATABASE,
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
        (Listener(NOW - datetime.timedelta(days=1), 8080, 8080), "silent for 1 day."),
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


def test_every_explanation_is_a_sentence() -> None:
    for heartbeats in ({}, ALIVE):
        for status in parts(NOW, heartbeats=heartbeats, listener=LISTENER, broker_ok=False):
            assert status.explanation[0].isupper()
            assert status.explanation.endswith(".")
