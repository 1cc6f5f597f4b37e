"""Asking for issuances, and giving running ones up."""

from __future__ import annotations

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone

from certificates import (
    accounts,
    backoffs,
    budget,
    clock,
    directories,
    issuing,
    leases,
    milestones,
    pauses,
    renewing,
    requesting,
)
from certificates.models import (
    Backoff,
    Certificate,
    CertificateSource,
    Directory,
    Event,
    Gateway,
    Issuance,
    LimitUse,
    Stage,
    StageState,
    Trigger,
)
from certificates.policy.issuance import Course, Environment, State
from certificates.policy.limits import Limit
from certificates.policy.refusal import Scope
from challenges.models import ChallengeToken
from challenges.problems import Problem, ProblemError, Severity
from tests.certificates.engine import DAY, HOUR, MINUTE, SmallCas, advanced, ask, use
from tests.console import make_gateway, make_issuance

SAID = Problem("acme-rate-limited", Severity.ERROR, "Too many.", ("Wait.",), retryable=True)


def refusal(gateway: Gateway, trigger: Trigger = Trigger.MANUAL) -> Problem:
    """The refusal, which leaves neither a row nor a line."""
    before = Issuance.objects.count(), Event.objects.count()
    with pytest.raises(ProblemError) as caught:
        ask(gateway, trigger)
    assert (Issuance.objects.count(), Event.objects.count()) == before
    assert caught.value.problem.remedy
    return caught.value.problem


def pause(environment: Environment, names: list[str], scope: Scope = Scope.ACCOUNT) -> None:
    """The CA has asked for an hour."""
    until = timezone.now() + HOUR
    pauses.note(directories.url_of(environment), scope, names, until, SAID)


# Asking


def test_a_request_is_a_row_that_is_due_at_once_and_a_line(gateway: Gateway) -> None:
    Gateway.objects.update(
        additional_hostnames=["smtp.example.com"], key_type="rsa-3072", profile="shortlived"
    )
    gateway.refresh_from_db()
    now = timezone.now()
    issuance = requesting.request(gateway, trigger=Trigger.MANUAL, now=now, by="ada")
    issuance.refresh_from_db()
    assert issuance.current is State.WAITING
    assert issuance.names == ["mail.example.com", "smtp.example.com"]
    assert (issuance.key_type, issuance.profile) == ("rsa-3072", "shortlived")
    assert (issuance.attempt, issuance.way) == (1, Course.TESTED)
    assert list(leases.due(now)) == [issuance]
    event = Event.objects.get()
    assert (event.gateway, event.issuance) == (gateway, issuance)
    assert event.message == (
        "A certificate for mail.example.com, smtp.example.com was requested by ada."
    )


def test_a_rehearsal_is_requested_in_words_of_its_own(gateway: Gateway) -> None:
    requesting.request(gateway, trigger=Trigger.REHEARSAL, now=timezone.now(), by="ada")
    assert Event.objects.get().message == (
        "A rehearsal of the renewal for mail.example.com begins, asked for by ada."
    )


def test_a_later_edit_does_not_change_what_was_asked_for(gateway: Gateway) -> None:
    issuance = ask(gateway)
    Gateway.objects.update(hostname="new.example.com", key_type="rsa-2048")
    issuance.refresh_from_db()
    assert (issuance.names, issuance.key_type) == (["mail.example.com"], "ecdsa-p256")


def test_while_one_is_running_it_is_returned(gateway: Gateway) -> None:
    first = ask(gateway)
    assert ask(gateway, Trigger.RENEWAL) == first
    Gateway.objects.update(certificate_source=CertificateSource.MANUAL)
    gateway.refresh_from_db()
    assert ask(gateway) == first
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    ("trigger", "is_waiting", "is_due"),
    [
        (Trigger.MANUAL, True, True),
        (Trigger.RENEWAL, True, False),
        # A poll that is due in a minute is no trouble that somebody could have mended.
        (Trigger.MANUAL, False, False),
    ],
)
def test_a_person_makes_one_that_waits_for_something_due_at_once(
    gateway: Gateway, trigger: Trigger, is_waiting: bool, is_due: bool
) -> None:
    later = timezone.now() + HOUR
    facts = SAID.to_json() if is_waiting else None
    issuance = make_issuance(gateway, State.INSTALLING, next_step_at=later, problem_facts=facts)
    assert ask(gateway, trigger) == issuance
    assert leases.due(timezone.now()).exists() is is_due


def test_the_database_itself_lets_only_one_run_per_gateway(gateway: Gateway) -> None:
    make_issuance(gateway, State.PRODUCTION)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_issuance(gateway, State.WAITING, identifier_set="another")
    make_issuance(gateway, State.FAILED)
    make_issuance(make_gateway("other", "other.example.com"), State.WAITING)


def test_the_database_itself_lets_only_one_run_per_set_of_names(gateway: Gateway) -> None:
    make_issuance(gateway, State.PRODUCTION)
    twin = make_gateway("twin", gateway.hostname)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_issuance(twin, State.WAITING)
    make_issuance(twin, State.FAILED)


def test_the_second_gateway_with_the_same_names_is_told_which_is_the_first(
    gateway: Gateway,
) -> None:
    Gateway.objects.update(additional_hostnames=["smtp.example.com"])
    gateway.refresh_from_db()
    ask(gateway)
    twin = make_gateway("twin", "smtp.example.com", additional_hostnames=["mail.example.com"])
    problem = refusal(twin)
    assert problem.code == "issuance-running"
    assert "for the gateway default" in problem.explanation
    Issuance.objects.update(state=State.DONE, finished_at=timezone.now())
    assert ask(twin).gateway == twin


def test_another_gateways_issuance_does_not_count(gateway: Gateway) -> None:
    make_issuance(make_gateway("other", "other.example.com"), State.PRODUCTION)
    assert ask(gateway).gateway == gateway


def test_nothing_is_requested_while_a_rehearsal_runs(gateway: Gateway) -> None:
    rehearsal = ask(gateway, Trigger.REHEARSAL)
    for trigger in (Trigger.MANUAL, Trigger.RENEWAL):
        problem = refusal(gateway, trigger)
        assert problem.code == "issuance-running"
        assert problem.explanation.startswith("A rehearsal of the renewal is running")
    assert ask(gateway, Trigger.REHEARSAL) == rehearsal


def test_nothing_is_rehearsed_while_an_issuance_runs(gateway: Gateway) -> None:
    ask(gateway)
    problem = refusal(gateway, Trigger.REHEARSAL)
    assert problem.explanation.startswith("The issuance of a certificate is running")


def test_the_terms_must_have_been_agreed_to(gateway: Gateway) -> None:
    Gateway.objects.update(terms_agreed_at=None)
    gateway.refresh_from_db()
    assert refusal(gateway).code == "terms-not-agreed"


def test_nothing_is_requested_while_the_source_is_manual(gateway: Gateway) -> None:
    Gateway.objects.update(certificate_source=CertificateSource.MANUAL)
    gateway.refresh_from_db()
    assert refusal(gateway).code == "source-is-manual"


def test_nothing_is_requested_while_the_clock_cannot_be_believed(gateway: Gateway) -> None:
    clock.accept(timezone.now() + DAY)
    assert refusal(gateway).code == "clock-implausible"


@pytest.mark.parametrize(
    ("paused", "trigger", "is_refused"),
    [
        (Environment.PRODUCTION, Trigger.MANUAL, True),
        (Environment.STAGING, Trigger.MANUAL, True),
        (Environment.PRODUCTION, Trigger.REHEARSAL, False),
        (Environment.STAGING, Trigger.REHEARSAL, True),
    ],
)
def test_a_pause_that_the_ca_asked_for_is_kept(
    gateway: Gateway, paused: Environment, trigger: Trigger, is_refused: bool
) -> None:
    pause(paused, gateway.names)
    if not is_refused:
        assert ask(gateway, trigger).current is State.WAITING
        return
    problem = refusal(gateway, trigger)
    assert problem.code == "ca-asked-to-wait"
    assert "Too many." in problem.detail
    later = timezone.now() + HOUR
    assert requesting.request(gateway, trigger=trigger, now=later).current is State.WAITING


def test_the_pause_of_another_set_of_names_does_not_count(gateway: Gateway) -> None:
    pause(Environment.PRODUCTION, ["other.example.com"], Scope.IDENTIFIER_SET)
    assert ask(gateway).current is State.WAITING


@pytest.mark.parametrize("failures", [0, 1, 4])
def test_the_attempt_is_one_more_than_the_failures_in_a_row(
    gateway: Gateway, failures: int
) -> None:
    issuance = ask(gateway)
    for _ in range(failures):
        backoffs.failed(issuance.identifier_set, SAID, timezone.now(), lifetime=None)
    Issuance.objects.all().delete()
    # A person may try although the pause is not over.
    assert ask(gateway).attempt == failures + 1


def test_a_stopped_set_may_be_tried_by_a_person(gateway: Gateway) -> None:
    permanent = Problem("acme-rejected-identifier", Severity.ERROR, "Never.", ("Edit.",))
    issuance = make_issuance(gateway, State.FAILED)
    backoffs.failed(issuance.identifier_set, permanent, timezone.now(), lifetime=None)
    assert Backoff.objects.get().is_stopped
    assert ask(gateway).attempt == 2


@pytest.mark.parametrize(
    ("trigger", "has_certificate", "failures", "course"),
    [
        (Trigger.MANUAL, False, 0, Course.TESTED),
        (Trigger.MANUAL, True, 0, Course.TESTED),
        (Trigger.RENEWAL, True, 0, Course.DIRECT),
        (Trigger.RENEWAL, True, 1, Course.TESTED),
        (Trigger.REHEARSAL, True, 0, Course.REHEARSAL),
        (Trigger.REHEARSAL, True, 3, Course.REHEARSAL),
    ],
)
def test_only_the_first_attempt_of_a_renewal_goes_without_a_test(
    gateway: Gateway, trigger: Trigger, has_certificate: bool, failures: int, course: Course
) -> None:
    if has_certificate:
        use(gateway, age=70 * DAY)
    key = make_issuance(gateway, State.FAILED).identifier_set
    for _ in range(failures):
        backoffs.failed(key, SAID, timezone.now(), lifetime=None)
    assert ask(gateway, trigger).way is course


def test_a_renewal_with_other_names_than_before_is_tested(gateway: Gateway) -> None:
    use(gateway, age=70 * DAY)
    gateway.additional_hostnames = ["smtp.example.com"]
    gateway.save()
    assert ask(gateway, Trigger.RENEWAL).way is Course.TESTED


def test_in_need_an_absent_staging_environment_does_not_cost_the_certificate(
    gateway: Gateway,
) -> None:
    use(gateway, age=85 * DAY)
    key = make_issuance(gateway, State.FAILED).identifier_set
    backoffs.failed(key, SAID, timezone.now(), lifetime=None)
    url = directories.url_of(Environment.STAGING)
    Directory.objects.create(url=url, away_since=timezone.now() - HOUR)
    assert ask(gateway, Trigger.RENEWAL).way is Course.DIRECT


def test_a_button_says_what_placing_the_order_would_say(gateway: Gateway) -> None:
    now = timezone.now()
    url = directories.url_of(Environment.PRODUCTION)
    key = make_issuance(gateway, State.DONE).identifier_set
    for number in range(4):
        LimitUse.objects.create(
            directory_url=url,
            limit=Limit.CERTIFICATES_PER_SET.value,
            subject=key,
            at=now - number * HOUR,
        )
    standing = requesting.standing(gateway, now)
    assert standing.why_not is not None
    assert standing.why_not.code == "rate-budget-set"
    assert standing.why_not == budget.why_not(Environment.PRODUCTION, gateway.names, now)
    assert standing.why_no_rehearsal is None
    assert {each.limit: each.left for each in standing.allowances} == {
        Limit.NEW_ORDERS: 295,
        Limit.CERTIFICATES_PER_DOMAIN: 49,
        Limit.CERTIFICATES_PER_SET: 0,
        Limit.FAILED_AUTHORIZATIONS: 4,
    }
    assert refusal(gateway) == standing.why_not


# Giving up


def refuses_to_cancel(issuance: Issuance) -> str:
    """Why it cannot be cancelled; it stays as it is."""
    before = issuance.state
    with pytest.raises(ProblemError) as caught:
        requesting.cancel(issuance, timezone.now())
    issuance.refresh_from_db()
    assert issuance.state == before
    assert caught.value.problem.code == "cannot-cancel"
    return caught.value.problem.explanation


@pytest.mark.parametrize(
    "state", [State.WAITING, State.PREFLIGHT, State.STAGING_TEST, State.PRODUCTION]
)
def test_a_running_one_is_cancelled_with_its_stage_and_its_lease(
    gateway: Gateway, state: State
) -> None:
    now = timezone.now()
    issuance = make_issuance(gateway, state, next_step_at=now, problem_facts=SAID.to_json())
    if state.is_stage:
        Stage.objects.create(issuance=issuance, stage=state.value, started_at=now)
    lease = leases.claim(issuance.pk, now)
    assert lease is not None
    requesting.cancel(issuance, now, by="ada")
    issuance.refresh_from_db()
    assert (issuance.current, issuance.finished_at) == (State.CANCELLED, now)
    assert (issuance.next_step_at, issuance.problem, issuance.lease_owner) == (None, None, "")
    assert all(stage.state == StageState.CANCELLED for stage in Stage.objects.all())
    event = Event.objects.get()
    assert event.code == "issuance-cancelled"
    assert event.message == (
        f"{state.label} was cancelled by ada; the certificate in use stays as it is."
    )
    with pytest.raises(leases.LeaseLostError):
        lease.update(state=State.DONE.value)
    assert not leases.due(now + HOUR).exists()
    assert ask(gateway).pk != issuance.pk


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.CANCELLED])
def test_what_has_ended_cannot_be_cancelled(gateway: Gateway, state: State) -> None:
    assert "ended already" in refuses_to_cancel(make_issuance(gateway, state))


def test_what_is_being_installed_cannot_be_cancelled(gateway: Gateway) -> None:
    assert "is issuing" in refuses_to_cancel(make_issuance(gateway, State.INSTALLING))


def advance_and_cancel_at(issuance: Issuance, milestone: str) -> None:
    """While a worker is there somebody cancels."""

    def observe(name: str) -> None:
        if name == milestone:
            requesting.cancel(issuance, timezone.now())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(milestones, "observer", observe)
        issuing.advance(issuance.pk)


BEFORE_THE_CSR = milestones.OF_ORDER[: milestones.OF_ORDER.index("order-ready") + 1]


@pytest.mark.parametrize("milestone", BEFORE_THE_CSR)
def test_a_worker_whose_issuance_is_cancelled_stops_and_writes_no_more(
    gateway: Gateway, cas: SmallCas, milestone: str
) -> None:
    use(gateway, age=70 * DAY)
    issuance = ask(gateway, Trigger.RENEWAL)
    advance_and_cancel_at(issuance, f"production:{milestone}")
    issuance.refresh_from_db()
    assert issuance.current is State.CANCELLED
    assert issuance.lease_owner == ""
    assert Event.objects.latest("pk").code == "issuance-cancelled"
    assert Certificate.objects.filter(issuance=issuance).count() == 0
    assert not ChallengeToken.objects.exists()
    assert cas.production.counts["finalize"] == 0
    assert issuing.advance(issuance.pk) is None
    assert advanced(issuance).current is State.CANCELLED


@pytest.mark.parametrize("milestone", ["finalize-answered", "order-valid", "chain-downloaded"])
def test_once_the_ca_has_the_certificate_request_the_issuance_goes_on_to_its_end(
    gateway: Gateway, cas: SmallCas, milestone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(gateway, age=70 * DAY)
    issuance = ask(gateway, Trigger.RENEWAL)
    refusals = []

    def observe(name: str) -> None:
        if name == f"production:{milestone}":
            row = Issuance.objects.get(pk=issuance.pk)
            refusals.append(refuses_to_cancel(row))

    monkeypatch.setattr(milestones, "observer", observe)
    assert advanced(issuance).current is State.DONE
    assert len(refusals) == 1
    assert "is issuing" in refusals[0]
    assert cas.production.counts["certificate"] == 1


def test_the_staging_orders_certificate_request_does_not_keep_it_from_being_cancelled(
    gateway: Gateway, cas: SmallCas
) -> None:
    issuance = ask(gateway)
    advance_and_cancel_at(issuance, "staging:order-valid")
    issuance.refresh_from_db()
    assert issuance.current is State.CANCELLED
    assert cas.staging.counts["finalize"] == 1
    assert cas.production.counts["new-order"] == 0


def test_a_cancelled_issuance_is_no_failure(gateway: Gateway) -> None:
    requesting.cancel(ask(gateway), timezone.now())
    assert not Backoff.objects.exists()
    assert ask(gateway).attempt == 1


def test_a_set_of_names_that_is_free_again_meanwhile_may_be_tried_again(gateway: Gateway) -> None:
    with pytest.raises(ProblemError) as caught:
        requesting._live_for(gateway, "a set without any issuance")
    assert caught.value.problem.retryable
    assert caught.value.problem.code == "issuance-running"


def test_a_renewal_that_was_cancelled_begins_again_only_after_a_day(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    use(gateway, age=70 * DAY)
    (first,) = renewing.request_due(timezone.now())
    requesting.cancel(Issuance.objects.get(pk=first), timezone.now())
    assert renewing.request_due(timezone.now() + MINUTE) == []
    travel.shift(DAY + MINUTE)
    assert len(renewing.request_due(timezone.now())) == 1


def test_a_contact_that_was_refused_can_be_corrected(gateway: Gateway) -> None:
    url = "https://ca.example/directory"
    Gateway.objects.filter(pk=gateway.pk).update(contact_email="wrong@example")
    gateway.refresh_from_db()
    account = accounts.account_at(url, gateway)
    gateway.contact_email = "right@example.org"
    corrected = accounts.account_at(url, gateway)
    assert (corrected.pk, corrected.thumbprint) == (account.pk, account.thumbprint)
    assert corrected.contact_email == "right@example.org"
    accounts.registered(corrected, "https://ca.example/account/1")
    gateway.contact_email = "another@example.org"
    assert accounts.account_at(url, gateway).contact_email == "right@example.org"
