"""What is planned for each certificate, from the rows; the rules: policy/test_renewal.py."""

from __future__ import annotations

import datetime

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from certificates import backoffs, directories, plans
from certificates.models import (
    Backoff,
    Certificate,
    CertificateSource,
    Directory,
    Gateway,
    Origin,
    RenewalInformation,
)
from certificates.policy.issuance import Environment
from certificates.policy.names import identifier_set
from certificates.policy.renewal import Plan, Reason
from certificates.policy.renewal_info import Window
from challenges.problems import Problem, Severity
from tests.certificates.engine import DAY, HOUR, MINUTE, SECOND, START, use
from tests.console import make_certificate, make_gateway

pytestmark = pytest.mark.usefixtures("travel")
PASSING = Problem("acme-connection", Severity.ERROR, "Refused.", ("Open it.",), retryable=True)
PERMANENT = Problem("acme-rejected-identifier", Severity.ERROR, "Never.", ("Edit.",))


def planned(gateway: Gateway, now: datetime.datetime | None = None) -> Plan | None:
    """As the sweep and the pages ask."""
    row = Gateway.objects.select_related("selected_certificate__renewal_information").get(
        pk=gateway.pk
    )
    around = plans.circumstances([row])
    return plans.plan(row, row.selected_certificate, around, now or timezone.now())


def fail(gateway: Gateway, problem: Problem = PASSING, *, away: str = "") -> Backoff:
    """One more failed attempt."""
    key = identifier_set(gateway.names)
    backoffs.failed(key, problem, timezone.now(), lifetime=90 * DAY, away_directory_url=away)
    return Backoff.objects.get(identifier_set=key)


def go_away(environment: Environment, **fields: object) -> Directory:
    """That CA is away; it is looked for again in five minutes."""
    now = timezone.now()
    defaults = {"away_since": now - HOUR, "next_probe_at": now + 5 * MINUTE, "failed_probes": 4}
    return Directory.objects.create(url=directories.url_of(environment), **{**defaults, **fields})


def test_without_any_trouble_it_is_the_lifetimes_rule(gateway: Gateway) -> None:
    certificate = use(gateway, age=10 * DAY)
    plan = planned(gateway)
    assert plan == Plan(certificate.not_before + 60 * DAY, plan.reason if plan else Reason.RETRY)
    assert certificate.renewal_at == plan.at


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        (CertificateSource.MANUAL, Origin.LETS_ENCRYPT),
        (CertificateSource.MANUAL, Origin.IMPORTED),
        (CertificateSource.MANUAL, Origin.SELF_SIGNED),
    ],
)
def test_there_is_no_plan_where_nothing_is_renewed(
    gateway: Gateway, source: CertificateSource, origin: Origin
) -> None:
    make_certificate(gateway, origin, select=True)
    Gateway.objects.update(certificate_source=source)
    assert planned(gateway) is None


@pytest.mark.parametrize("origin", [Origin.IMPORTED, Origin.REQUESTED, Origin.SELF_SIGNED])
def test_what_is_from_elsewhere_is_to_be_replaced_at_once_unless_something_holds_that_back(
    gateway: Gateway, origin: Origin
) -> None:
    make_certificate(gateway, origin, select=True)
    now = timezone.now()
    assert planned(gateway) == Plan(now, Reason.FROM_ELSEWHERE)
    directory = go_away(Environment.STAGING)
    # Its names prove nothing, so the staging test comes first.
    assert planned(gateway) == Plan(directory.next_probe_at or now, Reason.CA_AWAY)
    directory.delete()
    backoff = fail(gateway)
    assert planned(gateway) == Plan(backoff.not_before, Reason.RETRY)
    fail(gateway, PERMANENT)
    assert planned(gateway) is None


def test_without_a_certificate_there_is_no_plan(gateway: Gateway) -> None:
    assert planned(gateway) is None


def test_the_cas_window_decides_and_is_stored_with_the_certificate(gateway: Gateway) -> None:
    certificate = use(gateway, age=10 * DAY)
    window = Window(START + 5 * DAY, START + 6 * DAY)
    RenewalInformation.objects.create(
        certificate=certificate,
        window_start=window.start,
        window_end=window.end,
        next_check_at=START,
    )
    certificate = Certificate.objects.select_related("renewal_information").get()
    assert plans.window(certificate) == window
    plans.schedule(certificate)
    plan = planned(gateway)
    assert plan is not None
    assert plan.reason is Reason.CA_WINDOW
    assert window.start <= plan.at < window.end
    certificate.refresh_from_db()
    assert certificate.renewal_at == plan.at


def test_half_a_window_is_none(gateway: Gateway) -> None:
    certificate = use(gateway, age=10 * DAY)
    assert plans.window(certificate) is None
    RenewalInformation.objects.create(
        certificate=certificate, window_start=START, next_check_at=START
    )
    certificate = Certificate.objects.select_related("renewal_information").get()
    assert plans.window(certificate) is None


def test_a_failure_is_in_the_plan(gateway: Gateway) -> None:
    use(gateway, age=70 * DAY)
    backoff = fail(gateway)
    assert planned(gateway) == Plan(backoff.not_before, Reason.RETRY)


def test_the_failures_of_other_names_are_not(gateway: Gateway) -> None:
    use(gateway, age=70 * DAY)
    fail(make_gateway("other", "other.example.com"))
    plan = planned(gateway)
    assert plan is not None
    assert plan.reason is not Reason.RETRY


def test_a_failure_before_the_renewal_is_due_does_not_move_it(gateway: Gateway) -> None:
    certificate = use(gateway, age=10 * DAY)
    fail(gateway)
    plan = planned(gateway)
    assert plan is not None
    assert plan.at == certificate.renewal_at


def test_while_attempts_are_stopped_there_is_no_plan_until_an_edit(gateway: Gateway) -> None:
    use(gateway, age=70 * DAY)
    fail(gateway, PERMANENT)
    assert planned(gateway) is None
    backoffs.forgive(identifier_set(gateway.names), timezone.now())
    plan = planned(gateway)
    assert plan is not None
    assert plan.at <= timezone.now()


def test_the_return_of_the_ca_is_in_the_plan(gateway: Gateway) -> None:
    use(gateway, age=70 * DAY)
    directory = go_away(Environment.PRODUCTION)
    backoff = [fail(gateway, away=directory.url) for _ in range(4)][-1]
    later = backoff.last_failure_at + 8 * HOUR
    Directory.objects.update(away_since=None, next_probe_at=None, returned_at=later)
    assert planned(gateway, later) == Plan(later, Reason.RETRY)


def test_an_absent_ca_is_in_the_plan(gateway: Gateway) -> None:
    use(gateway, age=70 * DAY)
    go_away(Environment.PRODUCTION)
    assert planned(gateway) == Plan(timezone.now() + 5 * MINUTE, Reason.CA_AWAY)


@pytest.mark.parametrize("late", [-MINUTE, 0 * MINUTE, MINUTE, 59 * MINUTE])
def test_a_look_that_is_due_has_to_come_before_any_renewal(
    gateway: Gateway, late: datetime.timedelta
) -> None:
    use(gateway, age=70 * DAY)
    directory = go_away(Environment.PRODUCTION)
    assert directory.next_probe_at is not None
    now = directory.next_probe_at + late
    plan = planned(gateway, now)
    assert plan is not None
    assert (plan.at, plan.reason) == (max(directory.next_probe_at, now + MINUTE), Reason.CA_AWAY)


def test_where_nobody_looks_for_the_ca_any_more_the_renewal_is_tried(gateway: Gateway) -> None:
    use(gateway, age=70 * DAY)
    go_away(Environment.PRODUCTION, next_probe_at=timezone.now() - HOUR - SECOND)
    plan = planned(gateway)
    assert plan is not None
    assert plan.at <= timezone.now()


def test_an_absent_staging_ca_does_not_keep_from_what_needs_no_test(gateway: Gateway) -> None:
    use(gateway, age=70 * DAY)
    go_away(Environment.STAGING)
    plan = planned(gateway)
    assert plan is not None
    assert plan.at <= timezone.now()


def test_an_absent_staging_ca_keeps_from_what_has_to_be_tested(gateway: Gateway) -> None:
    use(gateway, age=70 * DAY)
    fail(gateway)
    go_away(Environment.STAGING)
    assert planned(gateway) == Plan(timezone.now() + 5 * MINUTE, Reason.CA_AWAY)


def test_in_the_last_tenth_an_absent_staging_ca_keeps_from_nothing(gateway: Gateway) -> None:
    use(gateway, age=82 * DAY)
    backoff = fail(gateway)
    go_away(Environment.STAGING)
    assert planned(gateway) == Plan(backoff.not_before, Reason.RETRY)


def test_what_holds_back_ten_thousand_gateways_is_asked_in_two_queries(
    gateway: Gateway, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    gateways = [make_gateway(f"g{number}", f"g{number}.example.com") for number in range(20)]
    with django_assert_num_queries(2):
        around = plans.circumstances(gateways)
    with django_assert_num_queries(0):
        for each in gateways:
            plans.plan(each, None, around, timezone.now())


def test_the_lifetime_in_use(gateway: Gateway) -> None:
    assert plans.lifetime_in_use(gateway) is None
    use(gateway, age=DAY, lifetime=6)
    assert plans.lifetime_in_use(gateway) == 6 * DAY


def test_rehearsals_are_planned_two_weeks_ahead_or_a_day_after_a_failure(gateway: Gateway) -> None:
    now = timezone.now()
    for plan, least in ((plans.rehearse_after_success, 14), (plans.rehearse_after_failure, 1)):
        plan(gateway, now)
        gateway.refresh_from_db()
        assert gateway.next_rehearsal_at is not None
        assert least * DAY <= gateway.next_rehearsal_at - now < 1.1 * least * DAY
