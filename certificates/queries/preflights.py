"""What the pages show of preflights: the newest of a gateway, and that of an issuance."""

from __future__ import annotations

import dataclasses
import datetime
import enum

from django.db.models import F, FilteredRelation, OuterRef, Q, QuerySet, Subquery

from certificates.models import Gateway, Preflight
from certificates.policy import preflight as policy
from challenges.problems import Problem

# A worker that has nothing else to do takes one in less than a second.
TAKEN_WITHIN = datetime.timedelta(seconds=5)


class PreflightState(enum.StrEnum):
    """How far one is."""

    QUEUED = "queued"
    RUNNING = "running"
    ABANDONED = "abandoned"
    ENDED = "ended"


@dataclasses.dataclass(frozen=True, slots=True)
class PreflightDetails:
    """One preflight as it is drawn; the problems are its findings, or why there are none.

    ``has_other_names``: the gateway has been edited since. ``is_kept_waiting``: it is queued for
    longer than a worker that runs would let it be.
    """

    preflight: Preflight
    state: PreflightState
    problems: list[Problem]
    has_other_names: bool
    is_kept_waiting: bool

    @property
    def is_running(self) -> bool:
        """Whether its end can be waited for."""
        return self.state in {PreflightState.QUEUED, PreflightState.RUNNING}

    @property
    def sight(self) -> str:
        """What htmx tells back, so that only a change is read aloud."""
        return f"{self.preflight.pk}-{self.state}-{self.preflight.step}"

    @property
    def done(self) -> int:
        """How much of it is done while it runs, of twice its steps: the present one is half."""
        return max(2 * self.preflight.step - 1, 0)

    @property
    def of(self) -> int:
        """Twice the number of its steps; zero before the first one."""
        return 2 * self.preflight.steps


def with_newest_preflight(gateways: QuerySet[Gateway]) -> QuerySet[Gateway]:
    """Each with its newest preflight, in the same query; :func:`newest_preflight` reads it.

    One that an issuance has begun counts once it has ended: until then the issuance tells of it.
    """
    own = Preflight.objects.filter(
        Q(issuance=None) | Q(finished_at__isnull=False), gateway=OuterRef("pk")
    )
    newest = own.order_by("-started_at", "-pk").values("pk")[:1]
    found = gateways.annotate(newest_preflight_id=Subquery(newest))
    is_newest = Q(preflights__pk=F("newest_preflight_id"))
    return found.annotate(
        newest_preflight=FilteredRelation("preflights", condition=is_newest)
    ).select_related("newest_preflight")  # type: ignore[misc]


def newest_preflight(gateway: Gateway, now: datetime.datetime) -> PreflightDetails | None:
    """The preflight that was fetched along; None before the first one. No query."""
    row = getattr(gateway, "newest_preflight", None)
    return None if row is None else preflight_details(row, gateway.names, now)


def preflight_details(row: Preflight, names: list[str], now: datetime.datetime) -> PreflightDetails:
    """How a preflight stands. No query."""
    state = _state(row, now)
    is_abandoned = state is PreflightState.ABANDONED
    return PreflightDetails(
        preflight=row,
        state=state,
        problems=[policy.abandoned(was_taken=row.taken_at is not None)]
        if is_abandoned
        else row.problems,
        has_other_names=row.has_other_names(names),
        is_kept_waiting=state is PreflightState.QUEUED and now - row.started_at > TAKEN_WITHIN,
    )


def _state(row: Preflight, now: datetime.datetime) -> PreflightState:
    if row.has_ended:
        return PreflightState.ENDED
    if row.is_abandoned(now):
        return PreflightState.ABANDONED
    return PreflightState.QUEUED if row.taken_at is None else PreflightState.RUNNING
