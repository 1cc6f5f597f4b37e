"""Signs of life of the background parts."""

from __future__ import annotations

import datetime

from certificates.models import Component, Heartbeat


def beat(component: Component, now: datetime.datetime) -> None:
    """Note that the component was alive at ``now``."""
    Heartbeat.objects.update_or_create(component=component, defaults={"seen_at": now})


def note_warnings(count: int) -> None:
    """Keep with the sweep's heartbeat how many warnings it has counted."""
    Heartbeat.objects.filter(component=Component.SWEEP).update(warnings=count)
