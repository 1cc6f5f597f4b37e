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
    SWEEP = "sweep"
    CHALLENGE_PORT = "challenge_port"


# The challenge port is told but not counted: while it is away the console and the installed
# certificates go on working, and a warning says so.
NECESSARY = frozenset(Part) - {Part.CHALLENGE_PORT}
# Those that write heartbeats: one look at these rows tells whether they are alive.
TOLD_BY_HEARTBEATS = frozenset({Part.WORKER, Part.BEAT, Part.SWEEP})

# Worker and beat write every 10 s, the listener every 3 s: a few missed signs are silence.
SILENT_AFTER = datetime.timedelta(seconds=45)
LISTENER_SILENT_AFTER = datetime.timedelta(seconds=15)
# A sweep is due every 30 s. Worker and beat may both show life while nothing is swept, and then
# nothing is renewed: so it is counted like a part of its own.
SWEEP_OVERDUE_AFTER = datetime.timedelta(minutes=3)
# A sign of life from further ahead was written by a wrong clock and would hide any silence.
AHEAD = datetime.timedelta(minutes=1)

_RESTART = (
    "Wait a minute: the supervisor starts it again by itself when it has ended.",
    "If it stays like this, look into the program's own log for the reason and restart it.",
)
_REMEDIES: Mapping[Part, tuple[str, ...]] = {
    Part.DATABASE: ("Start the database, or correct DATABASE_URL.",),
    Part.BROKER: ("Start Redis or Valkey, or correct CELERY_BROKER_URL.",),
    Part.WORKER: _RESTART,
    Part.BEAT: _RESTART,
    Part.SWEEP: (
        "Check that worker and beat are at work: they carry the sweep out.",
        "If they are, look into the program's own log for the error that ends the sweep.",
    ),
    Part.CHALLENGE_PORT: _RESTART,
}
_FREE_THE_PORT = (
    "Choose a free challenge port in the network settings, or stop what occupies it.",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Listener:
    """What a challenge process last said: the bound port (none: nothing), why not another."""

    seen_at: datetime.datetime
    port: int | None
    wanted_port: int
    error: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class PartStatus:
    """Whether one part is alive, and a sentence about it.

    ``seen_at`` is its last sign of life that counts, None where there is none. ``mend_first`` is
    another part without which this one cannot be judged. ``cannot_bind``: it is at work and says
    why it cannot have its port, so that starting it again is no remedy.
    """

    part: Part
    is_ok: bool
    explanation: str
    seen_at: datetime.datetime | None = None
    mend_first: Part | None = None
    cannot_bind: bool = False

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

    @property
    def remedy(self) -> tuple[str, ...]:
        """What to do, step by step; nothing while it is alive."""
        if self.is_ok:
            return ()
        return _FREE_THE_PORT if self.cannot_bind else _REMEDIES[self.mend_first or self.part]

    @property
    def silent_since(self) -> datetime.datetime | None:
        """Its last sign of life if it gives none any more."""
        return None if self.is_ok else self.seen_at

    @property
    def is_sweep(self) -> bool:
        """Whether this is the sweep, whose age is told even while all is well."""
        return self.part is Part.SWEEP


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
    if not database_ok:
        return (*statuses, *map(_unknown, _TOLD_BY_THE_DATABASE))
    return (
        *statuses,
        _background(Part.WORKER, heartbeats.get(Part.WORKER), now),
        _background(Part.BEAT, heartbeats.get(Part.BEAT), now),
        _sweep(heartbeats.get(Part.SWEEP), now),
        _challenge_port(listener, now),
    )


def is_healthy(statuses: tuple[PartStatus, ...]) -> bool:
    """Whether everything that is necessary is alive."""
    return all(status.is_ok for status in statuses if status.part in NECESSARY)


def last_sweep(statuses: tuple[PartStatus, ...]) -> datetime.datetime | None:
    """When the last completed sweep ended; None when that is not known."""
    return next((status.seen_at for status in statuses if status.is_sweep), None)


_NAMES = {
    Part.WORKER: "The worker",
    Part.BEAT: "Beat",
    Part.SWEEP: "The sweep",
    Part.CHALLENGE_PORT: "The challenge service",
}
_TOLD_BY_THE_DATABASE = tuple(_NAMES)


def _database(is_ok: bool) -> PartStatus:
    explanation = "The database answers." if is_ok else "The database cannot be reached."
    return PartStatus(Part.DATABASE, is_ok, explanation)


def _broker(is_ok: bool) -> PartStatus:
    explanation = (
        "The message broker answers." if is_ok else "The message broker cannot be reached."
    )
    return PartStatus(Part.BROKER, is_ok, explanation)


def _unknown(part: Part) -> PartStatus:
    """Signs of life are rows: without the database nobody knows."""
    explanation = f"{_NAMES[part]} cannot be judged while the database cannot be reached."
    return PartStatus(part, False, explanation, mend_first=Part.DATABASE)


def _background(
    part: Part, seen_at: datetime.datetime | None, now: datetime.datetime
) -> PartStatus:
    if seen_at is None:
        return PartStatus(part, False, f"{_NAMES[part]} has not reported yet.")
    if seen_at - now > AHEAD:
        return _from_the_future(part, seen_at)
    if now - seen_at > SILENT_AFTER:
        return _silent(part, seen_at, now)
    return PartStatus(part, True, f"{_NAMES[part]} is at work.", seen_at)


def _sweep(ended_at: datetime.datetime | None, now: datetime.datetime) -> PartStatus:
    if ended_at is None:
        return PartStatus(Part.SWEEP, False, "No sweep has ended yet.")
    if ended_at - now > AHEAD:
        return _from_the_future(Part.SWEEP, ended_at)
    ago = max(now - ended_at, datetime.timedelta(0))
    explanation = f"The last sweep ended {_in_words(ago)} ago."
    if ago <= SWEEP_OVERDUE_AFTER:
        return PartStatus(Part.SWEEP, True, explanation, ended_at)
    explanation = (
        f"The last sweep ended {_in_words(ago)} ago, on {_moment(ended_at)}; without one nothing "
        "is renewed."
    )
    return PartStatus(Part.SWEEP, False, explanation, ended_at)


def _challenge_port(listener: Listener | None, now: datetime.datetime) -> PartStatus:
    part = Part.CHALLENGE_PORT
    if listener is None:
        return PartStatus(part, False, f"{_NAMES[part]} has not reported yet.")
    if listener.seen_at - now > AHEAD:
        return _from_the_future(part, listener.seen_at)
    if now - listener.seen_at > LISTENER_SILENT_AFTER:
        return _silent(part, listener.seen_at, now)
    if listener.port is None:
        explanation = listener.error or f"{_NAMES[part]} serves no port."
        return PartStatus(part, False, explanation, cannot_bind=bool(listener.error))
    if listener.error and listener.port != listener.wanted_port:
        explanation = f"Port {listener.port} is still served. {listener.error}"
        return PartStatus(part, False, explanation, cannot_bind=True)
    return PartStatus(part, True, f"Port {listener.port} is served.", listener.seen_at)


def _silent(part: Part, seen_at: datetime.datetime, now: datetime.datetime) -> PartStatus:
    explanation = (
        f"{_NAMES[part]} has been silent for {_in_words(now - seen_at)}, since {_moment(seen_at)}."
    )
    return PartStatus(part, False, explanation, seen_at)


def _from_the_future(part: Part, dated: datetime.datetime) -> PartStatus:
    explanation = (
        f"{_NAMES[part]} has not reported since the clock was set back: its last sign of life is "
        f"dated {_moment(dated)}, which is in the future."
    )
    return PartStatus(part, False, explanation)


def _moment(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _in_words(span: datetime.timedelta) -> str:
    """A length of time to the nearest useful unit."""
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "0 seconds"
