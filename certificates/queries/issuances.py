"""What the page of one issuance shows."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from certificates import evidence, requesting
from certificates.models import (
    Certificate,
    Event,
    Gateway,
    Issuance,
    Order,
    StageState,
    Trigger,
)
from certificates.policy.evidence import Visit, sentence
from certificates.policy.issuance import Course, State, may_cancel, stages
from certificates.queries.log import events_of
from certificates.queries.preflights import PreflightDetails, preflight_details
from challenges.problems import Problem

# Shorter pauses are the ordinary rhythm of asking a CA and not worth a word.
WORTH_MENTIONING = datetime.timedelta(seconds=5)

# A CA comes a handful of times for each name; a flood tells nothing more.
VISITS_SHOWN = 50


@dataclasses.dataclass(frozen=True, slots=True)
class EvidenceDetails:
    """What came to the challenge port for an issuance, in a sentence and one by one."""

    sentence: str
    visits: list[Visit]
    left_out: int


@dataclasses.dataclass(frozen=True, slots=True)
class StageRow:
    """One stage as it is drawn, also before it has begun."""

    state: State
    status: StageState
    started_at: datetime.datetime | None = None
    finished_at: datetime.datetime | None = None

    @property
    def seconds(self) -> float | None:
        """How long it took; None until it has ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


@dataclasses.dataclass(frozen=True, slots=True)
class IssuanceDetails:
    """Everything about one issuance.

    ``waiting_until`` is when it goes on by itself, if that is worth a word; ``why_no_retry`` why
    the same cannot be begun again now; ``evidence`` is None until a CA may have come.
    """

    issuance: Issuance
    gateway: Gateway
    stages: list[StageRow]
    problem: Problem | None
    preflight: PreflightDetails | None
    evidence: EvidenceDetails | None
    certificate: Certificate | None
    events: list[Event]
    waiting_until: datetime.datetime | None
    is_being_issued: bool
    why_no_retry: Problem | None

    @property
    def can_be_retried(self) -> bool:
        """Whether it ended without success and its source is still the gateway's."""
        return _can_be_retried(self.issuance)

    @property
    def can_be_cancelled(self) -> bool:
        """Whether it runs and nothing would be lost."""
        return may_cancel(self.issuance.current, is_being_issued=self.is_being_issued)

    @property
    def can_be_hastened(self) -> bool:
        """Whether it waits for something that failed, and a person may have it look at once."""
        return self.waiting_until is not None and self.problem is not None


def issuance_details(pk: int, now: datetime.datetime) -> IssuanceDetails:
    """One issuance with its stages and events. Raises Issuance.DoesNotExist.

    Three queries while it runs, and three for the evidence once there may be any; up to three
    more to tell whether it can be begun again.
    """
    found = Issuance.objects.select_related("gateway", "certificate", "preflight")
    handed_over = requesting.being_issued().filter(issuance=OuterRef("pk"))
    issuance = found.annotate(handed_over=Exists(handed_over), was_asked=asked_to_validate()).get(
        pk=pk
    )
    return IssuanceDetails(
        issuance=issuance,
        gateway=issuance.gateway,
        stages=stage_rows(issuance),
        problem=issuance.problem,
        preflight=_preflight(issuance, now),
        evidence=_evidence(issuance) if issuance.was_asked else None,
        # The other side of a one-to-one is an exception where there is none.
        certificate=getattr(issuance, "certificate", None),
        events=events_of(issuance),
        waiting_until=waiting_until(issuance, now),
        is_being_issued=not issuance.is_terminal and issuance.handed_over,
        why_no_retry=_why_no_retry(issuance, now),
    )


def _preflight(issuance: Issuance, now: datetime.datetime) -> PreflightDetails | None:
    """None where there is none, or it was interrupted: whoever takes over begins it anew."""
    row = getattr(issuance, "preflight", None)
    if row is None or not (row.has_ended or (row.is_running(now) and not issuance.is_terminal)):
        return None
    return preflight_details(row, issuance.names, now)


def _evidence(issuance: Issuance) -> EvidenceDetails:
    """What came, in the order of time; of a flood of strangers not all."""
    found = evidence.of(issuance)
    visits = (*found.known, *found.unknown)
    shown = sorted(visits[:VISITS_SHOWN], key=lambda visit: visit.at)
    return EvidenceDetails(
        sentence=sentence(found),
        visits=shown,
        left_out=len(visits) - len(shown),
    )


def _can_be_retried(issuance: Issuance) -> bool:
    ended = issuance.current in {State.FAILED, State.CANCELLED}
    return ended and issuance.gateway.uses_lets_encrypt


def _why_no_retry(issuance: Issuance, now: datetime.datetime) -> Problem | None:
    if not _can_be_retried(issuance):
        return None
    trigger = Trigger.REHEARSAL if issuance.is_rehearsal else Trigger.MANUAL
    return requesting.why_not(issuance.gateway, now, trigger=trigger)


def asked_to_validate() -> Exists:
    """Holds for issuances in which a CA has been given something to validate."""
    return Exists(Order.objects.filter(issuance=OuterRef("pk")).exclude(challenge_tokens=[]))


def newest_first(issuances: QuerySet[Issuance]) -> QuerySet[Issuance]:
    """In the order in which "the last one" is meant."""
    return issuances.order_by("-started_at", "-pk")


@dataclasses.dataclass(frozen=True, slots=True)
class Newest:
    """A gateway's last issuance towards a certificate, and its last rehearsal."""

    issuance: Issuance | None = None
    rehearsal: Issuance | None = None


def newest_of(gateways: Iterable[Gateway]) -> dict[int, Newest]:
    """The newest of each gateway that has any, by the gateway's id. One query for all."""
    ids = [gateway.pk for gateway in gateways]
    wanted = _newest_ids(ids, is_rehearsal=False).union(_newest_ids(ids, is_rehearsal=True))
    return _by_gateway(Issuance.objects.filter(pk__in=wanted))


def newest_issuances(gateway: Gateway, count: int) -> tuple[list[Issuance], Newest]:
    """The gateway's newest issuances, and the newest of each kind. One query."""
    own = newest_first(gateway.issuances.all())
    wanted = [own[:count], own.exclude(_REHEARSALS)[:1], own.filter(_REHEARSALS)[:1]]
    found = Q()
    for each in wanted:
        found |= Q(pk__in=each.values("pk"))
    rows = list(own.filter(found))
    return rows[:count], _by_gateway(rows).get(gateway.pk, Newest())


_REHEARSALS = Q(course=Course.REHEARSAL.value)


def _newest_ids(gateways: list[int], *, is_rehearsal: bool) -> QuerySet[Any, Any]:
    kind = _REHEARSALS if is_rehearsal else ~_REHEARSALS
    newest = newest_first(Issuance.objects.filter(kind, gateway=OuterRef("pk")))
    found = Gateway.objects.filter(pk__in=gateways).order_by()
    return found.annotate(newest=Subquery(newest.values("pk")[:1])).values("newest")


def _by_gateway(issuances: Iterable[Issuance]) -> dict[int, Newest]:
    """Of each kind the first one; they come newest first, or one of each kind alone."""
    found: dict[int, Newest] = {}
    for issuance in issuances:
        newest = found.get(issuance.gateway_id, Newest())
        if issuance.is_rehearsal:
            newest = dataclasses.replace(newest, rehearsal=newest.rehearsal or issuance)
        else:
            newest = dataclasses.replace(newest, issuance=newest.issuance or issuance)
        found[issuance.gateway_id] = newest
    return found


def stage_rows(issuance: Issuance) -> list[StageRow]:
    """The stages of its course in their order, those to come included. One query."""
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
        for state in stages(issuance.way)
    ]


def waiting_until(issuance: Issuance, now: datetime.datetime) -> datetime.datetime | None:
    """When a running issuance goes on, if that is worth a word."""
    at = issuance.next_step_at
    return at if not issuance.is_terminal and at and at - now > WORTH_MENTIONING else None
