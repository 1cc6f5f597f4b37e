"""Where a challenge process runs, and whether that is where we are."""

from __future__ import annotations

import contextlib
import datetime
import socket
from collections.abc import Sequence
from pathlib import Path

from challenges.models import ChallengeListener

# Longer than anybody asks whether a process was there while the CA validated.
GONE_AFTER = datetime.timedelta(days=7)
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NETWORK = Path("/proc/self/ns/net")


def place() -> str:
    """Which running system and which network of it this is: one process can have the port there.

    A hostname does not tell, since two machines or containers may have the same one. As much of
    it as the system lets us see.
    """
    seen = []
    with contextlib.suppress(OSError):
        seen.append(_BOOT.read_text(encoding="ascii").strip())
    with contextlib.suppress(OSError):
        seen.append(str(_NETWORK.stat().st_ino))
    return "/".join(seen)


def is_here(listener: ChallengeListener | None) -> bool:
    """Whether it runs on this machine; none that reports itself is looked for here, too."""
    if listener is None:
        return True
    # Another machine may have the same name. Either process may be kept from seeing all of it.
    here, there = (set(each.split("/")) - {""} for each in (place(), listener.place))
    return listener.host == socket.gethostname() and (here <= there or there <= here)


def elsewhere(listeners: Sequence[ChallengeListener]) -> str:
    """The other machine or container on which the challenge service runs; empty where it is this
    one, as it is taken to be while none reports itself.
    """
    return listeners[0].host if listeners and not any(map(is_here, listeners)) else ""


def forget_gone(now: datetime.datetime) -> int:
    """Delete what processes reported that are gone; returns how many. Two queries.

    Every start of a machine makes a place of its own. The last sign of life of all is kept,
    however old: it tells since when nobody has the port.
    """
    last = ChallengeListener.newest()
    if last is None:
        return 0
    gone = ChallengeListener.objects.filter(seen_at__lt=now - GONE_AFTER).exclude(pk=last.pk)
    return gone.delete()[0]
