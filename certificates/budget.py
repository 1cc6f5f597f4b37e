"""Our own budget at the CA: a ledger of what its rate limits count, consulted before newOrder.

The limits are in policy/limits.py. The ledger is per directory, because accounts and limits are.
"""

from __future__ import annotations

import dataclasses
import datetime
import sys
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from certificates import pauses, plans
from certificates.directories import url_of
from certificates.models import Directory, LimitUse, Order, OrderStatus
from certificates.policy import limits, starting
from certificates.policy.issuance import Environment
from certificates.policy.limits import Allowance, Limit, Rule
from certificates.policy.names import identifier_set
from certificates.policy.refusal import Scope
from challenges.domains import registered_domain
from challenges.problems import Problem

# Of the CA's test environment only these could ever be met.
_MET_AT_STAGING = frozenset({Limit.NEW_ORDERS, Limit.FAILED_AUTHORIZATIONS})


class HeldBackError(Exception):
    """An order must not be placed before ``until``: by our own budget, or by the CA's word.

    ``is_queue`` says that this holds for orders as such, so that it is worth to wait in line.
    """

    def __init__(self, problem: Problem, until: datetime.datetime, *, is_queue: bool) -> None:
        super().__init__(problem.explanation)
        self.problem = problem
        self.until = until
        self.is_queue = is_queue


@dataclasses.dataclass(frozen=True, slots=True)
class _Question:
    """A rule at one environment, and whom it counts."""

    environment: Environment
    rule: Rule
    subject: str


def allowances(
    environment: Environment,
    names: Sequence[str],
    now: datetime.datetime,
    *,
    is_last_part: bool = False,
) -> list[Allowance]:
    """What is left for an order of these names under every rule that binds it. One query.

    ``is_last_part``: the certificate that it renews is about to expire.
    """
    return everywhere((environment,), names, now, is_last_part=is_last_part)[environment]


def everywhere(
    environments: Iterable[Environment],
    names: Sequence[str],
    now: datetime.datetime,
    *,
    is_last_part: bool = False,
) -> dict[Environment, list[Allowance]]:
    """The same at several environments. One query, and another where a domain has none left."""
    environments = tuple(environments)
    questions = [
        each
        for environment in environments
        for each in _questions(environment, names, is_last_part=is_last_part)
    ]
    found: dict[Environment, list[Allowance]] = {each: [] for each in environments}
    for question, uses in _uses(questions, now):
        left = limits.allowance(question.rule, question.subject, uses, now)
        found[question.environment].append(left)
    return {each: _binding(each, left, names) for each, left in found.items()}


def why_not(
    environment: Environment, names: Sequence[str], now: datetime.datetime
) -> Problem | None:
    """Why an order of these names has to wait; None when it need not."""
    return limits.why_overdrawn(allowances(environment, names, now), now)


def orders_left(environment: Environment, now: datetime.datetime) -> int:
    """How many more orders may be placed now, whatever their names. One query."""
    rule = next((rule for rule in _rules(environment) if rule.limit is Limit.NEW_ORDERS), None)
    if rule is None:
        return sys.maxsize
    (_, uses), *_rest = _uses([_Question(environment, rule, "")], now)
    return limits.allowance(rule, "", uses, now).left


def spend_order(order: Order, names: Sequence[str], now: datetime.datetime) -> None:
    """Count an order that is about to be placed. Raises HeldBackError when there is none left.

    One at a time: two workers that count at the same moment would both find the last one.
    """
    url, environment = order.account.directory_url, Environment(order.environment)
    with transaction.atomic():
        Directory.objects.select_for_update().get(url=url)
        is_last_part = plans.is_last_part(order.issuance.gateway, now)
        left = allowances(environment, names, now, is_last_part=is_last_part)
        problem, until = limits.why_overdrawn(left, now), limits.overdrawn_until(left)
        if problem is not None and until is not None:
            used_up = {each.limit for each in left if not each.left}
            raise HeldBackError(problem, until, is_queue=used_up == {Limit.NEW_ORDERS})
        LimitUse.objects.create(
            directory_url=url, limit=Limit.NEW_ORDERS.value, order=order, at=now
        )


def spend_certificate(order: Order, now: datetime.datetime) -> None:
    """Count the certificate that the CA has issued for the order."""
    names = order.issuance.names
    subjects = [
        (Limit.CERTIFICATES_PER_SET, identifier_set(names)),
        *((Limit.CERTIFICATES_PER_DOMAIN, domain) for domain in _domains(names)),
    ]
    LimitUse.objects.bulk_create(
        LimitUse(
            directory_url=order.account.directory_url,
            limit=limit.value,
            subject=subject,
            order=order,
            at=now,
        )
        for limit, subject in subjects
    )


def spend_failure(order: Order, name: str, now: datetime.datetime) -> None:
    """Count a name that the CA could not validate."""
    LimitUse.objects.create(
        directory_url=order.account.directory_url,
        limit=Limit.FAILED_AUTHORIZATIONS.value,
        subject=name[:253],
        order=order,
        at=now,
    )


def require_no_pause(order: Order, names: Sequence[str], now: datetime.datetime) -> None:
    """Raise HeldBackError while the CA's own word forbids an order of these names."""
    pause = pauses.standing(order.account.directory_url, names, now)
    if pause is not None:
        concerns_all = pause.scope in {Scope.CA, Scope.ACCOUNT}
        problem = starting.asked_to_wait(pause.problem, pause.until)
        raise HeldBackError(problem, pause.until, is_queue=concerns_all)


def forget_old(now: datetime.datetime) -> None:
    """Delete what no window reaches back to."""
    LimitUse.objects.filter(at__lt=now - 2 * limits.WEEK).delete()


def _rules(environment: Environment) -> tuple[Rule, ...]:
    configuration = settings.CONFIGURATION
    if configuration.rate_limits == "none":
        return ()
    return limits.rules(
        environment,
        limits.Overrides(
            configuration.new_orders_limit, configuration.certificates_per_domain_limit
        ),
    )


def _questions(
    environment: Environment, names: Sequence[str], *, is_last_part: bool
) -> list[_Question]:
    subjects: dict[Limit, Iterable[str]] = {
        Limit.NEW_ORDERS: [""],
        Limit.CERTIFICATES_PER_DOMAIN: _domains(names),
        Limit.CERTIFICATES_PER_SET: [identifier_set(names)],
        Limit.FAILED_AUTHORIZATIONS: names,
    }
    return [
        _Question(environment, rule, subject)
        for rule in limits.applicable(_rules(environment), is_last_part=is_last_part)
        if environment is Environment.PRODUCTION or rule.limit in _MET_AT_STAGING
        for subject in subjects[rule.limit]
    ]


def _binding(
    environment: Environment, found: list[Allowance], names: Sequence[str]
) -> list[Allowance]:
    """Without the limit of a domain that has none left, where the CA does not apply it.

    Whether it does is asked only then: it costs a query.
    """
    rules = {each.rule for each in found}
    bound = limits.applicable(rules, is_renewal_of_same_set=True)
    if all(each.left for each in found if each.rule not in bound):
        return found
    if not _has_been_issued(environment, identifier_set(names)):
        return found
    return [each for each in found if each.rule in bound]


def _has_been_issued(environment: Environment, names_key: str) -> bool:
    if environment is not Environment.PRODUCTION:
        return False
    return Order.objects.filter(
        issuance__identifier_set=names_key,
        environment=environment.value,
        account__directory_url=url_of(environment),
        status=OrderStatus.VALID,
    ).exists()


def _uses(
    questions: Sequence[_Question], now: datetime.datetime
) -> list[tuple[_Question, list[datetime.datetime]]]:
    """When each subject was counted, within its rule's window. One query."""
    if not questions:
        return []
    subjects: dict[tuple[Environment, Rule], list[str]] = {}
    for question in questions:
        subjects.setdefault((question.environment, question.rule), []).append(question.subject)
    wanted = Q()
    for (environment, rule), counted in subjects.items():
        wanted |= Q(
            directory_url=url_of(environment),
            limit=rule.limit.value,
            subject__in=counted,
            at__gt=now - rule.window,
        )
    uses: dict[tuple[str, str, str], list[datetime.datetime]] = {}
    found = LimitUse.objects.filter(wanted)
    for url, limit, subject, at in found.values_list("directory_url", "limit", "subject", "at"):
        uses.setdefault((url, limit, subject), []).append(at)
    return [
        (each, uses.get((url_of(each.environment), each.rule.limit.value, each.subject), []))
        for each in questions
    ]


def _domains(names: Iterable[str]) -> list[str]:
    return sorted({registered_domain(name) for name in names})
