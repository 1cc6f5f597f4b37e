"""The warnings that hold now: gathers the facts, and lets the policy judge them."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable

from django.core.cache import cache
from django.db.models import DateTimeField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from certificates import renewing
from certificates.models import Certificate, Gateway, Issuance, Origin
from certificates.policy import renewal, warnings
from certificates.policy.health import PartStatus
from certificates.policy.issuance import State
from certificates.queries.console import Console, part_statuses
from certificates.queries.issuances import last_issuances, newest_first
from challenges.problems import Problem

MOST_SHOWN = 100
# The number beside the link may lag behind by this much; the pages themselves never do.
COUNT_IS_FRESH = datetime.timedelta(seconds=5)
_COUNT_KEY = "warning-count"
# The policy's longest threshold for a certificate that nobody renews, and a day.
_WATCHED = datetime.timedelta(days=max(warnings.MANUAL_WARNINGS) + 1)


@dataclasses.dataclass(frozen=True, slots=True)
class PlacedProblem:
    """A warning and the gateway it is about; None where it is about the console itself."""

    problem: Problem
    gateway: Gateway | None


@dataclasses.dataclass(frozen=True, slots=True)
class CurrentWarnings:
    """The worst of them, worst first, and how many there are."""

    problems: tuple[PlacedProblem, ...]
    count: int


def current_warnings(
    now: datetime.datetime, console: Console, most: int = MOST_SHOWN
) -> CurrentWarnings:
    """Every warning of the console and of its gateways. Two queries."""
    placed = _all(now, console.parts)
    cache.set(_COUNT_KEY, len(placed), COUNT_IS_FRESH.total_seconds())
    return CurrentWarnings(tuple(placed[:most]), len(placed))


def count_warnings(now: datetime.datetime) -> int:
    """How many there are, for the navigation. Four queries, or none a few seconds later."""
    known = cache.get(_COUNT_KEY)
    if isinstance(known, int):
        return known
    count = len(_all(now, part_statuses(now)))
    cache.set(_COUNT_KEY, count, COUNT_IS_FRESH.total_seconds())
    return count


def warnings_of(
    gateway: Gateway,
    certificate: Certificate | None,
    last: Issuance | None,
    now: datetime.datetime,
) -> tuple[Problem, ...]:
    """One gateway's warnings from its rows, worst first. No query."""
    plan = renewing.plan(gateway, certificate, last)
    facts = warnings.GatewayFacts(
        hostname=str(gateway),
        names=tuple(gateway.names),
        uses_lets_encrypt=gateway.uses_lets_encrypt,
        terms_agreed=gateway.terms_agreed_at is not None,
        certificate=_certificate_facts(gateway, certificate),
        failure=last.problem if last is not None and last.current is State.FAILED else None,
        next_renewal_at=plan.at if plan else None,
        is_working=last is not None and not last.is_terminal,
    )
    return tuple(warnings.of_gateway(facts, now))


def _all(now: datetime.datetime, parts: Iterable[PartStatus]) -> list[PlacedProblem]:
    suspects = list(_suspects(now))
    last = last_issuances(suspects)
    placed = [PlacedProblem(problem, None) for problem in warnings.of_parts(parts)]
    placed += [
        PlacedProblem(problem, gateway)
        for gateway in suspects
        for problem in warnings_of(gateway, gateway.selected_certificate, last.get(gateway.pk), now)
    ]
    return sorted(placed, key=lambda warning: -warning.problem.severity.rank)


def _suspects(now: datetime.datetime) -> QuerySet[Gateway]:
    """The gateways that may have a warning: whoever is left out here certainly has none.

    Of ten thousand gateways nearly all are well, and the database knows most of them. A
    certificate lacks a name only if the gateway was edited after its names were settled.
    """
    newest = newest_first(Issuance.objects.filter(gateway=OuterRef("pk")))
    names_settled_at = Coalesce(
        "selected_certificate__issuance__started_at",
        "selected_certificate__created_at",
        output_field=DateTimeField(),
    )
    return (
        Gateway.objects.select_related("selected_certificate")
        .defer("selected_certificate__chain_pem", "selected_certificate__sealed_key")
        .annotate(newest_state=Subquery(newest.values("state")[:1]))
        .filter(
            Q(selected_certificate=None)
            | Q(newest_state=State.FAILED)
            | Q(selected_certificate__not_after__lt=now + _WATCHED)
            | Q(selected_certificate__not_before__lt=now - renewal.LONGEST_USE)
            | Q(selected_certificate__not_before__gt=now)
            | Q(updated_at__gte=names_settled_at)
        )
        .order_by("hostname", "pk")
    )


def _certificate_facts(
    gateway: Gateway, certificate: Certificate | None
) -> warnings.CertificateFacts | None:
    if certificate is None:
        return None
    return warnings.CertificateFacts(
        names=tuple(certificate.names),
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        is_renewed=gateway.uses_lets_encrypt and certificate.origin == Origin.LETS_ENCRYPT,
    )
