"""Where a challenge process runs, and whether that is where we are."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from challenges.models import ChallengeListener

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
