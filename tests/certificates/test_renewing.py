"""Which renewals and rehearsals the sweep asks for."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from certificates import backoffs, directories, plans, renewing
from certificates.models import (
    Backoff,
    Certificate,
    CertificateSource,
    Directory,
    Event,
    Gateway,
    Issuance,
    LimitUse,
    Origin,
    Pause,
    Trigger,
)
from certificates.policy.issuance import Course, Environment, State
from certificates.policy.limits import Limit
from certificates.policy.names import identifier_set
from challenges.problems import Problem, Severity
from tests.certificates.chains import make_chain, store_leaf
from tests.certificates.engine import DAY, HOUR, MINUTE, use
from tests.console import make_certificate, make_gateway, make_issuance

PASSING = Problem("acme-connection", Severity.ERROR, "Refused.", ("Open it.",), retryable=True)
PERMANENT = Problem("acme-rejected-identifier", Severity.ERROR, "Never.", ("Edit.",))


def requested(now: datetime.datetime | None = None) -> list[Issuance]:
    """The renewals that begin now, in their order."""
    return [Issuance.objects.get(pk=pk) for pk in renewing.request_due(now or timezone.now())]


def rehearsed(now: datetime.datetime | None = None) -> list[Issuance]:
    """The rehearsals that begin now, in their order."""
    return [Issuance.objects.get(pk=pk) for pk in renewing.rehearse_due(now or timezone.now())]


def fail(gateway: Gateway, ago: datetime.timedelta, problem: Problem = PASSING) -> Backoff:
    """One more attempt failed that long ago."""
    key = identifier_set(gateway.names)
    backoffs.failed(key, problem, timezone.now() - ago, lifetime=90 * DAY)
    return Backoff.objects.get(identifier_set=key)


@contextlib.contextmanager
def once_decided(overtake: Callable[[], object]) -> Iterator[None]:
    """Something is done after the decision, before the row of the issuance is written."""
    done: list[object] = []

    def watch(execute: Callable[..., Any], sql: str, *rest: object) -> Any:
        if f'FROM "{Pause._meta.db_table}"' in sql and not done:
            done.append(True)
            overtake()
        return execute(sql, *rest)

    with connection.execute_wrapper(watch):
        yield
    assert done


# Renewals


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
@pytest.mark.parametrize("is_scheduled", [True, False])
def test_a_renewal_is_requested_once_it_is_due(
    gateway: Gateway, age: float, lifetime: float, due: bool, is_scheduled: bool
) -> None:
    use(gateway, age=age * DAY, lifetime=lifetime)
    if not is_scheduled:
        Certificate.objects.update(renewal_at=None)
    issuances = requested()
    assert len(issuances) == (1 if due else 0)
    for issuance in issuances:
        assert (issuance.gateway, issuance.trigger, issuance.attempt) == (
            gateway,
            Trigger.RENEWAL,
            1,
        )
        assert issuance.way is Course.DIRECT
        assert Event.objects.get().message.startswith("The automatic renewal")


def test_it_is_requested_once(gateway: Gateway) -> None:
    use(gateway, age=70 * DAY)
    assert len(requested()) == 1
    assert requested() == []


@pytest.mark.parametrize("course", Course)
def test_a_running_issuance_of_any_kind_is_enough(gateway: Gateway, course: Course) -> None:
    use(gateway, age=70 * DAY)
    make_issuance(gateway, State.WAITING, course=course.value)
    assert requested() == []


def test_nothing_is_renewed_while_the_source_is_manual(gateway: Gateway) -> None:
    use(gateway, age=70 * DAY)
    Gateway.objects.update(certificate_source=CertificateSource.MANUAL)
    assert requested() == []


@pytest.mark.parametrize("origin", [Origin.IMPORTED, Origin.REQUESTED, Origin.SELF_SIGNED])
@pytest.mark.parametrize("source", CertificateSource)
def test_a_certificate_from_elsewhere_is_replaced_exactly_while_nobody_has_chosen_it(
    gateway: Gateway, origin: Origin, source: CertificateSource
) -> None:
    leaf = make_chain(*gateway.names, begin=timezone.now() - DAY)
    selected = store_leaf(gateway, leaf, origin)
    # Whatever is stored there is about a renewal, which it never has.
    Certificate.objects.update(renewal_at=timezone.now() + 30 * DAY)
    Gateway.objects.update(selected_certificate=selected, certificate_source=source)
    courses = [issuance.way for issuance in requested()]
    assert courses == ([Course.TESTED] if source == CertificateSource.LETS_ENCRYPT else [])


def test_without_a_certificate_there_is_nothing_to_renew(gateway: Gateway) -> None:
    assert requested() == []


def test_one_gateway_that_must_not_start_does_not_keep_the_others_from_it(
    gateway: Gateway,
) -> None:
    use(gateway, age=71 * DAY)
    Gateway.objects.update(terms_agreed_at=None)
    others = [make_gateway(slug, f"{slug}.example.com") for slug in ("a", "z")]
    for other in others:
        use(other, age=70 * DAY)
    assert [issuance.gateway for issuance in requested()] == others


@pytest.mark.parametrize(
    ("failures", "pause"), [(1, MINUTE), (2, 10 * MINUTE), (3, 100 * MINUTE), (4, DAY), (9, DAY)]
)
def test_a_failed_renewal_is_repeated_with_a_test_when_its_pause_is_over(
    gateway: Gateway, failures: int, pause: datetime.timedelta
) -> None:
    use(gateway, age=70 * DAY)
    backoff = [fail(gateway, pause / 2) for _ in range(failures)][-1]
    assert requested() == []
    assert requested(backoff.not_before - MINUTE / 60) == []
    (issuance,) = requested(backoff.not_before)
    assert (issuance.attempt, issuance.way) == (failures + 1, Course.TESTED)


def test_what_cannot_pass_by_itself_is_not_tried_again(gateway: Gateway) -> None:
    use(gateway, age=70 * DAY)
    fail(gateway, 40 * DAY, PERMANENT)
    assert requested() == []
    backoffs.forgive(identifier_set(gateway.names), timezone.now())
    assert len(requested()) == 1


def test_a_pause_that_a_wrong_clock_has_written_stops_no_renewal(gateway: Gateway) -> None:
    use(gateway, age=70 * DAY)
    fail(gateway, -700 * DAY)
    assert len(requested()) == 1


OVERTAKING: dict[str, Callable[[Gateway], object]] = {
    "it was renewed": lambda gateway: use(gateway, age=DAY / 24),
    "it failed": lambda gateway: fail(gateway, MINUTE / 60),
    "another was selected": lambda gateway: Gateway.objects.filter(pk=gateway.pk).update(
        certificate_source=CertificateSource.MANUAL
    ),
    "the names are others": lambda gateway: Gateway.objects.filter(pk=gateway.pk).update(
        hostname="other.example.com"
    ),
}


@pytest.mark.parametrize("meanwhile", OVERTAKING)
def test_a_sweep_that_was_overtaken_asks_for_nothing(gateway: Gateway, meanwhile: str) -> None:
    use(gateway, age=70 * DAY)
    with once_decided(lambda: OVERTAKING[meanwhile](gateway)):
        begun = renewing.begin_due(timezone.now())
    assert begun == renewing.Begun([])
    assert not Issuance.objects.exists()
    assert not Event.objects.filter(code="issuance-requested").exists()


def test_another_gateways_failures_do_not_count(gateway: Gateway) -> None:
    use(gateway, age=70 * DAY)
    fail(make_gateway("other", "other.example.com"), MINUTE / 2)
    assert [issuance.attempt for issuance in requested()] == [1]


@pytest.mark.parametrize(
    ("environment", "begins"), [(Environment.PRODUCTION, False), (Environment.STAGING, True)]
)
def test_while_the_production_ca_is_away_nothing_begins(
    gateway: Gateway, environment: Environment, begins: bool
) -> None:
    use(gateway, age=70 * DAY)
    now = timezone.now()
    url = directories.url_of(environment)
    Directory.objects.create(url=url, away_since=now, next_probe_at=now + 10 * MINUTE)
    assert bool(requested()) is begins


def test_whoever_expires_first_is_first(gateway: Gateway) -> None:
    use(gateway, age=70 * DAY)
    ages = {"a": 65, "b": 85, "c": 75}
    for slug, age in ages.items():
        use(make_gateway(slug, f"{slug}.example.com"), age=age * DAY)
    assert [issuance.gateway.slug for issuance in requested()] == ["b", "c", "default", "a"]


@pytest.mark.parametrize(("used", "running", "begin"), [(292, 0, 3), (292, 2, 1), (295, 0, 0)])
def test_no_more_begin_than_the_budget_has_orders_for(
    gateway: Gateway, used: int, running: int, begin: int
) -> None:
    now = timezone.now()
    url = directories.url_of(Environment.PRODUCTION)
    LimitUse.objects.bulk_create(
        LimitUse(directory_url=url, limit=Limit.NEW_ORDERS.value, at=now) for _ in range(used)
    )
    for number in range(running):
        other = make_gateway(f"r{number}", f"r{number}.example.com")
        make_issuance(other, State.PREFLIGHT)
    rehearsing = make_gateway("rehearsing", "rehearsing.example.com")
    make_issuance(rehearsing, State.PREFLIGHT, course=Course.REHEARSAL.value)
    for number in range(5):
        use(make_gateway(f"g{number}", f"g{number}.example.com"), age=(70 + number) * DAY)
    expected = ["g4", "g3", "g2", "g1", "g0"][:begin]
    assert [issuance.gateway.slug for issuance in requested()] == expected


def test_the_sweep_reads_only_what_is_due_and_asks_nothing_per_gateway(
    gateway: Gateway, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    use(gateway, age=10 * DAY)
    for number in range(20):
        use(make_gateway(f"g{number}", f"g{number}.example.com"), age=10 * DAY)
    with django_assert_max_num_queries(2):
        assert renewing.request_due(timezone.now()) == []


def test_a_new_version_may_decide_otherwise_than_the_one_that_stored_it(gateway: Gateway) -> None:
    certificate = use(gateway, age=10 * DAY)
    right = certificate.renewal_at
    Certificate.objects.update(renewal_at=timezone.now() + 700 * DAY)
    make_certificate(gateway, Origin.LETS_ENCRYPT)
    assert renewing.schedule_all() == 1, "only what is in use"
    certificate.refresh_from_db()
    assert certificate.renewal_at == right


# Rehearsals


def rehearsing(slug: str, at: datetime.datetime, **fields: object) -> Gateway:
    """A gateway whose rehearsal is due then."""
    gateway = make_gateway(slug, f"{slug}.example.com", next_rehearsal_at=at, **fields)
    use(gateway, age=10 * DAY)
    return gateway


def test_a_rehearsal_begins_when_it_is_due(gateway: Gateway) -> None:
    now = timezone.now()
    rehearsing("a", now)
    assert rehearsed(now - MINUTE) == []
    (issuance,) = rehearsed(now)
    assert (issuance.trigger, issuance.way) == (Trigger.REHEARSAL, Course.REHEARSAL)
    assert rehearsed(now) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"rehearses": False},
        {"certificate_source": CertificateSource.MANUAL},
        {"terms_agreed_at": None},
    ],
)
@pytest.mark.django_db
def test_whoever_does_not_want_it_is_left_alone(fields: dict[str, object]) -> None:
    rehearsing("a", timezone.now(), **fields)
    assert rehearsed() == []


@pytest.mark.django_db
def test_a_certificate_from_elsewhere_needs_no_rehearsal() -> None:
    gateway = make_gateway("a", "a.example.com", next_rehearsal_at=timezone.now())
    make_certificate(gateway, Origin.IMPORTED, select=True)
    assert rehearsed() == []


@pytest.mark.django_db
def test_a_renewal_that_fails_is_not_rehearsed_besides() -> None:
    gateway = rehearsing("a", timezone.now())
    fail(gateway, MINUTE)
    assert rehearsed() == []
    backoffs.succeeded(identifier_set(gateway.names))
    assert len(rehearsed(timezone.now() + 1.1 * DAY)) == 1


@pytest.mark.django_db
def test_while_the_staging_ca_is_away_nothing_is_rehearsed() -> None:
    rehearsing("a", timezone.now())
    url = directories.url_of(Environment.STAGING)
    Directory.objects.create(url=url, away_since=timezone.now() - HOUR)
    assert rehearsed() == []


@pytest.mark.django_db
def test_no_more_than_twenty_begin_at_once_the_longest_due_first() -> None:
    now = timezone.now()
    for number in range(30):
        rehearsing(f"g{number}", now - number * MINUTE)
    slugs = [issuance.gateway.slug for issuance in rehearsed()]
    assert slugs == [f"g{number}" for number in range(29, 9, -1)]
    assert len(rehearsed()) == 10


@pytest.mark.django_db
def test_those_who_cannot_be_rehearsed_do_not_keep_the_others_from_it() -> None:
    now = timezone.now()
    for number in range(50):
        failing = rehearsing(f"f{number}", now - DAY)
        fail(failing, MINUTE)
    for number in range(50):
        rehearsing(f"t{number}", now - DAY, terms_agreed_at=None)
    rehearsing("a", now)
    for _ in range(6):
        if [issuance.gateway.slug for issuance in rehearsed()] == ["a"]:
            return
    raise AssertionError("the last one never had its turn")


@pytest.mark.django_db
def test_a_rehearsal_that_another_sweep_has_seen_to_is_not_repeated() -> None:
    now = timezone.now()
    gateway = rehearsing("mx", now - HOUR)
    with once_decided(lambda: plans.rehearse_after_success(gateway, now)):
        assert rehearsed(now) == []
    gateway.refresh_from_db()
    moment = gateway.next_rehearsal_at
    assert moment is not None
    assert moment > now + 7 * DAY


@pytest.mark.django_db
def test_a_moment_that_a_wrong_clock_has_written_does_not_end_the_rehearsals() -> None:
    rehearsing("a", timezone.now() + 700 * DAY)
    assert len(rehearsed()) == 1
