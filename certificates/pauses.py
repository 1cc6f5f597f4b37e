"""The pauses that CAs have asked for: what is left alone, and until when.

A pause ends by itself; whatever it does not concern goes on.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable

from django.db.models import Q, QuerySet

from certificates.models import Pause
from certificates.policy.names import identifier_set
from certificates.policy.refusal import Scope
from certificates.policy.retry import LONGEST_RETRY_AFTER
from challenges.domains import registered_domain
from challenges.problems import Problem


def note(
    directory_url: str,
    scope: Scope,
    names: Collection[str],
    until: datetime.datetime,
    problem: Problem,
    *,
    subject: str = "",
) -> None:
    """Keep what the CA said; ``subject`` is the domain or name that it named, if it did."""
    for concerned in _subjects(scope, names, subject):
        Pause.objects.update_or_create(
            directory_url=directory_url,
            scope=scope.value,
            subject=concerned,
            defaults={"until": until, "problem_facts": problem.to_json()},
        )


def standing(directory_url: str, names: Collection[str], now: datetime.datetime) -> Pause | None:
    """The longest pause at this CA that concerns an order for these names. One query.

    A pause further ahead than a CA can ask for was written while the clock was wrong.
    """
    return standing_at([directory_url], names, now).get(directory_url)


def standing_at(
    directory_urls: Iterable[str], names: Collection[str], now: datetime.datetime
) -> dict[str, Pause]:
    """The same at several CAs, by their addresses. One query."""
    found = _current(now).filter(_concerning(names), directory_url__in=list(directory_urls))
    longest: dict[str, Pause] = {}
    for pause in found:
        longest.setdefault(pause.directory_url, pause)
    return longest


def withdraw_expired(now: datetime.datetime) -> None:
    """Delete the pauses that are over."""
    Pause.objects.filter(until__lte=now).delete()


def _current(now: datetime.datetime) -> QuerySet[Pause]:
    return Pause.objects.filter(until__gt=now, until__lte=now + LONGEST_RETRY_AFTER).order_by(
        "-until"
    )


def _concerning(names: Collection[str]) -> Q:
    return (
        Q(scope__in=[Scope.CA, Scope.ACCOUNT])
        | Q(scope=Scope.IDENTIFIER_SET, subject=identifier_set(names))
        | Q(scope=Scope.IDENTIFIER, subject__in=list(names))
        | Q(
            scope=Scope.REGISTERED_DOMAIN,
            subject__in=sorted({registered_domain(name) for name in names}),
        )
    )


def _subjects(scope: Scope, names: Collection[str], subject: str) -> list[str]:
    match scope:
        case Scope.CA | Scope.ACCOUNT:
            return [""]
        case Scope.IDENTIFIER_SET:
            return [identifier_set(names)]
        case Scope.IDENTIFIER:
            return [subject] if subject in names else sorted(set(names))
        case Scope.REGISTERED_DOMAIN:
            domains = sorted({registered_domain(name) for name in names})
            return [subject] if subject in domains else domains
