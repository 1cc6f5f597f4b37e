"""How the console itself stands: its parts, its network's settings, its challenge port."""

from __future__ import annotations

import dataclasses
import datetime

from certificates.models import Heartbeat
from certificates.policy import health
from certificates.policy.health import PartStatus
from challenges.models import ChallengeListener, NetworkSettings


@dataclasses.dataclass(frozen=True, slots=True)
class Console:
    """What holds for all gateways alike. ``listener`` is None before its first sign of life."""

    parts: tuple[PartStatus, ...]
    network: NetworkSettings
    listener: ChallengeListener | None


def console(now: datetime.datetime) -> Console:
    """The console at this moment. Three queries."""
    found = newest_listener()
    return Console(_statuses(now, found, None), NetworkSettings.load(), found)


def part_statuses(
    now: datetime.datetime, *, broker_ok: bool | None = None
) -> tuple[PartStatus, ...]:
    """The status of every part, the broker only where somebody asked it. Two queries."""
    return _statuses(now, newest_listener(), broker_ok)


def newest_listener() -> ChallengeListener | None:
    """The challenge process that gave the last sign of life. One query."""
    return ChallengeListener.objects.order_by("-seen_at").first()


def _statuses(
    now: datetime.datetime, listener: ChallengeListener | None, broker_ok: bool | None
) -> tuple[PartStatus, ...]:
    return health.parts(
        now,
        heartbeats=dict(Heartbeat.objects.values_list("component", "seen_at")),
        listener=_listener_facts(listener),
        broker_ok=broker_ok,
    )


def _listener_facts(listener: ChallengeListener | None) -> health.Listener | None:
    if listener is None:
        return None
    return health.Listener(listener.seen_at, listener.port, listener.wanted_port, listener.error)
