"""What the page of one issuance shows."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable

from django.db.models import OuterRef, QuerySet, Subquery

from certificates.models import Certificate, Event, Gateway, Issuance, StageState
from certificates.policy.issuance import STAGES, State
from certificates.queries.log import events_of
from challenges.problems import Problem

# Shorter pauses are the ordinary rhythm of asking a CA and not worth a word.
WORTH_MENTIONING = datetime.timedelta(seconds=5)


@dataclasses.dataclass(frozen=True, slots=True)
class StageRow:
    """One stage as it is drawn, also before it has begun."""

    state: State
    status: StageState
    started_at: datetime.datetime | None = None
    finished_at: datetime.datetime | None = None

    @property
    def status_label(self) -> str:
        """The status in words."""
        return str(self.status.label)

    @property
    def seconds(self) -> float | None:
        """How long it took; None until it has ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclasses.dataclass(frozen=True, slots=True)
class IssuanceDetails:
    """Everything about one issuance."""

    issuance: Issuance
    gateway: Gateway
    stages: list[StageRow]
    problem: Problem | None
    findings: list[Problem]
    certificate: Certificate | None
    events: list[Event]
    waiting_until: datetime.datetime | None

    @property
    def can_be_retried(self) -> bool:
        """Whether it ended without a certificate and its source is still the gateway's."""
        ended = self.issuance.current in {State.FAILED, State.CANCELLED}
        return ended and self.gateway.uses_lets_encrypt


def issuance_details(pk: int, now: datetime.datetime) -> IssuanceDetails:
    """One issuance with its stages and events, in three queries. Raises Issuance.DoesNotExist."""
    issuance = Issuance.objects.select_related("gateway", "certificate").get(pk=pk)
    return IssuanceDetails(
        issuance=issuance,
        gateway=issuance.gateway,
        stages=stage_rows(issuance),
        problem=issuance.problem,
        findings=issuance.preflight_findings,
        # The other side of a one-to-one is an exception where there is none.
        certificate=getattr(issuance, "certificate", None),
        events=events_of(issuance),
        waiting_until=_waiting_until(issuance, now),
    )


def newest_first(issuances: QuerySet[Issuance]) -> QuerySet[Issuance]:
    """In the order in which "the last one" is meant."""
    return issuances.order_by("-started_at", "-pk")


def newest_issuances(gateway: Gateway, count: int) -> list[Issuance]:
    """The gateway's newest issuances. One query."""
    return list(newest_first(gateway.issuances.all())[:count])


def last_issuances(gateways: Iterable[Gateway]) -> dict[int, Issuance]:
    """Each gateway's newest issuance, by the gateway's id. One query."""
    newest = newest_first(Issuance.objects.filter(gateway=OuterRef("pk")))
    ids = (
        Gateway.objects.filter(pk__in=[gateway.pk for gateway in gateways])
        .annotate(newest=Subquery(newest.values("pk")[:1]))
        .values("newest")
    )
    return {issuance.gateway_id: issuance for issuance in Issuance.objects.filter(pk__in=ids)}


def stage_rows(issuance: Issuance) -> list[StageRow]:
    """The four stages in their order, those to come included. One query."""
    begun = {stage.stage: stage for stage in issuance.stages.all()}
    return [
        StageRow(
            state,
            StageState(begun[state].state),
            begun[state].started_at,
            begun[state].finished_at,
        )
        if state in begun
        else StageRow(state, StageState.WAITING)
        for state in STAGES
    ]


def _waiting_until(issuance: Issuance, now: datetime.datetime) -> datetime.datetime | None:
    at = issuance.next_step_at
    return at if not issuance.is_terminal and at and at - now > WORTH_MENTIONING else None
