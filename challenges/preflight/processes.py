"""Which challenge processes report themselves, and which have fallen silent not long ago."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta

from challenges.models import ChallengeListener

MOST_SILENT = 4
# A machine or a container that has been gone for longer is no other one any more.
NOT_LONG_AGO = timedelta(days=1)


def listeners_on_duty(now: datetime) -> tuple[ChallengeListener, ...]:
    """The challenge processes that are alive, the one that reported last first."""
    rows = ChallengeListener.objects.order_by("-seen_at")
    return tuple(row for row in rows if row.is_alive(now))


def silent_elsewhere(now: datetime) -> tuple[ChallengeListener, ...]:
    """Other machines' challenge processes that were alive not long ago, the last one first: they
    have ended, or only their reports or their clocks are late.
    """
    rows = ChallengeListener.objects.filter(seen_at__gte=now - NOT_LONG_AGO).order_by("-seen_at")
    # One that only stood in another place under this name is this machine before a new start.
    others = rows.exclude(host=socket.gethostname())
    return tuple(row for row in others if not row.is_alive(now))[:MOST_SILENT]
