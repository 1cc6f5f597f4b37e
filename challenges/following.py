"""What the listener should do next, given what is wanted, bound and refused. Decides, does nothing.

Times are seconds of the monotonic clock.
"""

from __future__ import annotations

import dataclasses

LOOK_EVERY = 1.0
RETRY_AFTER = 2.0
REPORT_EVERY = 3.0


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """A port that could not be bound, why, and when that was."""

    port: int
    sentence: str
    at: float


@dataclasses.dataclass(frozen=True, slots=True)
class Position:
    """Where the listener stands: the port asked for (None: not known yet), the port served."""

    wanted: int | None = None
    bound: int | None = None
    refusal: Refusal | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What the console is told, apart from the heartbeat."""

    wanted_port: int
    port: int | None
    error: str


def port_to_try(position: Position, now: float) -> int | None:
    """The port to bind now, or None when there is nothing to do but to serve."""
    if position.wanted is None or position.wanted == position.bound:
        return None
    refusal = position.refusal
    if refusal and refusal.port == position.wanted and now - refusal.at < RETRY_AFTER:
        return None
    return position.wanted


def wants(position: Position, port: int) -> Position:
    """After a look at the settings: a refusal of a port that nobody wants any more is history."""
    refusal = position.refusal
    kept = refusal if refusal and refusal.port == port else None
    return dataclasses.replace(position, wanted=port, refusal=kept)


def refused(position: Position, port: int, sentence: str, now: float) -> Position:
    """After a failed attempt: what was bound stays bound."""
    return dataclasses.replace(position, refusal=Refusal(port, sentence, now))


def switched(position: Position, port: int) -> Position:
    """After a successful attempt."""
    return dataclasses.replace(position, bound=port, refusal=None)


def report(position: Position) -> Report | None:
    """What to tell the console; None while the settings have never been seen."""
    if position.wanted is None:
        return None
    error = position.refusal.sentence if position.refusal else ""
    return Report(wanted_port=position.wanted, port=position.bound, error=error)


def is_report_due(last: Report | None, last_at: float, current: Report, now: float) -> bool:
    """A change is told at once, anything else by a heartbeat."""
    return current != last or now - last_at >= REPORT_EVERY
