"""How the console itself stands: its parts, its network's settings, its challenge port."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping

from django.db.models import CharField, IntegerField, Value

from certificates import clock
from certificates.models import Component, Heartbeat, LastSeen
from certificates.policy import health
from certificates.policy.health import PartStatus
from challenges.models import ChallengeListener, NetworkSettings

_CLOCK = "clock"


@dataclasses.dataclass(frozen=True, slots=True)
class Signs:
    """The last signs of life by component, and the warnings that the last sweep has counted."""

    heartbeats: Mapping[str, datetime.datetime]
    counted: int


@dataclasses.dataclass(frozen=True, slots=True)
class Console:
    """What holds for all gateways alike. ``listener`` is None before its first sign of life."""

    parts: tuple[PartStatus, ...]
    network: NetworkSettings
    listener: ChallengeListener | None

    def is_moving_port(self, now: datetime.datetime) -> bool:
        """Whether the challenge process has not yet said what became of a new port."""
        found = self.listener
        if found is None or not found.is_alive(now):
            return False
        wanted = self.network.challenge_port
        return found.wanted_port != wanted or (found.port != wanted and not found.error)


def console(now: datetime.datetime) -> Console:
    """The console at this moment. Three queries."""
    found = ChallengeListener.newest()
    return Console(_statuses(now, found, None), NetworkSettings.load(), found)


def part_statuses(
    now: datetime.datetime, *, broker_ok: bool | None = None
) -> tuple[PartStatus, ...]:
    """The status of every part, the broker only where somebody asked it. Two queries."""
    return _statuses(now, ChallengeListener.newest(), broker_ok)


def signs() -> Signs:
    """What this console has last noted of itself. One query.

    The time last seen comes along, so that the clock need not be asked for in the same page.
    """
    seen = LastSeen.objects.values_list(
        Value(_CLOCK, CharField()), "seen_at", Value(None, IntegerField())
    )
    rows = Heartbeat.objects.values_list("component", "seen_at", "warnings").union(seen, all=True)
    found = {str(name): (seen_at, warnings) for name, seen_at, warnings in rows}
    last_seen, _ = found.pop(_CLOCK, (None, None))
    clock.recall(last_seen)
    _, counted = found.get(Component.SWEEP, (None, None))
    return Signs({name: seen_at for name, (seen_at, _) in found.items()}, counted or 0)


def silent_parts(now: datetime.datetime, found: Signs) -> list[PartStatus]:
    """The parts whose heartbeats have stopped. No query."""
    return [
        status
        for status in health.parts(now, heartbeats=found.heartbeats, listener=None)
        if status.part in health.TOLD_BY_HEARTBEATS and not status.is_ok
    ]


def _statuses(
    now: datetime.datetime, listener: ChallengeListener | None, broker_ok: bool | None
) -> tuple[PartStatus, ...]:
    return health.parts(
        now,
        heartbeats=signs().heartbeats,
        listener=_listener_facts(listener),
        broker_ok=broker_ok,
    )


def _listener_facts(listener: ChallengeListener | None) -> health.Listener | None:
    if listener is None:
        return None
    return health.Listener(listener.seen_at, listener.port, listener.wanted_port, listener.error)
