"""Asking for issuances and driving them without a CA; with one: the tests of the main job."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from certificates import issuing, leases
from certificates.models import (
    Certificate,
    CertificateSource,
    Event,
    Gateway,
    Issuance,
    Level,
    Stage,
    StageState,
    Trigger,
)
from certificates.policy.issuance import State
from challenges.problems import ProblemError
from tests.certificates.chains import store_leaf
from tests.console import make_gateway, make_issuance

SECOND = datetime.timedelta(seconds=1)


def ask(gateway: Gateway, trigger: Trigger = Trigger.MANUAL) -> Issuance:
    return issuing.request(gateway, trigger=trigger, now=timezone.now())


def refusal(gateway: Gateway) -> str:
    """The code of the refusal, which leaves neither a row nor a line."""
    before = Issuance.objects.count()
    with pytest.raises(ProblemError) as caught:
        ask(gateway)
    assert Issuance.objects.count() == before
    assert not Event.objects.exists()
    assert caught.value.problem.remedy
    return caught.value.problem.code


# Asking


def test_a_request_is_a_row_that_is_due_at_once_and_a_line(gateway: Gateway) -> None:
    Gateway.objects.update(additional_hostnames=["smtp.example.com"], key_type="rsa-3072")
    gateway.refresh_from_db()
    now = timezone.now()
    issuance = issuing.request(gateway, trigger=Trigger.MANUAL, now=now, by="ada")
    issuance.refresh_from_db()
    assert issuance.current is State.WAITING
    assert issuance.names == ["mail.example.com", "smtp.example.com"]
    assert (issuance.key_type, issuance.attempt) == ("rsa-3072", 1)
    assert list(leases.due(now)) == [issuance]
    event = Event.objects.get()
    assert (event.gateway, event.issuance) == (gateway, issuance)
    assert event.message == (
        "A certificate for mail.example.com, smtp.example.com was requested by ada."
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


def test_the_database_itself_lets_only_one_run(gateway: Gateway) -> None:
    make_issuance(gateway, State.PRODUCTION)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_issuance(gateway, State.WAITING)
    make_issuance(gateway, State.FAILED)
    make_issuance(make_gateway("other", "other.example.com"), State.WAITING)


def test_another_gateways_issuance_does_not_count(gateway: Gateway) -> None:
    make_issuance(make_gateway("other", "other.example.com"), State.PRODUCTION)
    assert ask(gateway).gateway == gateway


def test_the_terms_must_have_been_agreed_to(gateway: Gateway) -> None:
    Gateway.objects.update(terms_agreed_at=None)
    gateway.refresh_from_db()
    assert refusal(gateway) == "terms-not-agreed"


def test_nothing_is_requested_while_the_source_is_manual(gateway: Gateway) -> None:
    Gateway.objects.update(certificate_source=CertificateSource.MANUAL)
    gateway.refresh_from_db()
    assert refusal(gateway) == "source-is-manual"


@pytest.mark.parametrize("state", [State.FAILED, State.DONE])
def test_a_pause_that_the_ca_asked_for_is_kept(gateway: Gateway, state: State) -> None:
    now = timezone.now()
    make_issuance(gateway, state, retry_not_before=now + 60 * SECOND)
    assert refusal(gateway) == "ca-asked-to-wait"
    later = now + 60 * SECOND
    assert issuing.request(gateway, trigger=Trigger.MANUAL, now=later).current is State.WAITING


def test_only_the_last_answer_of_the_ca_counts(gateway: Gateway) -> None:
    now = timezone.now()
    hour = datetime.timedelta(hours=1)
    make_issuance(gateway, State.FAILED, retry_not_before=now + hour, started_at=now - hour)
    make_issuance(gateway, State.DONE)
    assert ask(gateway).current is State.WAITING


@pytest.mark.parametrize(
    ("history", "attempt"),
    [
        ([], 1),
        ([State.DONE], 1),
        ([State.FAILED], 2),
        ([State.FAILED, State.FAILED, State.FAILED], 4),
        ([State.FAILED, State.FAILED, State.DONE], 1),
        ([State.DONE, State.FAILED], 2),
        ([State.FAILED, State.CANCELLED], 1),
    ],
)
def test_failures_in_a_row_are_counted(
    gateway: Gateway, history: list[State], attempt: int
) -> None:
    for state in history:
        issuance = ask(gateway)
        Issuance.objects.filter(pk=issuance.pk).update(state=state, finished_at=timezone.now())
    assert ask(gateway).attempt == attempt


# Moving on


def test_a_fault_of_our_own_is_repeated_a_few_times_and_then_the_end(gateway: Gateway) -> None:
    issuance = make_issuance(gateway, State.STAGING_TEST, key_type="no such key type")
    Stage.objects.create(issuance=issuance, stage="staging_test", started_at=timezone.now())
    waits = []
    for _ in range(4):
        issuing.advance(issuance.pk)
        issuance.refresh_from_db()
        assert issuance.lease_owner == ""
        if issuance.next_step_at is not None:
            waits.append(round((issuance.next_step_at - timezone.now()).total_seconds()))
            Issuance.objects.update(next_step_at=timezone.now())
    assert waits == [2, 5, 15]
    assert issuance.current is State.FAILED
    assert issuance.finished_at is not None
    problem = issuance.problem
    assert problem is not None
    assert (problem.code, problem.detail) == ("internal-error", "ValueError")
    assert Stage.objects.get().state == StageState.FAILED
    assert Event.objects.filter(code="step-repeated", level=Level.WARNING).count() == 3
    assert Event.objects.get(level=Level.ERROR).code == "staging-test-failed"


def test_nothing_happens_before_the_next_step_is_due(gateway: Gateway) -> None:
    later = timezone.now() + 60 * SECOND
    issuance = make_issuance(gateway, State.WAITING, next_step_at=later)
    issuing.advance(issuance.pk)
    issuance.refresh_from_db()
    assert (issuance.current, issuance.next_step_at) == (State.WAITING, later)


def test_what_another_works_on_is_left_alone(gateway: Gateway) -> None:
    issuance = make_issuance(gateway, State.WAITING)
    lease = leases.claim(issuance.pk, timezone.now())
    issuing.advance(issuance.pk)
    issuance.refresh_from_db()
    assert lease is not None
    assert (issuance.current, issuance.lease_owner) == (State.WAITING, lease.owner)


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.CANCELLED])
def test_what_has_ended_stays_as_it_is(gateway: Gateway, state: State) -> None:
    issuance = make_issuance(gateway, state)
    issuing.advance(issuance.pk)
    issuance.refresh_from_db()
    assert issuance.current is state
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_an_issuance_that_is_gone_is_no_fault() -> None:
    issuing.advance(4711)


def test_a_certificate_that_was_issued_is_installed_and_the_issuance_is_done(
    gateway: Gateway, data_dir: Path
) -> None:
    issuance = make_issuance(gateway, State.INSTALLING)
    certificate = store_leaf(gateway)
    Certificate.objects.update(issuance=issuance)
    issuing.advance(issuance.pk)
    issuance.refresh_from_db()
    gateway.refresh_from_db()
    assert (issuance.current, issuance.problem) == (State.DONE, None)
    assert gateway.selected_certificate == certificate
    assert (data_dir / "live" / "default" / "privkey.pem").is_file()


def test_a_manual_choice_during_the_issuance_wins(gateway: Gateway, data_dir: Path) -> None:
    issuance = make_issuance(gateway, State.INSTALLING)
    store_leaf(gateway)
    Certificate.objects.update(issuance=issuance)
    Gateway.objects.update(certificate_source=CertificateSource.MANUAL)
    issuing.advance(issuance.pk)
    issuance.refresh_from_db()
    gateway.refresh_from_db()
    assert issuance.current is State.DONE
    assert gateway.selected_certificate is None
    assert not (data_dir / "live").exists()


def test_when_the_files_cannot_be_written_the_issuance_fails_and_says_so(
    gateway: Gateway, data_dir: Path
) -> None:
    (data_dir / "live" / "default" / "in the way").mkdir(parents=True)
    issuance = make_issuance(gateway, State.INSTALLING)
    store_leaf(gateway)
    Certificate.objects.update(issuance=issuance)
    issuing.advance(issuance.pk)
    issuance.refresh_from_db()
    gateway.refresh_from_db()
    assert issuance.current is State.FAILED
    assert issuance.problem is not None
    assert issuance.problem.code == "certificate-files-not-written"
    assert gateway.selected_certificate is None
    assert issuance.certificate.sealed_key
