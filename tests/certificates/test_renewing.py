from __future__ import annotations

import datetime

import pytest
from django.utils import timezone

from certificates import renewing
from certificates.models import (
    Certificate,
    CertificateSource,
    Event,
    Gateway,
    Issuance,
    Origin,
    Trigger,
)
from certificates.policy.issuance import State
from certificates.policy.renewal import Reason
from tests.certificates.chains import make_chain, store_leaf
from tests.console import make_gateway, make_issuance

DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)


def use(
    gateway: Gateway, *, age: float, lifetime: float = 90, origin: Origin = Origin.LETS_ENCRYPT
) -> Certificate:
    """Put a certificate of that age in days into use."""
    leaf = make_chain(*gateway.names, begin=timezone.now() - age * DAY, lifetime=lifetime * DAY)
    certificate = store_leaf(gateway, leaf, origin)
    Gateway.objects.filter(pk=gateway.pk).update(selected_certificate=certificate)
    gateway.refresh_from_db()
    return certificate


def last_attempt(gateway: Gateway, state: State, ago: datetime.timedelta, **fields: object) -> None:
    """An issuance that ended that long ago."""
    moment = timezone.now() - ago
    make_issuance(gateway, state, started_at=moment - MINUTE, finished_at=moment, **fields)


def requested() -> list[Issuance]:
    return [Issuance.objects.get(pk=pk) for pk in renewing.request_due(timezone.now())]


@pytest.mark.parametrize(
    ("age", "lifetime", "due"),
    [
        (59.9, 90, False),
        (60.1, 90, True),
        (89, 90, True),
        (95, 90, True),
        (2.9, 6, False),
        (3.1, 6, True),
        (29.9, 45, False),
        (30.1, 45, True),
        (59.9, 365, False),
        (60.1, 365, True),
    ],
)
def test_a_renewal_is_requested_once_it_is_due(
    gateway: Gateway, age: float, lifetime: float, due: bool
) -> None:
    use(gateway, age=age, lifetime=lifetime)
    issuances = requested()
    assert len(issuances) == (1 if due else 0)
    for issuance in issuances:
        assert (issuance.gateway, issuance.trigger, issuance.attempt) == (
            gateway,
            Trigger.RENEWAL,
            1,
        )
        assert Event.objects.get().message.startswith("The automatic renewal")


def test_it_is_requested_once(gateway: Gateway) -> None:
    use(gateway, age=70)
    assert len(requested()) == 1
    assert requested() == []


def test_a_running_issuance_of_any_kind_is_enough(gateway: Gateway) -> None:
    use(gateway, age=70)
    make_issuance(gateway, State.PREFLIGHT)
    assert requested() == []


def test_nothing_is_renewed_while_the_source_is_manual(gateway: Gateway) -> None:
    use(gateway, age=70)
    Gateway.objects.update(certificate_source=CertificateSource.MANUAL)
    assert requested() == []


@pytest.mark.parametrize("origin", [Origin.IMPORTED, Origin.SELF_SIGNED])
def test_a_certificate_from_elsewhere_is_not_renewed(gateway: Gateway, origin: Origin) -> None:
    use(gateway, age=70, origin=origin)
    assert requested() == []


def test_without_a_certificate_there_is_nothing_to_renew(gateway: Gateway) -> None:
    assert requested() == []


def test_without_agreement_nothing_is_requested(gateway: Gateway) -> None:
    use(gateway, age=70)
    Gateway.objects.update(terms_agreed_at=None)
    assert requested() == []


def test_one_gateway_that_must_not_start_does_not_keep_the_others_from_it(
    gateway: Gateway,
) -> None:
    use(gateway, age=70)
    Gateway.objects.update(terms_agreed_at=None)
    others = [make_gateway(slug, f"{slug}.example.com") for slug in ("a", "z")]
    for other in others:
        use(other, age=70)
    assert [issuance.gateway for issuance in requested()] == others


@pytest.mark.parametrize(
    ("failures", "pause"), [(1, MINUTE), (2, 10 * MINUTE), (3, 100 * MINUTE), (4, DAY), (9, DAY)]
)
def test_a_failed_renewal_is_repeated_when_its_pause_is_over(
    gateway: Gateway, failures: int, pause: datetime.timedelta
) -> None:
    use(gateway, age=70)
    last_attempt(gateway, State.FAILED, pause - MINUTE / 2, attempt=failures)
    assert requested() == []
    Issuance.objects.update(finished_at=timezone.now() - pause)
    (issuance,) = requested()
    assert issuance.attempt == failures + 1


def test_the_cas_pause_is_kept(gateway: Gateway) -> None:
    use(gateway, age=70)
    pause = timezone.now() + 30 * MINUTE
    last_attempt(gateway, State.FAILED, 20 * MINUTE, attempt=1, retry_not_before=pause)
    assert requested() == []
    assert len(renewing.request_due(pause)) == 1


def test_the_cas_pause_is_in_the_plan(gateway: Gateway) -> None:
    certificate = use(gateway, age=70)
    pause = timezone.now() + 30 * MINUTE
    last_attempt(gateway, State.DONE, 20 * MINUTE, retry_not_before=pause)
    plan = renewing.plan(gateway, certificate, Issuance.objects.get())
    assert plan is not None
    assert (plan.at, plan.reason) == (pause, Reason.RETRY)


def test_only_the_last_attempt_decides(gateway: Gateway) -> None:
    use(gateway, age=70)
    last_attempt(gateway, State.FAILED, 3 * MINUTE, attempt=8)
    last_attempt(gateway, State.CANCELLED, 2 * MINUTE)
    (issuance,) = requested()
    assert issuance.attempt == 1


def test_another_gateways_failures_do_not_count(gateway: Gateway) -> None:
    use(gateway, age=70)
    last_attempt(make_gateway("other", "other.example.com"), State.FAILED, MINUTE, attempt=9)
    assert [issuance.attempt for issuance in requested()] == [1]


def test_the_plan_on_the_screen_is_the_one_that_is_carried_out(gateway: Gateway) -> None:
    certificate = use(gateway, age=70)
    last_attempt(gateway, State.FAILED, MINUTE, attempt=2)
    last = Issuance.objects.get()
    plan = renewing.plan(gateway, certificate, last)
    assert plan is not None
    assert last.finished_at is not None
    assert (plan.at, plan.reason) == (last.finished_at + 10 * MINUTE, Reason.RETRY)
    assert renewing.request_due(plan.at - MINUTE / 60) == []
    assert len(renewing.request_due(plan.at)) == 1


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        (CertificateSource.MANUAL, Origin.LETS_ENCRYPT),
        (CertificateSource.LETS_ENCRYPT, Origin.IMPORTED),
    ],
)
def test_there_is_no_plan_where_nothing_is_renewed(
    gateway: Gateway, source: CertificateSource, origin: Origin
) -> None:
    certificate = use(gateway, age=70, origin=origin)
    gateway.certificate_source = source
    assert renewing.plan(gateway, certificate, None) is None
    assert renewing.plan(gateway, None, None) is None


def test_the_sweep_does_not_ask_the_database_per_gateway(
    gateway: Gateway, django_assert_max_num_queries: object
) -> None:
    assert callable(django_assert_max_num_queries)
    use(gateway, age=10)
    for number in range(20):
        use(make_gateway(f"g{number}", f"g{number}.example.com"), age=10)
    with django_assert_max_num_queries(2):
        assert renewing.request_due(timezone.now()) == []
