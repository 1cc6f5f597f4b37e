"""Driving issuances: with a small CA, on a clock that stands; the whole way: tests/main_job."""

from __future__ import annotations

import datetime
import functools
from pathlib import Path

import pytest
import time_machine
from django.utils import timezone

from certificates import backoffs, clock, directories, issuing, leases, setbacks
from certificates.models import (
    Backoff,
    Certificate,
    CertificateSource,
    Directory,
    Event,
    Gateway,
    Issuance,
    Level,
    LimitUse,
    Order,
    OrderStatus,
    Pause,
    Stage,
    StageState,
    Trigger,
)
from certificates.policy.issuance import Environment, State
from certificates.policy.limits import Limit
from certificates.policy.refusal import Scope
from challenges.models import ChallengeToken
from tests.certificates.authority.ca import Reply, Seen, refusal
from tests.certificates.chains import store_leaf
from tests.certificates.engine import (
    DAY,
    HOUR,
    JUMPS,
    MINUTE,
    SECOND,
    SmallCas,
    advanced,
    ask,
    at_the_end,
    code_of,
    renew,
    use,
)
from tests.console import make_issuance

PRODUCTION_FIRST = 70 * DAY
STANDS = pytest.mark.usefixtures("travel")


def limited(seconds: int | None, detail: str, status: int = 429) -> Reply:
    """A refusal by a rate limit, with a Retry-After."""
    headers = {} if seconds is None else {"Retry-After": str(seconds)}
    return Reply(refusal("rateLimited", detail=detail).body, status, headers)


# Moving on


@STANDS
def test_a_first_certificate_is_tested_issued_and_put_to_use(
    gateway: Gateway, cas: SmallCas
) -> None:
    issuance = advanced(ask(gateway))
    gateway.refresh_from_db()
    assert (issuance.current, issuance.problem) == (State.DONE, None)
    assert gateway.selected_certificate == issuance.certificate
    assert issuance.certificate.renewal_at is not None
    assert [stage.stage for stage in issuance.stages.all()] == [
        "preflight",
        "staging_test",
        "production",
        "installing",
    ]
    assert {stage.state for stage in issuance.stages.all()} == {StageState.DONE}
    assert (cas.staging.counts["new-order"], cas.production.counts["new-order"]) == (1, 1)
    assert not ChallengeToken.objects.exists()
    assert gateway.next_rehearsal_at is not None
    assert 14 * DAY <= gateway.next_rehearsal_at - timezone.now() < 15.4 * DAY


@STANDS
def test_a_renewal_of_what_has_worked_goes_straight_to_production(
    gateway: Gateway, cas: SmallCas
) -> None:
    use(gateway, age=PRODUCTION_FIRST)
    issuance = renew(gateway)
    assert issuance.current is State.DONE
    assert [stage.stage for stage in issuance.stages.all()] == ["production", "installing"]
    assert cas.staging.asked == []


@STANDS
def test_a_rehearsal_leaves_production_and_the_certificate_alone(
    gateway: Gateway, cas: SmallCas
) -> None:
    before = use(gateway, age=10 * DAY)
    issuance = advanced(ask(gateway, Trigger.REHEARSAL))
    gateway.refresh_from_db()
    assert issuance.current is State.DONE
    assert cas.production.asked == [], "its preflight does not ask for the directory either"
    assert cas.staging.counts["new-order"] == 1
    assert Certificate.objects.get() == gateway.selected_certificate == before
    assert gateway.next_rehearsal_at is not None
    assert gateway.next_rehearsal_at - timezone.now() >= 14 * DAY
    assert "The renewal will work" in Event.objects.latest("pk").message


@STANDS
def test_a_failed_rehearsal_is_repeated_the_next_day_and_holds_no_renewal_back(
    gateway: Gateway, cas: SmallCas
) -> None:
    use(gateway, age=10 * DAY)
    cas.staging.failing = "connection"
    issuance = advanced(ask(gateway, Trigger.REHEARSAL))
    gateway.refresh_from_db()
    assert (issuance.current, code_of(issuance)) == (State.FAILED, "acme-connection")
    assert gateway.next_rehearsal_at is not None
    assert DAY <= gateway.next_rehearsal_at - timezone.now() < 1.1 * DAY
    assert not Backoff.objects.exists()


@STANDS
def test_a_success_forgets_the_failures(gateway: Gateway, cas: SmallCas) -> None:
    use(gateway, age=PRODUCTION_FIRST)
    cas.production.failing = "connection"
    assert renew(gateway).current is State.FAILED
    assert Backoff.objects.get().failures == 1
    cas.production.failing = ""
    assert advanced(ask(gateway)).current is State.DONE
    assert not Backoff.objects.exists()


@STANDS
def test_a_validation_that_fails_ends_the_attempt_with_the_cas_reason(
    gateway: Gateway, cas: SmallCas
) -> None:
    before = use(gateway, age=PRODUCTION_FIRST)
    cas.production.failing = "unauthorized"
    issuance = renew(gateway)
    gateway.refresh_from_db()
    assert (issuance.current, code_of(issuance)) == (State.FAILED, "acme-unauthorized")
    assert Order.objects.get().status == OrderStatus.INVALID
    assert not ChallengeToken.objects.exists()
    assert gateway.selected_certificate == before
    spent = LimitUse.objects.get(limit=Limit.FAILED_AUTHORIZATIONS.value)
    assert (spent.subject, spent.directory_url) == ("mail.example.com", cas.production.url)
    assert issuing.advance(issuance.pk) is None


def test_a_fault_of_our_own_is_repeated_for_a_minute_and_then_the_end(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    issuance = make_issuance(gateway, State.STAGING_TEST, key_type="no such key type")
    Stage.objects.create(issuance=issuance, stage="staging_test", started_at=timezone.now())
    begin = timezone.now()
    at_the_end(issuance, travel)
    assert issuance.lease_owner == ""
    assert issuance.current is State.FAILED
    assert issuance.finished_at is not None
    assert 55 * SECOND < issuance.finished_at - begin <= 65 * SECOND
    problem = issuance.problem
    assert problem is not None
    assert (problem.code, problem.detail) == ("internal-error", "ValueError")
    assert Stage.objects.get().state == StageState.FAILED
    assert Event.objects.filter(code="step-repeated", level=Level.WARNING).count() == 11
    assert Event.objects.get(level=Level.ERROR).code == "staging-test-failed"


def test_a_ca_that_is_away_for_half_a_minute_costs_nothing(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    use(gateway, age=PRODUCTION_FIRST)
    cas.go()
    issuance = renew(gateway)
    assert code_of(issuance) == "ca-unreachable"
    while timezone.now() < issuance.started_at + 25 * SECOND:
        assert issuance.next_step_at is not None
        travel.move_to(issuance.next_step_at)
        advanced(issuance)
    cas.come_back()
    assert at_the_end(issuance, travel).current is State.DONE
    assert not Directory.objects.filter(away_since__isnull=False).exists()


def test_a_ca_that_stays_away_ends_the_attempt_and_opens_the_breaker(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    use(gateway, age=PRODUCTION_FIRST)
    cas.production.away = True
    issuance = at_the_end(ask(gateway, Trigger.RENEWAL), travel)
    assert (issuance.current, code_of(issuance)) == (State.FAILED, "ca-unreachable")
    assert directories.is_away(Environment.PRODUCTION)
    backoff = Backoff.objects.get()
    assert backoff.away_directory_url == cas.production.url
    assert not Pause.objects.exists()


def test_every_step_that_gets_further_has_its_own_minute(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    use(gateway, age=PRODUCTION_FIRST)
    failures = {"new-order": 8, "authorization": 8, "finalize": 8, "certificate": 8}

    def fail(endpoint: str, _: Seen) -> Reply | None:
        failures[endpoint] -= 1
        return refusal("serverInternal", 500) if failures[endpoint] >= 0 else None

    for endpoint in failures:
        cas.production.instead[endpoint] = functools.partial(fail, endpoint)
    assert at_the_end(ask(gateway, Trigger.RENEWAL), travel).current is State.DONE


# What a CA asks for


def test_a_short_wait_that_the_ca_asks_for_is_waited_out(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    use(gateway, age=PRODUCTION_FIRST)
    cas.production.instead["new-order"] = limited(60, "service busy; retry later", 503)
    issuance = renew(gateway)
    assert issuance.next_step_at is not None
    assert 60 * SECOND <= issuance.next_step_at - timezone.now() <= 62 * SECOND
    assert not Pause.objects.exists()
    del cas.production.instead["new-order"]
    assert at_the_end(issuance, travel).current is State.DONE


@STANDS
def test_a_long_wait_ends_the_attempt_and_holds_for_the_whole_ca(
    gateway: Gateway, cas: SmallCas
) -> None:
    use(gateway, age=PRODUCTION_FIRST)
    cas.production.instead["new-order"] = limited(3600, "service busy; retry later", 503)
    issuance = renew(gateway)
    assert issuance.current is State.FAILED
    pause = Pause.objects.get()
    assert (pause.scope, pause.subject, pause.directory_url) == (
        Scope.CA.value,
        "",
        cas.production.url,
    )
    assert abs(pause.until - timezone.now() - HOUR) < 5 * SECOND
    # The CA's word is longer than our own first minute.
    assert Backoff.objects.get().not_before == pause.until


@pytest.mark.parametrize(
    ("detail", "scope", "subject"),
    [
        ("too many new orders (300) from this account in the last 3h0m0s", Scope.ACCOUNT, ""),
        (
            'too many certificates (50) already issued for "example.com" in the last 168h0m0s',
            Scope.REGISTERED_DOMAIN,
            "example.com",
        ),
        (
            'too many failed authorizations (5) for "mail.example.com" in the last 1h0m0s',
            Scope.IDENTIFIER,
            "mail.example.com",
        ),
    ],
)
@STANDS
def test_a_limit_pauses_what_it_is_about(
    gateway: Gateway, cas: SmallCas, detail: str, scope: Scope, subject: str
) -> None:
    use(gateway, age=PRODUCTION_FIRST)
    cas.production.instead["new-order"] = limited(7200, detail)
    assert renew(gateway).current is State.FAILED
    pause = Pause.objects.get()
    assert (pause.scope, pause.subject) == (scope.value, subject)
    assert cas.production.counts["new-order"] == 1


@STANDS
def test_a_problem_that_cannot_pass_stops_the_automatic_attempts(
    gateway: Gateway, cas: SmallCas
) -> None:
    use(gateway, age=PRODUCTION_FIRST)
    cas.production.instead["new-order"] = refusal("rejectedIdentifier", 400)
    issuance = renew(gateway)
    assert issuance.current is State.FAILED
    assert issuance.problem is not None
    assert not issuance.problem.retryable
    backoff = Backoff.objects.get()
    assert backoff.is_stopped
    backoffs.forgive(issuance.identifier_set, timezone.now())
    backoff.refresh_from_db()
    assert not backoff.is_stopped


def test_who_waits_in_line_keeps_its_place_and_is_told_once(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    use(gateway, age=PRODUCTION_FIRST)
    until = timezone.now() + 30 * MINUTE
    Pause.objects.create(
        directory_url=cas.production.url,
        scope=Scope.ACCOUNT.value,
        until=until,
        problem_facts=make_problem(),
    )
    issuance = make_issuance(
        gateway, State.PRODUCTION, trigger=Trigger.RENEWAL, course="direct", finished_at=None
    )
    advanced(issuance)
    assert (issuance.current, code_of(issuance)) == (State.PRODUCTION, "ca-asked-to-wait")
    assert issuance.next_step_at == until
    assert cas.production.counts["new-order"] == 0
    travel.move_to(until - MINUTE)
    Issuance.objects.update(next_step_at=timezone.now())
    advanced(issuance)
    assert Event.objects.filter(code="issuance-waits").count() == 1
    assert not Backoff.objects.exists()
    travel.move_to(until + SECOND)
    assert at_the_end(issuance, travel).current is State.DONE
    assert Order.objects.count() == 1


def make_problem() -> object:
    """What a CA may have said before."""
    return {
        "code": "acme-rate-limited",
        "severity": "error",
        "explanation": "Too many.",
        "remedy": ["Wait."],
        "detail": "",
        "retryable": True,
    }


# A clock that cannot be believed


@pytest.mark.parametrize("jump", JUMPS)
def test_while_the_clock_is_wrong_nothing_leaves_the_process_and_then_it_goes_on(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller, jump: datetime.timedelta
) -> None:
    use(gateway, age=PRODUCTION_FIRST)
    issuance = ask(gateway, Trigger.RENEWAL)
    right = timezone.now()
    clock.note(right)
    travel.move_to(right + jump)
    Issuance.objects.update(next_step_at=timezone.now())
    advanced(issuance)
    assert cas.asked == 0
    assert (issuance.current, code_of(issuance)) == (State.WAITING, "clock-implausible")
    assert issuance.next_step_at == timezone.now() + setbacks.LOOK_AGAIN
    assert Event.objects.filter(code="issuance-waits").count() == 1
    travel.move_to(right + 2 * MINUTE)
    assert advanced(issuance).current is State.DONE


@pytest.mark.parametrize("jump", JUMPS)
def test_an_order_in_flight_outlasts_a_clock_that_jumps(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller, jump: datetime.timedelta
) -> None:
    use(gateway, age=PRODUCTION_FIRST)
    cas.production.polls_before_valid = 10**6
    issuance = renew(gateway)
    assert issuance.current is State.PRODUCTION
    order, token = Order.objects.get(), ChallengeToken.objects.get()
    right, asked = timezone.now(), cas.asked
    clock.note(right)
    travel.move_to(right + jump)
    Issuance.objects.update(next_step_at=timezone.now())
    for _ in range(3):
        assert code_of(advanced(issuance)) == "clock-implausible"
        travel.shift(setbacks.LOOK_AGAIN)
    assert cas.asked == asked
    assert (Order.objects.get(), ChallengeToken.objects.get()) == (order, token)
    assert not Backoff.objects.exists()
    travel.move_to(right + 2 * MINUTE)
    cas.production.polls_before_valid = 0
    assert at_the_end(issuance, travel).current is State.DONE
    assert cas.production.counts["new-order"] == 1


# Which are left alone


def test_nothing_happens_before_the_next_step_is_due(gateway: Gateway) -> None:
    later = timezone.now() + 60 * SECOND
    issuance = make_issuance(gateway, State.WAITING, next_step_at=later)
    advanced(issuance)
    assert (issuance.current, issuance.next_step_at) == (State.WAITING, later)


def test_what_another_works_on_is_left_alone(gateway: Gateway) -> None:
    issuance = make_issuance(gateway, State.WAITING)
    lease = leases.claim(issuance.pk, timezone.now())
    advanced(issuance)
    assert lease is not None
    assert (issuance.current, issuance.lease_owner) == (State.WAITING, lease.owner)


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.CANCELLED])
def test_what_has_ended_stays_as_it_is(gateway: Gateway, state: State) -> None:
    issuance = advanced(make_issuance(gateway, state))
    assert issuance.current is state
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_an_issuance_that_is_gone_is_no_fault() -> None:
    assert issuing.advance(4711) is None


# Installing


def issued(gateway: Gateway) -> Issuance:
    """One whose certificate is there and is to be installed."""
    issuance = make_issuance(gateway, State.INSTALLING)
    store_leaf(gateway)
    Certificate.objects.update(issuance=issuance)
    return issuance


def test_a_certificate_that_was_issued_is_installed_and_the_issuance_is_done(
    gateway: Gateway, data_dir: Path
) -> None:
    issuance = advanced(issued(gateway))
    gateway.refresh_from_db()
    assert (issuance.current, issuance.problem) == (State.DONE, None)
    assert gateway.selected_certificate == issuance.certificate
    assert (data_dir / "live" / "default" / "privkey.pem").is_file()


def test_a_manual_choice_during_the_issuance_wins(gateway: Gateway, data_dir: Path) -> None:
    issuance = issued(gateway)
    Gateway.objects.update(certificate_source=CertificateSource.MANUAL)
    advanced(issuance)
    gateway.refresh_from_db()
    assert issuance.current is State.DONE
    assert gateway.selected_certificate is None
    assert not (data_dir / "live").exists()


def test_while_the_files_cannot_be_written_the_certificate_waits_for_the_disk(
    gateway: Gateway, data_dir: Path, travel: time_machine.Traveller
) -> None:
    obstacle = data_dir / "live" / "default" / "in the way"
    obstacle.mkdir(parents=True)
    issuance = issued(gateway)
    pauses = []
    for _ in range(5):
        advanced(issuance)
        gateway.refresh_from_db()
        assert (issuance.current, code_of(issuance)) == (
            State.INSTALLING,
            "certificate-files-not-written",
        )
        assert gateway.selected_certificate is None
        assert issuance.next_step_at is not None
        pauses.append(issuance.next_step_at - timezone.now())
        travel.move_to(issuance.next_step_at)
    for expected, pause in zip((MINUTE, 10 * MINUTE, 100 * MINUTE, DAY, DAY), pauses, strict=True):
        assert expected <= pause < 1.1 * expected
    assert Event.objects.filter(code="issuance-waits").count() == 1
    assert not Backoff.objects.exists()
    obstacle.rmdir()
    obstacle.parent.rmdir()
    assert advanced(issuance).current is State.DONE


def test_a_person_who_has_mended_the_disk_need_not_wait(
    gateway: Gateway, data_dir: Path, travel: time_machine.Traveller
) -> None:
    obstacle = data_dir / "live" / "default" / "in the way"
    obstacle.mkdir(parents=True)
    issuance = advanced(issued(gateway))
    obstacle.rmdir()
    obstacle.parent.rmdir()
    assert advanced(issuance).current is State.INSTALLING, "it is not due yet"
    assert ask(gateway) == issuance
    assert advanced(issuance).current is State.DONE
    assert Issuance.objects.count() == 1
    assert travel is not None
