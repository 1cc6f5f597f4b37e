"""Our own budget, to the number; the rules themselves: policy/test_limits.py."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from certificates import accounts, budget, directories, pauses
from certificates.models import (
    Directory,
    Gateway,
    Issuance,
    LimitUse,
    Order,
    OrderStatus,
    Trigger,
)
from certificates.policy.issuance import Environment, State
from certificates.policy.limits import Limit
from certificates.policy.names import identifier_set
from certificates.policy.refusal import Scope
from challenges.problems import Problem, Severity
from tests.certificates.authority.ca import refusal
from tests.certificates.engine import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    SmallCas,
    advanced,
    ask,
    at_the_end,
    code_of,
    use,
)
from tests.console import make_gateway, make_issuance

PRODUCTION, STAGING = Environment.PRODUCTION, Environment.STAGING
NAMES = ["mail.example.com"]


def uses(
    limit: Limit,
    count: int,
    subject: str = "",
    *,
    environment: Environment = PRODUCTION,
    ago: datetime.timedelta = MINUTE,
) -> None:
    """So many uses of before."""
    LimitUse.objects.bulk_create(
        LimitUse(
            directory_url=directories.url_of(environment),
            limit=limit.value,
            subject=subject,
            at=timezone.now() - ago,
        )
        for _ in range(count)
    )


def order_for(gateway: Gateway, environment: Environment = PRODUCTION) -> Order:
    """An order that has not been placed."""
    url = directories.url_of(environment)
    Directory.objects.get_or_create(url=url)
    return Order.objects.create(
        issuance=make_issuance(gateway, State.FAILED),
        environment=environment.value,
        account=accounts.account_at(url, gateway),
    )


def code(environment: Environment = PRODUCTION, names: list[str] | None = None) -> str | None:
    problem = budget.why_not(environment, names or NAMES, timezone.now())
    return problem.code if problem else None


EDGES = [
    (PRODUCTION, Limit.NEW_ORDERS, 295, "", "rate-budget-new-orders"),
    (PRODUCTION, Limit.CERTIFICATES_PER_DOMAIN, 49, "example.com", "rate-budget-domain"),
    (PRODUCTION, Limit.CERTIFICATES_PER_SET, 4, identifier_set(NAMES), "rate-budget-set"),
    (PRODUCTION, Limit.FAILED_AUTHORIZATIONS, 4, "mail.example.com", "rate-budget-failures"),
    (STAGING, Limit.NEW_ORDERS, 1475, "", "rate-budget-new-orders"),
    (STAGING, Limit.FAILED_AUTHORIZATIONS, 160, "mail.example.com", "rate-budget-failures"),
]
WINDOWS = {
    Limit.NEW_ORDERS: 3 * HOUR,
    Limit.CERTIFICATES_PER_DOMAIN: 7 * DAY,
    Limit.CERTIFICATES_PER_SET: 7 * DAY,
    Limit.FAILED_AUTHORIZATIONS: HOUR,
}


@pytest.mark.parametrize(("environment", "limit", "stop_at", "subject", "expected"), EDGES)
def test_the_last_one_is_allowed_and_the_next_is_not(
    gateway: Gateway,
    environment: Environment,
    limit: Limit,
    stop_at: int,
    subject: str,
    expected: str,
) -> None:
    order, now = order_for(gateway, environment), timezone.now()
    uses(limit, stop_at - 1, subject, environment=environment)
    assert code(environment) is None
    budget.spend_order(order, NAMES, now)
    LimitUse.objects.filter(order=order).delete()
    uses(limit, 1, subject, environment=environment)
    assert code(environment) == expected
    with pytest.raises(budget.HeldBackError) as caught:
        budget.spend_order(order, NAMES, now)
    assert caught.value.problem == budget.why_not(environment, NAMES, now)
    # Only orders as such free up soon enough to wait in line for them.
    assert caught.value.is_queue is (limit is Limit.NEW_ORDERS)
    assert now < caught.value.until <= now + WINDOWS[limit]
    assert not LimitUse.objects.filter(order=order).exists()
    assert budget.why_not(environment, NAMES, caught.value.until + SECOND) is None


@pytest.mark.parametrize(("environment", "limit", "stop_at", "subject", "expected"), EDGES)
def test_what_is_older_than_the_window_does_not_count(
    gateway: Gateway,
    environment: Environment,
    limit: Limit,
    stop_at: int,
    subject: str,
    expected: str,
) -> None:
    uses(limit, stop_at, subject, environment=environment, ago=WINDOWS[limit])
    assert code(environment) is None


@pytest.mark.parametrize(
    ("limit", "subject"),
    [
        (Limit.CERTIFICATES_PER_DOMAIN, "example.net"),
        (Limit.CERTIFICATES_PER_SET, identifier_set(["a.example.com"])),
        (Limit.FAILED_AUTHORIZATIONS, "a.example.com"),
    ],
)
def test_other_domains_sets_and_names_do_not_count(
    gateway: Gateway, limit: Limit, subject: str
) -> None:
    uses(limit, 60, subject)
    assert code() is None


@pytest.mark.parametrize("limit", Limit)
def test_what_is_used_at_one_environment_is_not_used_at_the_other(
    gateway: Gateway, limit: Limit
) -> None:
    for subject in ("", "example.com", "mail.example.com", identifier_set(NAMES)):
        uses(limit, 300, subject, environment=STAGING)
    assert code(PRODUCTION) is None
    LimitUse.objects.all().delete()
    for subject in ("", "example.com", "mail.example.com", identifier_set(NAMES)):
        uses(limit, 150, subject, environment=PRODUCTION)
    assert code(STAGING) is None


def test_staging_does_not_count_certificates(gateway: Gateway) -> None:
    uses(Limit.CERTIFICATES_PER_SET, 100, identifier_set(NAMES), environment=STAGING)
    uses(Limit.CERTIFICATES_PER_DOMAIN, 100, "example.com", environment=STAGING)
    assert code(STAGING) is None


def test_the_renewal_of_the_same_set_does_not_need_room_in_its_domain(gateway: Gateway) -> None:
    uses(Limit.CERTIFICATES_PER_DOMAIN, 49, "example.com")
    order = order_for(gateway)
    assert code() == "rate-budget-domain"
    Order.objects.update(status=OrderStatus.VALID)
    assert code() is None
    assert code(names=["mail.example.com", "new.example.com"]) == "rate-budget-domain"
    budget.spend_order(order, NAMES, timezone.now())


def test_a_renewal_is_counted_for_its_domain_all_the_same(gateway: Gateway) -> None:
    order = order_for(gateway)
    budget.spend_certificate(order, timezone.now())
    assert sorted(LimitUse.objects.values_list("limit", "subject", "order")) == [
        ("certificates-per-domain", "example.com", order.pk),
        ("certificates-per-set", identifier_set(NAMES), order.pk),
    ]


def test_a_certificate_for_several_domains_counts_for_each(gateway: Gateway) -> None:
    names = ["mx.example.co.uk", "a.example.co.uk", "mx.example.net"]
    Issuance.objects.all().delete()
    other = make_gateway("other", names[0], additional_hostnames=names[1:])
    budget.spend_certificate(order_for(other), timezone.now())
    domains = LimitUse.objects.filter(limit="certificates-per-domain")
    assert set(domains.values_list("subject", flat=True)) == {"example.co.uk", "example.net"}


def test_limits_that_the_ca_has_granted_replace_the_usual_ones(
    gateway: Gateway, settings: Settings
) -> None:
    settings.CONFIGURATION = dataclasses.replace(
        settings.CONFIGURATION, new_orders_limit=6000, certificates_per_domain_limit=1200
    )
    uses(Limit.NEW_ORDERS, 5899)
    uses(Limit.CERTIFICATES_PER_DOMAIN, 1179, "example.com")
    now = timezone.now()
    left = {each.limit: each.left for each in budget.allowances(PRODUCTION, NAMES, now)}
    assert left[Limit.NEW_ORDERS] == 1
    assert left[Limit.CERTIFICATES_PER_DOMAIN] == 1
    assert left[Limit.CERTIFICATES_PER_SET] == 4
    assert budget.orders_left(PRODUCTION, now) == 1
    assert budget.orders_left(STAGING, now) == 1475


def test_the_ledger_is_kept_as_long_as_it_counts(gateway: Gateway) -> None:
    uses(Limit.CERTIFICATES_PER_SET, 1, ago=6.9 * DAY)
    uses(Limit.CERTIFICATES_PER_SET, 1, ago=15 * DAY)
    budget.forget_old(timezone.now())
    assert LimitUse.objects.count() == 1
    assert LimitUse.objects.get().at > timezone.now() - 7 * DAY


@pytest.mark.parametrize(
    ("scope", "is_queue"),
    [
        (Scope.CA, True),
        (Scope.ACCOUNT, True),
        (Scope.REGISTERED_DOMAIN, False),
        (Scope.IDENTIFIER_SET, False),
        (Scope.IDENTIFIER, False),
    ],
)
def test_the_cas_own_word_is_asked_for_as_well(
    gateway: Gateway, scope: Scope, is_queue: bool
) -> None:
    order, now = order_for(gateway), timezone.now()
    budget.require_no_pause(order, NAMES, now)
    said = Problem("acme-rate-limited", Severity.ERROR, "Too many.", ("Wait.",))
    pauses.note(order.account.directory_url, scope, NAMES, now + HOUR, said)
    with pytest.raises(budget.HeldBackError) as caught:
        budget.require_no_pause(order, NAMES, now)
    assert (caught.value.until, caught.value.is_queue) == (now + HOUR, is_queue)
    assert caught.value.problem.code == "ca-asked-to-wait"


# With the engine


@pytest.mark.usefixtures("travel")
def test_an_order_that_is_placed_is_counted_before_the_ca_hears_of_it(
    gateway: Gateway, cas: SmallCas
) -> None:
    use(gateway, age=70 * DAY)
    cas.production.instead["new-order"] = refusal("serverInternal", 500)
    issuance = advanced(ask(gateway, Trigger.RENEWAL))
    assert issuance.current is State.PRODUCTION
    # Whether the CA has counted what it refuses is not known, so that each try is counted.
    tries = cas.production.counts["new-order"]
    assert (
        LimitUse.objects.filter(limit="new-orders", order__issuance=issuance).count() == tries > 1
    )


def test_who_finds_no_order_left_waits_in_line_and_asks_nobody(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    use(gateway, age=70 * DAY)
    uses(Limit.NEW_ORDERS, 295)
    issuance = make_issuance(gateway, State.PRODUCTION, course="direct", trigger=Trigger.RENEWAL)
    advanced(issuance)
    assert (issuance.current, code_of(issuance)) == (State.PRODUCTION, "rate-budget-new-orders")
    assert issuance.next_step_at is not None
    assert issuance.next_step_at - timezone.now() == 3 * HOUR - MINUTE
    assert cas.production.counts["new-order"] == 0
    assert at_the_end(issuance, travel).current is State.DONE


@pytest.mark.usefixtures("travel")
def test_who_has_too_many_certificates_for_the_same_names_fails_and_says_until_when(
    gateway: Gateway, cas: SmallCas
) -> None:
    use(gateway, age=70 * DAY)
    uses(Limit.CERTIFICATES_PER_SET, 4, identifier_set(NAMES))
    issuance = make_issuance(gateway, State.PRODUCTION, course="direct", trigger=Trigger.RENEWAL)
    advanced(issuance)
    assert (issuance.current, code_of(issuance)) == (State.FAILED, "rate-budget-set")
    assert cas.production.counts["new-order"] == 0
