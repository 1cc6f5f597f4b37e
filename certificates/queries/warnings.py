"""The warnings that hold now: gathers the facts, and lets the policy judge them."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.cache import cache
from django.db.models import DateTimeField, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from certificates import clock, directories, plans
from certificates.models import (
    Certificate,
    Directory,
    FollowedFiles,
    Gateway,
    Issuance,
    Origin,
)
from certificates.policy import health, warnings
from certificates.policy.issuance import Course, State
from certificates.queries.console import Console, part_statuses, signs, silent_parts
from certificates.queries.followed import followed_problem, users
from certificates.queries.issuances import Newest, newest_of
from challenges.problems import Problem

MOST_SHOWN = 100
# The number beside the link may lag behind by this much, and a sweep; the pages never do.
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
class Attempts:
    """What a gateway's warnings are computed from besides its own rows.

    ``uses_followed`` says that it uses what came from the files that it follows.
    """

    last: Issuance | None
    rehearsal: Issuance | None
    around: plans.Circumstances
    uses_followed: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Attempted:
    """The attempts of many gateways, by the gateway's id, and what holds renewals back."""

    newest: Mapping[int, Newest]
    around: plans.Circumstances
    users_of_followed: frozenset[int]

    def of(self, gateway: Gateway) -> Attempts:
        """Those of one of them."""
        newest = self.newest.get(gateway.pk, Newest())
        is_user = gateway.pk in self.users_of_followed
        return Attempts(newest.issuance, newest.rehearsal, self.around, is_user)


@dataclasses.dataclass(frozen=True, slots=True)
class CurrentWarnings:
    """The worst of them, worst first, and how many there are; and what they were computed from."""

    problems: tuple[PlacedProblem, ...]
    count: int
    attempted: Attempted


def current_warnings(
    now: datetime.datetime,
    console: Console,
    most: int = MOST_SHOWN,
    *,
    shown: Sequence[Gateway] = (),
) -> CurrentWarnings:
    """Every warning of the console and of its gateways. Four queries.

    ``shown`` are other gateways on the same page: their attempts are fetched along.
    """
    suspects = list(_suspects(now))
    found = attempts([*suspects, *shown])
    placed = [PlacedProblem(problem, None) for problem in warnings.of_parts(console.parts)]
    placed += _placed(suspects, found, now)
    placed.sort(key=lambda warning: -warning.problem.severity.rank)
    _remember(len(placed))
    return CurrentWarnings(tuple(placed[:most]), len(placed), found)


def count_warnings(now: datetime.datetime) -> int:
    """How many there are, for the navigation. One query, or none a few seconds later.

    What the last sweep has counted, and the parts that have fallen silent since.
    """
    known = cache.get(_COUNT_KEY)
    return known if isinstance(known, int) else recount(now)


def recount(now: datetime.datetime) -> int:
    """The number for the navigation, fetched with all that this console notes of itself."""
    found = signs()
    count = found.counted + len(silent_parts(now, found))
    _remember(count)
    return count


def count_for_sweep(now: datetime.datetime) -> int:
    """How many there are besides the parts whose heartbeats tell of themselves. Seven queries."""
    suspects = list(_suspects(now))
    parts = [part for part in part_statuses(now) if part.part not in health.TOLD_BY_HEARTBEATS]
    placed = _placed(suspects, attempts(suspects), now)
    return len(warnings.of_parts(parts)) + len(placed)


def warnings_of(
    gateway: Gateway,
    certificate: Certificate | None,
    attempts: Attempts,
    now: datetime.datetime,
) -> tuple[Problem, ...]:
    """One gateway's warnings from its rows, worst first. No query."""
    plan = plans.plan(gateway, certificate, attempts.around, now)
    backoff = plans.stopped_or_paused(gateway, attempts.around)
    last, followed = attempts.last, _followed(gateway)
    facts = warnings.GatewayFacts(
        hostname=str(gateway),
        names=tuple(gateway.names),
        uses_lets_encrypt=gateway.uses_lets_encrypt,
        terms_agreed=gateway.terms_agreed_at is not None,
        certificate=_certificate_facts(gateway, certificate),
        failure=_trouble(last),
        rehearsal_failure=_trouble(attempts.rehearsal),
        files_problem=_files_problem(gateway),
        followed_path=followed.certificate_path if followed and attempts.uses_followed else "",
        followed_problem=followed_problem(followed),
        is_stopped=backoff is not None
        and backoff.is_stopped
        and plans.is_automatic(gateway, certificate),
        next_renewal_at=plan.at if plan else None,
        is_working=last is not None and not last.is_terminal,
    )
    return tuple(warnings.of_gateway(facts, now))


def attempts(gateways: Sequence[Gateway]) -> Attempted:
    """What the warnings of these gateways are computed from. Three queries, and a fourth where
    any may use an older version of what it follows."""
    return Attempted(newest_of(gateways), plans.circumstances(gateways), users(gateways))


def _placed(
    suspects: Iterable[Gateway], found: Attempted, now: datetime.datetime
) -> list[PlacedProblem]:
    authorities = _of_authorities(found.around.directories, now)
    return [PlacedProblem(problem, None) for problem in authorities] + [
        PlacedProblem(problem, gateway)
        for gateway in suspects
        for problem in warnings_of(gateway, gateway.selected_certificate, found.of(gateway), now)
    ]


def _remember(count: int) -> None:
    cache.set(_COUNT_KEY, count, COUNT_IS_FRESH.total_seconds())


def _trouble(issuance: Issuance | None) -> Problem | None:
    """Why it failed, or what it waits for."""
    if issuance is None or issuance.current is State.CANCELLED:
        return None
    return issuance.problem


def _files_problem(gateway: Gateway) -> Problem | None:
    return Problem.from_json(gateway.files_problem) if gateway.files_problem else None


def _followed(gateway: Gateway) -> FollowedFiles | None:
    """A query unless it was selected."""
    return getattr(gateway, "followed_files", None)


def _of_authorities(known: Mapping[str, Directory], now: datetime.datetime) -> list[Problem]:
    facts = [
        warnings.AuthorityFacts(directories.label_of(row.url), row.url, row.away_since, row.detail)
        for row in known.values()
    ]
    return warnings.of_authorities(facts, clock.problem(now), now)


def _suspects(now: datetime.datetime) -> QuerySet[Gateway]:
    """The gateways that may have a warning: whoever is left out here certainly has none.

    Of ten thousand gateways nearly all are well, and the database knows most of them.
    """
    gateways = Gateway.objects.order_by()
    suspect = gateways.filter(
        Q(selected_certificate=None)
        # What was brought in need never have held every name.
        | ~Q(selected_certificate__origin=Origin.LETS_ENCRYPT)
        | Q(files_problem__isnull=False)
        | Q(followed_files__problem_facts__isnull=False)
        | Q(selected_certificate__renewal_at__lt=now)
        | Q(selected_certificate__not_after__lt=now + _WATCHED)
        | Q(selected_certificate__not_before__gt=now)
        | _EDITED_SINCE
    )
    troubled = (
        _newest_with_problem(Q(course=Course.REHEARSAL.value)),
        _newest_with_problem(~Q(course=Course.REHEARSAL.value)),
    )
    return (
        Gateway.objects.select_related(
            "selected_certificate__renewal_information", "followed_files"
        )
        .defer("selected_certificate__chain_pem", "selected_certificate__sealed_key")
        .filter(pk__in=suspect.values("pk").union(*troubled))
        .order_by("hostname", "pk")
    )


# A certificate lacks a name only if the gateway was edited after its names were settled.
_EDITED_SINCE = Q(
    updated_at__gte=Coalesce(
        Subquery(
            Issuance.objects.filter(pk=OuterRef("selected_certificate__issuance_id"))
            .order_by()
            .values("started_at")
        ),
        "selected_certificate__created_at",
        output_field=DateTimeField(),
    )
)


def _newest_with_problem(kind: Q) -> QuerySet[Any, Any]:
    """The gateways whose newest issuance of that kind has failed, or waits for something."""
    newer = Issuance.objects.filter(
        kind, gateway=OuterRef("gateway"), started_at__gt=OuterRef("started_at")
    )
    found = Issuance.objects.filter(kind, problem_facts__isnull=False).exclude(Exists(newer))
    return found.order_by().values("gateway")


def _certificate_facts(
    gateway: Gateway, certificate: Certificate | None
) -> warnings.CertificateFacts | None:
    if certificate is None:
        return None
    return warnings.CertificateFacts(
        names=tuple(certificate.names),
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        is_renewed=plans.is_renewed(gateway, certificate),
    )
