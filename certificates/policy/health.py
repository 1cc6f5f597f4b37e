"""Which parts of the product are alive, from what they last said of themselves."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Mapping


class Part(enum.StrEnum):
    """The parts that health is about, by the names that monitoring knows."""

    DATABASE = "database"
    BROKER = "broker"
    WORKER = "worker"
    BEAT = "beat"
    CHALLENGE_PORT = "challenge_port"


# The challenge port is told but not counted: while it is away the console and the installed
# certificates go on working, and a warning says so.
NECESSARY = frozenset({Part.DATABASE, Part.BROKER, Part.WORKER, Part.BEAT})

# Worker and beat write every 10 s, the listener every 5 s: three missed signs are silence.
SILENT_AFTER = datetime.timedelta(seconds=45)
LISTENER_SILENT_AFTER = datetime.timedelta(seconds=15)


@dataclasses.dataclass(frozen=True, slots=True)
class Listener:
    """What a challenge process last said: the bound port (none: nothing), why not another."""

    seen_at: datetime.datetime
    port: int | None
    wanted_port: int
    error: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class PartStatus:
    """Whether one part is alive, and a sentence about it."""

    part: Part
    is_ok: bool
    explanation: str

    @property
    def name(self) -> str:
        """The name that monitoring knows."""
        return self.part.value

    @property
    def label(self) -> str:
        """The words on the screen."""
        return self.part.value.replace("_", " ").capitalize()

    @property
    def status(self) -> str:
        """``ok`` or ``down``."""
        return "ok" if self.is_ok else "down"


def parts(
    now: datetime.datetime,
    *,
    heartbeats: Mapping[str, datetime.datetime],
    listener: Listener | None,
    database_ok: bool = True,
    broker_ok: bool | None = None,
) -> tuple[PartStatus, ...]:
    """The status of every part, in the order of :class:`Part`.

    ``heartbeats`` holds the last sign of life by component. The broker is left out where nobody
    asked it (``broker_ok`` is None).
    """
    statuses = [_database(database_ok)]
    if broker_ok is not None:
        statuses.append(_broker(broker_ok))
    statuses += [_background(part, heartbeats.get(part), now) for part in (Part.WORKER, Part.BEAT)]
    return (*statuses, _challenge_port(listener, now))


def is_healthy(statuses: tuple[PartStatus, ...]) -> bool:
    """Whether everything that is necessary is alive."""
    return all(status.is_ok for status in statuses if status.part in NECESSARY)


def _database(is_ok: bool) -> PartStatus:
    explanation = "The database answers." if is_ok else "The database cannot be reached."
    return PartStatus(Part.DATABASE, is_ok, explanation)


def _broker(is_ok: bool) -> PartStatus:
    explanation = (
        "The message broker answers." if is_ok else "The message broker cannot be reached."
    )
    return PartStatus(Part.BROKER, is_ok, explanation)


def _background(
    part: Part, seen_at: datetime.datetime | None, now: datetime.datetime
) -> PartStatus:
    name = part.value
    if seen_at is None:
        return PartStatus(part, False, f"The {name} has not reported yet.")
    silence = now - seen_at
    if silence > SILENT_AFTER:
        return PartStatus(part, False, f"The {name} has been silent for {_in_words(silence)}.")
    return PartStatus(part, True, f"The {name} is at work.")


def _challenge_port(listener: Listener | None, now: datetime.datetime) -> PartStatus:
    if listener is None:
        return PartStatus(Part.CHALLENGE_PORT, False, "The challenge service has not reported yet.")
    silence = now - listener.seen_at
    if silence > LISTENER_SILENT_AFTER:
        explanation = f"The challenge service has been silent for {_in_words(silence)}."
        return PartStatus(Part.CHALLENGE_PORT, False, explanation)
    if listener.port is None:
        explanation = listener.error or "The challenge service serves no port."
        return PartStatus(Part.CHALLENGE_PORT, False, explanation)
    if listener.error and listener.port != listener.wanted_port:
        explanation = f"Port {listener.port} is still served. {listener.error}"
        return PartStatus(Part.CHALLENGE_PORT, False, explanation)
    return PartStatus(Part.CHALLENGE_PORT, True, f"Port {listener.port} is served.")


def _in_words(span: datetime.timedelta) -> str:
    """A length of time to the nearest useful unit."""
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds} seconds"
