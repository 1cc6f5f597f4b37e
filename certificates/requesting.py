"""Asks for issuances, decides whether one may start, and gives running ones up.

Writes the row alone; whoever advances it is told by the caller.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Sequence

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from certificates import abandoning, backoffs, budget, clock, directories, events, pauses, plans
from certificates.milestones import reached
from certificates.models import (
    Backoff,
    Gateway,
    Issuance,
    Order,
    OrderStatus,
    Pause,
    Stage,
    StageState,
    Trigger,
)
from certificates.policy import limits, starting
from certificates.policy.issuance import Course, Environment, State, environments, may_cancel
from certificates.policy.limits import Allowance
from certificates.policy.names import identifier_set
from challenges.problems import Problem, ProblemError

# From there on the CA may have issued already, so what it issues is kept.
_BEING_ISSUED = (OrderStatus.PROCESSING, OrderStatus.VALID)


class OvertakenError(Exception):
    """What was found to be due has been done meanwhile, or is due no longer."""


def request(
    gateway: Gateway,
    *,
    trigger: Trigger,
    now: datetime.datetime,
    by: str = "",
    is_still_due: Callable[[Gateway], bool] | None = None,
) -> Issuance:
    """Write the row of a new issuance, or return the one that is running.

    One that waits is looked at again at once when a person asks.

    ``is_still_due`` is asked about the row as it is once no other issuance can begin: whoever
    decided from a row that it read before may have been overtaken by a whole issuance.

    Raises ProblemError when it must not start; :func:`why_not` says when that is. Raises
    OvertakenError when it is not due any more.
    """
    if live := live_issuance(gateway):
        return _the_same(live, trigger, now)
    names_key = identifier_set(gateway.names)
    attempt = _failures(names_key) + 1
    course = _course(gateway, trigger, attempt, now)
    if problem := _standing(gateway, now).why_not(course):
        raise ProblemError(problem)
    try:
        with transaction.atomic():
            issuance = Issuance.objects.create(
                gateway=gateway,
                trigger=trigger,
                names=gateway.names,
                identifier_set=names_key,
                key_type=gateway.key_type,
                profile=gateway.profile,
                attempt=attempt,
                course=course,
                started_at=now,
                next_step_at=now,
            )
            events.record(
                "issuance-requested",
                _request_sentence(issuance, by),
                gateway=gateway,
                issuance=issuance,
                at=now,
            )
            if is_still_due is not None and not _is_still(gateway, is_still_due):
                raise OvertakenError
    except IntegrityError:
        # The constraints let only one be live; another request was faster.
        return _the_same(_live_for(gateway, names_key), trigger, now)
    reached("requested")
    return issuance


def _is_still(decided_from: Gateway, is_due: Callable[[Gateway], bool]) -> bool:
    fresh = Gateway.objects.select_related("selected_certificate__renewal_information").get(
        pk=decided_from.pk
    )
    return fresh.names == decided_from.names and is_due(fresh)


def live_issuance(gateway: Gateway) -> Issuance | None:
    """The gateway's issuance that has not ended, if there is one."""
    return Issuance.objects.filter(gateway=gateway, finished_at__isnull=True).first()


def why_not(
    gateway: Gateway, now: datetime.datetime, *, trigger: Trigger = Trigger.MANUAL
) -> Problem | None:
    """Why no issuance can be started for this gateway now; None when one can.

    A rehearsal spends nothing at the production CA, so only the staging CA's word counts for it.
    """
    found = standing(gateway, now)
    return found.why_no_rehearsal if trigger == Trigger.REHEARSAL else found.why_not


def why_no_order(
    gateway: Gateway, names: Sequence[str], asked: Iterable[Environment], now: datetime.datetime
) -> list[Problem]:
    """What our own budget and the CAs' pauses hold against an order of these names now, for each
    CA that is asked. Two queries."""
    reasons, _left = _at_the_cas(gateway, names, now)
    return list(dict.fromkeys(filter(None, (reasons[each] for each in asked))))


@dataclasses.dataclass(frozen=True, slots=True)
class _Standing:
    """What forbids an order at each CA, and what is left there."""

    reasons: dict[Environment, Problem | None]
    left: dict[Environment, list[Allowance]]

    def why_not(self, course: Course) -> Problem | None:
        """The first reason at the CAs that the course asks."""
        return next(filter(None, (self.reasons[each] for each in environments(course))), None)


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """What can be started for a gateway, and what is left at the production CA."""

    why_not: Problem | None
    why_no_rehearsal: Problem | None
    allowances: list[Allowance]


def standing(gateway: Gateway, now: datetime.datetime) -> Standing:
    """Everything that a gateway's page says before somebody presses a button. Two queries."""
    found = _standing(gateway, now)
    return Standing(
        why_not=found.why_not(Course.TESTED),
        why_no_rehearsal=found.why_not(Course.REHEARSAL),
        allowances=found.left[Environment.PRODUCTION],
    )


def _standing(gateway: Gateway, now: datetime.datetime) -> _Standing:
    reasons, left = _at_the_cas(gateway, gateway.names, now)
    basic = why_not_at_all(gateway, now)
    return _Standing({each: basic or reason for each, reason in reasons.items()}, left)


def _at_the_cas(
    gateway: Gateway, names: Sequence[str], now: datetime.datetime
) -> tuple[dict[Environment, Problem | None], dict[Environment, list[Allowance]]]:
    """What forbids an order of these names at each CA, and what is left there. Two queries."""
    urls = {each: directories.url_of(each) for each in Environment}
    held = pauses.standing_at(urls.values(), names, now)
    is_last_part = plans.is_last_part(gateway, now)
    left = budget.everywhere(Environment, names, now, is_last_part=is_last_part)
    reasons = {each: _held_back(held.get(urls[each]), left[each], now) for each in Environment}
    return reasons, left


def why_not_at_all(gateway: Gateway, now: datetime.datetime) -> Problem | None:
    """What forbids every issuance for this gateway, whatever the CAs say; None if nothing does."""
    return starting.why_not(
        uses_lets_encrypt=gateway.uses_lets_encrypt,
        terms_agreed=gateway.terms_agreed_at is not None,
        clock=clock.problem(now),
    )


def _held_back(
    pause: Pause | None, left: list[Allowance], now: datetime.datetime
) -> Problem | None:
    if pause is not None:
        return starting.asked_to_wait(pause.problem, pause.until)
    return limits.why_overdrawn(left, now)


def cancel(issuance: Issuance, now: datetime.datetime, by: str = "") -> None:
    """Give a running issuance up; whoever works on it finds its lease gone and stops.

    Raises ProblemError when it has ended, or the production CA may have issued already.
    """
    with transaction.atomic():
        row = Issuance.objects.select_for_update().select_related("gateway").get(pk=issuance.pk)
        if not may_cancel(row.current, is_being_issued=is_being_issued(row)):
            raise ProblemError(starting.cannot_cancel(has_ended=row.is_terminal))
        _give_up_orders(row)
        Stage.objects.filter(issuance=row, finished_at__isnull=True).update(
            state=StageState.CANCELLED, finished_at=now
        )
        Issuance.objects.filter(pk=row.pk).update(
            state=State.CANCELLED.value,
            finished_at=now,
            next_step_at=None,
            problem_facts=None,
            lease_owner="",
            lease_expires_at=None,
        )
        _leave_alone(row, now)
        events.record(
            "issuance-cancelled",
            f"{row.current.label} was cancelled{events.by_whom(by)}; "
            "the certificate in use stays as it is.",
            gateway=row.gateway,
            issuance=row,
            at=now,
        )


def _leave_alone(issuance: Issuance, now: datetime.datetime) -> None:
    """What began by itself, or would now, and was cancelled by hand does not begin at once."""
    gateway = issuance.gateway
    in_use = gateway.selected_certificate
    is_first = plans.is_automatic(gateway, in_use) and not plans.is_renewed(gateway, in_use)
    if issuance.is_rehearsal:
        plans.rehearse_after_failure(gateway, now)
    elif is_first or issuance.trigger == Trigger.RENEWAL:
        backoffs.postpone(issuance.identifier_set, starting.was_cancelled(), now)


def is_being_issued(issuance: Issuance) -> bool:
    """Whether the production CA has been handed the certificate request. One query."""
    return being_issued().filter(issuance=issuance).exists()


def being_issued() -> QuerySet[Order]:
    """The production orders whose certificate requests the CA has been handed."""
    return Order.objects.filter(
        Q(status__in=_BEING_ISSUED) | Q(is_handed_over=True),
        environment=Environment.PRODUCTION.value,
    ).exclude(status=OrderStatus.INVALID)


def _give_up_orders(issuance: Issuance) -> None:
    for order in Order.objects.filter(issuance=issuance).exclude(status=OrderStatus.INVALID):
        abandoning.withdraw_tokens(order)


def _course(gateway: Gateway, trigger: Trigger, attempt: int, now: datetime.datetime) -> Course:
    """Whether the staging test comes first."""
    if trigger == Trigger.REHEARSAL:
        return Course.REHEARSAL
    in_use = gateway.selected_certificate
    if trigger == Trigger.MANUAL or in_use is None:
        return Course.TESTED
    backoff = Backoff.objects.filter(identifier_set=identifier_set(gateway.names)).first()
    staging = directories.url_of(Environment.STAGING)
    # Its directory may answer while its orders do not.
    failed_there = backoff is not None and backoff.away_directory_url == staging
    untested = plans.needs_no_test(
        gateway,
        in_use,
        attempt,
        now,
        is_staging_away=failed_there or directories.is_away(Environment.STAGING),
    )
    return Course.DIRECT if untested else Course.TESTED


def _the_same(live: Issuance, trigger: Trigger, now: datetime.datetime) -> Issuance:
    if live.is_rehearsal != (trigger == Trigger.REHEARSAL):
        raise ProblemError(starting.is_busy(is_rehearsal=live.is_rehearsal))
    if trigger != Trigger.RENEWAL and live.problem_facts:
        Issuance.objects.filter(pk=live.pk, next_step_at__gt=now).update(next_step_at=now)
    return live


def _live_for(gateway: Gateway, names_key: str) -> Issuance:
    live = live_issuance(gateway)
    if live is not None:
        return live
    other = (
        Issuance.objects.filter(identifier_set=names_key, finished_at__isnull=True)
        .select_related("gateway")
        .first()
    )
    if other is None:
        raise ProblemError(starting.was_busy())
    raise ProblemError(starting.is_obtained_elsewhere(other.gateway.slug))


def _failures(names_key: str) -> int:
    backoff = Backoff.objects.filter(identifier_set=names_key).first()
    return backoff.failures if backoff else 0


def _request_sentence(issuance: Issuance, by: str) -> str:
    names = ", ".join(issuance.names)
    who = events.by_whom(by)
    match issuance.trigger:
        case Trigger.RENEWAL:
            return f"The automatic renewal of the certificate for {names} begins."
        case Trigger.REHEARSAL:
            return f"A rehearsal of the renewal for {names} begins{who and f', asked for{who}'}."
        case _:
            return f"A certificate for {names} was requested{who}."
