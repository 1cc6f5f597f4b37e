"""Asks for what is due: renewals and rehearsals. Decides nothing itself."""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections.abc import Callable

from django.db.models import Exists, OuterRef, Q, QuerySet

from certificates import budget, clock, directories, plans, requesting
from certificates.models import Certificate, CertificateSource, Gateway, Issuance, Origin, Trigger
from certificates.policy import rehearsal, starting, warnings
from certificates.policy.issuance import Course, Environment
from certificates.policy.renewal import Plan, Reason
from challenges.problems import Problem, ProblemError

logger = logging.getLogger("gateway_admin.renewing")

# So many rehearsals begin with each sweep: they can wait, and renewals cannot.
REHEARSALS_AT_ONCE = 20


def renewable() -> QuerySet[Gateway]:
    """The gateways whose next certificate is asked for by itself (``plans.is_automatic``)."""
    return Gateway.objects.filter(
        certificate_source=CertificateSource.LETS_ENCRYPT, selected_certificate__isnull=False
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Begun:
    """The ids of the issuances to be advanced, and why others that are due were not begun."""

    issuances: list[int]
    held_back: Problem | None = None


def request_due(now: datetime.datetime) -> list[int]:
    """Ask for every renewal that is due; returns the ids of the issuances to be advanced."""
    return begin_due(now).issuances


def begin_due(now: datetime.datetime) -> Begun:
    """Ask for every renewal that is due.

    No more than the CA lets us order, whoever expires first being first. None while the clock
    cannot be believed or the CA is away.
    """
    if doubt := clock.problem(now):
        return Begun([], doubt)
    due = _due(now)
    if not due:
        return Begun([])
    around = plans.circumstances(due)
    planned = {gateway.pk: _plan(gateway, around, now) for gateway in due}
    ready = [each for each in due if (plan := planned[each.pk]) is not None and plan.at <= now]
    running = _waiting_to_order()
    room = max(budget.orders_left(Environment.PRODUCTION, now) - running, 0)
    requested, refusal = _requested(ready, Trigger.RENEWAL, now, _is_due, most=room)
    if refusal is None and len(ready) > room:
        refusal = budget.why_not(Environment.PRODUCTION, (), now) or starting.queue_is_full(running)
    if refusal is None and any(plan and plan.reason is Reason.CA_AWAY for plan in planned.values()):
        refusal = _absence(around, now)
    return Begun(requested, refusal)


def rehearse_due(now: datetime.datetime) -> list[int]:
    """Ask for the rehearsals that are due; returns the ids of the issuances to be advanced."""
    if clock.problem(now) or directories.is_away(Environment.STAGING):
        return []
    due = _idle(_to_rehearse(now))
    ordered = list(due.order_by("next_rehearsal_at", "pk")[:REHEARSALS_AT_ONCE])
    if not ordered:
        return []
    around = plans.circumstances(ordered)
    # A renewal that fails tells as much as a rehearsal would.
    quiet = [gateway for gateway in ordered if plans.stopped_or_paused(gateway, around) is None]
    requested, _ = _requested(quiet, Trigger.REHEARSAL, now, _is_to_rehearse, most=len(quiet))
    for gateway in _idle(_to_rehearse(now).filter(pk__in=[each.pk for each in ordered])):
        # Whoever cannot be rehearsed makes room for the others.
        plans.rehearse_after_failure(gateway, now)
    return requested


def schedule_all() -> int:
    """Store anew when each certificate is to be renewed; returns how many there are.

    A new version may decide otherwise than the one that stored it.
    """
    found = Certificate.objects.filter(
        origin=Origin.LETS_ENCRYPT, selected_by__isnull=False
    ).select_related("renewal_information")
    count = 0
    for certificate in found.iterator():
        plans.schedule(certificate)
        count += 1
    return count


def _idle(gateways: QuerySet[Gateway]) -> QuerySet[Gateway]:
    running = Issuance.objects.filter(gateway=OuterRef("pk"), finished_at__isnull=True)
    return gateways.exclude(Exists(running))


def _due(now: datetime.datetime) -> list[Gateway]:
    """Those that the policy wants renewed by now, failures aside."""
    at = "selected_certificate__renewal_at"
    from_elsewhere = ~Q(selected_certificate__origin=Origin.LETS_ENCRYPT)
    return list(
        _idle(renewable())
        .filter(Q(**{f"{at}__lte": now}) | Q(**{f"{at}__isnull": True}) | from_elsewhere)
        .select_related("selected_certificate__renewal_information")
        .defer("selected_certificate__chain_pem", "selected_certificate__sealed_key")
        .order_by("selected_certificate__not_after", "pk")
    )


def _to_rehearse(now: datetime.datetime) -> QuerySet[Gateway]:
    # Farther ahead only a wrong clock has written.
    moment = Q(next_rehearsal_at__lte=now) | Q(next_rehearsal_at__gt=now + 2 * rehearsal.EVERY)
    # What is not from there is about to be replaced: that tells more than a rehearsal.
    from_there = Q(selected_certificate__origin=Origin.LETS_ENCRYPT)
    return renewable().filter(moment, from_there, rehearses=True)


def _is_due(gateway: Gateway, now: datetime.datetime) -> bool:
    plan = _plan(gateway, plans.circumstances([gateway]), now)
    return plan is not None and plan.at <= now


def _is_to_rehearse(gateway: Gateway, now: datetime.datetime) -> bool:
    return _to_rehearse(now).filter(pk=gateway.pk).exists()


def _plan(gateway: Gateway, around: plans.Circumstances, now: datetime.datetime) -> Plan | None:
    return plans.plan(gateway, gateway.selected_certificate, around, now)


def _absence(around: plans.Circumstances, now: datetime.datetime) -> Problem | None:
    for environment in (Environment.PRODUCTION, Environment.STAGING):
        row = directories.away(around.directories, environment, now)
        if row is not None and row.away_since is not None:
            label = directories.label_of(row.url)
            facts = warnings.AuthorityFacts(label, row.url, row.away_since, row.detail)
            return warnings.absence(facts, row.away_since)
    return None


def _waiting_to_order() -> int:
    """How many issuances have yet to place their production order, at most."""
    running = Issuance.objects.filter(finished_at__isnull=True).exclude(
        course=Course.REHEARSAL.value
    )
    return running.count()


def _requested(
    gateways: list[Gateway],
    trigger: Trigger,
    now: datetime.datetime,
    is_due: Callable[[Gateway, datetime.datetime], bool],
    *,
    most: int,
) -> tuple[list[int], Problem | None]:
    """The ids of what was begun, and the first refusal of the others."""
    requested: list[int] = []
    refusal: Problem | None = None
    for gateway in gateways:
        if len(requested) >= most:
            break
        try:
            issuance = requesting.request(
                gateway, trigger=trigger, now=now, is_still_due=lambda row: is_due(row, now)
            )
        except requesting.OvertakenError:
            # Another sweep was faster, and the issuance has ended since.
            continue
        except ProblemError as error:
            # Why it cannot start (the terms, a pause that the CA asked for) is a warning that
            # is computed; the next sweep looks again.
            refusal = refusal or error.problem
            continue
        except Exception:
            # One gateway's trouble must not keep all others from being renewed.
            logger.exception("The %s of %s could not begin.", trigger, gateway)
            continue
        requested.append(issuance.pk)
    return requested, refusal
