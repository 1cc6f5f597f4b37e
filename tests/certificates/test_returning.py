"""Automatic renewal runs while nothing else is selected, and the way back to it begins at once."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from django.utils import timezone

from certificates import (
    backoffs,
    configuring,
    deploying,
    directories,
    plans,
    queries,
    renewing,
    requesting,
    store,
)
from certificates.configuring import Wishes
from certificates.models import (
    Backoff,
    Certificate,
    CertificateSource,
    Directory,
    Gateway,
    Issuance,
    Origin,
    Pause,
    Trigger,
)
from certificates.policy.issuance import Course, Environment, State
from certificates.policy.names import identifier_set
from certificates.policy.refusal import Scope
from challenges.problems import Problem, ProblemError, Severity
from tests.certificates.chains import make_chain, store_leaf
from tests.certificates.engine import DAY, HOUR
from tests.console import make_gateway, make_issuance

BY_HAND = (Origin.IMPORTED, Origin.REQUESTED, Origin.SELF_SIGNED)


@pytest.fixture(autouse=True)
def own_directory(data_dir: Path) -> None:
    """Whatever comes into use here is written to a directory of the test's own."""


def begun(
    gateway: Gateway, days_ago: float, origin: Origin = Origin.LETS_ENCRYPT, *names: str
) -> Certificate:
    """A certificate of ninety days, for all names of the gateway unless others are given."""
    begin = timezone.now() - days_ago * DAY
    certificate = store_leaf(gateway, make_chain(*(names or gateway.names), begin=begin), origin)
    if origin == Origin.LETS_ENCRYPT:
        plans.schedule(certificate)
    return certificate


def used_by_hand(gateway: Gateway, origin: Origin = Origin.IMPORTED) -> Certificate:
    """One that somebody has selected."""
    chosen = begun(gateway, 1, origin)
    deploying.select(chosen, gateway, timezone.now())
    gateway.refresh_from_db()
    return chosen


def back(gateway: Gateway) -> deploying.Returned:
    """The button, on the page or in the settings."""
    return deploying.return_to_lets_encrypt(gateway, timezone.now(), by="ada")


# When renewal is automatic: the source, what is in use, and the newest that was issued

FROM_THERE = ("own", "older")
TABLE = [
    # What was issued here can only be in use where something was issued.
    (source, in_use, has_issued)
    for source, in_use, has_issued in itertools.product(
        CertificateSource, ("none", *FROM_THERE, *BY_HAND), (False, True)
    )
    if has_issued or in_use not in FROM_THERE
]


@pytest.mark.parametrize(("source", "in_use", "has_issued"), TABLE)
def test_what_is_due_is_renewed_exactly_while_nothing_else_was_selected(
    gateway: Gateway, source: str, in_use: str, has_issued: bool
) -> None:
    older, own = (begun(gateway, 75), begun(gateway, 70)) if has_issued else (None, None)
    selected = {"none": None, "own": own, "older": older}.get(in_use)
    if in_use in BY_HAND:
        selected = begun(gateway, 70, Origin(in_use))
    Gateway.objects.update(selected_certificate=selected, certificate_source=source)
    gateway.refresh_from_db()
    # Also where the one in use is from elsewhere: that waits for one from there.
    expected = source == CertificateSource.LETS_ENCRYPT and in_use != "none"
    assert plans.is_automatic(gateway, selected) is expected
    assert plans.is_renewed(gateway, selected) is (expected and in_use in FROM_THERE)
    begun_now = renewing.request_due(timezone.now())
    assert bool(begun_now) is expected
    if expected:
        course = Issuance.objects.get().course
        assert course == (Course.DIRECT if in_use in FROM_THERE else Course.TESTED)


@pytest.mark.parametrize("origin", ["own", "older", *BY_HAND])
def test_a_selection_turns_renewal_off_and_the_newest_issued_one_turns_it_on(
    gateway: Gateway, origin: str
) -> None:
    older, newest = begun(gateway, 75), begun(gateway, 70)
    chosen = {"own": newest, "older": older}.get(origin)
    chosen = chosen or begun(gateway, 70, Origin(origin))
    deploying.select(chosen, gateway, timezone.now())
    assert bool(renewing.request_due(timezone.now())) is (origin == "own")
    Issuance.objects.all().delete()
    deploying.select(newest, gateway, timezone.now())
    assert len(renewing.request_due(timezone.now())) == 1


# The way back


def test_a_certificate_that_lasts_is_put_back_to_use_and_nothing_is_asked(gateway: Gateway) -> None:
    issued = begun(gateway, 5)
    used_by_hand(gateway)
    assert back(gateway) == deploying.Returned()
    gateway.refresh_from_db()
    assert gateway.selected_certificate == issued
    assert not Issuance.objects.exists()


def test_one_whose_renewal_is_due_is_put_back_to_use_and_renewed_at_once(gateway: Gateway) -> None:
    issued = begun(gateway, 70)
    used_by_hand(gateway)
    returned = back(gateway)
    gateway.refresh_from_db()
    assert gateway.selected_certificate == issued
    assert returned.issuance == Issuance.objects.get()
    assert returned.issuance.trigger == Trigger.RENEWAL
    assert returned.issuance.course == Course.DIRECT


@pytest.mark.parametrize("origin", BY_HAND)
@pytest.mark.parametrize("why", ["missing", "expired", "other names", "keyless"])
def test_where_none_can_be_used_one_is_asked_for_at_once(
    gateway: Gateway, origin: Origin, why: str
) -> None:
    match why:
        case "expired":
            begun(gateway, 91)
        case "other names":
            begun(gateway, 5, Origin.LETS_ENCRYPT, "old.example.com")
        case "keyless":
            begun(gateway, 5)
            Certificate.objects.update(sealed_key="v1.00000000.AAAA")
    chosen = used_by_hand(gateway, origin)
    returned = back(gateway)
    gateway.refresh_from_db()
    assert gateway.selected_certificate == chosen
    assert gateway.uses_lets_encrypt
    assert returned.issuance is not None
    assert returned.issuance.next_step_at is not None
    assert returned.issuance.course == Course.TESTED
    assert "requested by ada" in returned.issuance.events.get().message


def test_without_any_certificate_the_first_is_asked_for(gateway: Gateway) -> None:
    Gateway.objects.update(certificate_source=CertificateSource.MANUAL)
    assert back(gateway).issuance is not None


def test_pressed_twice_it_begins_once(gateway: Gateway) -> None:
    used_by_hand(gateway)
    first, second = back(gateway), back(gateway)
    assert first.issuance == second.issuance == Issuance.objects.get()


def test_what_must_not_begin_is_told_and_the_source_is_changed_all_the_same(
    gateway: Gateway,
) -> None:
    used_by_hand(gateway)
    Gateway.objects.update(terms_agreed_at=None)
    returned = back(gateway)
    gateway.refresh_from_db()
    assert returned.issuance is None
    assert returned.held_back is not None
    assert returned.held_back.code == "terms-not-agreed"
    assert gateway.uses_lets_encrypt
    assert not Issuance.objects.exists()


def test_a_rehearsal_that_runs_is_told(gateway: Gateway) -> None:
    used_by_hand(gateway)
    make_issuance(gateway, State.WAITING, course=Course.REHEARSAL.value)
    held_back = back(gateway).held_back
    assert held_back is not None
    assert held_back.code == "issuance-running"


def test_what_had_stopped_before_does_not_hold_it_back(gateway: Gateway) -> None:
    begun(gateway, 70)
    used_by_hand(gateway)
    permanent = Problem("acme-caa", Severity.ERROR, "A CAA record forbids it.")
    backoffs.failed(identifier_set(gateway.names), permanent, timezone.now(), lifetime=None)
    assert back(gateway).issuance is not None


def test_a_ca_that_is_away_is_left_to_the_sweep(gateway: Gateway) -> None:
    begun(gateway, 70)
    used_by_hand(gateway)
    now = timezone.now()
    for environment in Environment:
        Directory.objects.create(
            url=directories.url_of(environment),
            away_since=now - HOUR,
            next_probe_at=now + HOUR,
            failed_probes=3,
        )
    assert back(gateway) == deploying.Returned()
    Directory.objects.update(away_since=None, next_probe_at=None)
    assert len(renewing.request_due(now)) == 1


def test_a_pause_of_the_cas_is_told(gateway: Gateway) -> None:
    used_by_hand(gateway)
    Pause.objects.create(
        directory_url=directories.url_of(Environment.PRODUCTION),
        scope=Scope.CA.value,
        until=timezone.now() + HOUR,
        problem_facts=Problem("acme-rate-limited", Severity.ERROR, "Wait.").to_json(),
    )
    held_back = back(gateway).held_back
    assert held_back is not None
    assert held_back.code == "ca-asked-to-wait"


def test_when_the_files_cannot_be_written_nothing_is_asked_either(gateway: Gateway) -> None:
    begun(gateway, 70)
    used_by_hand(gateway)
    link = store.live_directory(gateway)
    link.unlink()
    (link / "in the way").mkdir(parents=True)
    with pytest.raises(ProblemError):
        back(gateway)
    gateway.refresh_from_db()
    assert not gateway.uses_lets_encrypt
    assert not Issuance.objects.exists()


# What could not begin is asked for by the sweep

PAUSE = Problem("acme-rate-limited", Severity.ERROR, "Wait.")


def hold_back(why: str, gateway: Gateway) -> None:
    """Let nothing begin for this gateway."""
    match why:
        case "terms":
            Gateway.objects.filter(pk=gateway.pk).update(terms_agreed_at=None)
        case "pause":
            Pause.objects.create(
                directory_url=directories.url_of(Environment.PRODUCTION),
                scope=Scope.CA.value,
                until=timezone.now() + HOUR,
                problem_facts=PAUSE.to_json(),
            )
        case "rehearsal":
            make_issuance(gateway, State.WAITING, course=Course.REHEARSAL.value)


def let_go(gateway: Gateway) -> None:
    """What held it back has passed."""
    Gateway.objects.filter(pk=gateway.pk).update(terms_agreed_at=timezone.now())
    Pause.objects.all().delete()
    Issuance.objects.all().delete()


@pytest.mark.parametrize("why", ["terms", "pause", "rehearsal"])
@pytest.mark.parametrize("origin", BY_HAND)
def test_what_was_held_back_begins_by_itself_once_it_can(
    gateway: Gateway, origin: Origin, why: str
) -> None:
    used_by_hand(gateway, origin)
    hold_back(why, gateway)
    gateway.refresh_from_db()
    assert back(gateway).issuance is None
    now = timezone.now()
    assert renewing.request_due(now) == []
    let_go(gateway)
    assert len(renewing.request_due(now)) == 1
    assert Issuance.objects.get().trigger == Trigger.RENEWAL


def test_a_first_certificate_that_was_held_back_is_left_to_a_person(gateway: Gateway) -> None:
    Gateway.objects.update(certificate_source=CertificateSource.MANUAL, terms_agreed_at=None)
    gateway.refresh_from_db()
    assert back(gateway).held_back is not None
    let_go(gateway)
    assert renewing.request_due(timezone.now()) == []


def test_what_has_failed_is_tried_again_after_its_pause(gateway: Gateway) -> None:
    used_by_hand(gateway)
    back(gateway)
    Issuance.objects.all().delete()
    passing = Problem("acme-connection", Severity.ERROR, "Refused.", retryable=True)
    now, names_key = timezone.now(), identifier_set(gateway.names)
    backoffs.failed(names_key, passing, now, lifetime=90 * DAY)
    assert renewing.request_due(now) == []
    assert len(renewing.request_due(now + HOUR)) == 1


def test_what_cannot_pass_by_itself_is_not_tried_again(gateway: Gateway) -> None:
    used_by_hand(gateway)
    back(gateway)
    Issuance.objects.all().delete()
    permanent = Problem("acme-caa", Severity.ERROR, "A CAA record forbids it.")
    now, names_key = timezone.now(), identifier_set(gateway.names)
    backoffs.failed(names_key, permanent, now, lifetime=90 * DAY)
    assert renewing.request_due(now + 9 * DAY) == []
    summary = queries.gateway_details(gateway.slug, now).summary
    assert summary.next_renewal is None
    assert summary.renewal_stopped == permanent
    assert "renewal-stopped" in {warning.code for warning in summary.warnings}


def test_what_was_asked_for_and_cancelled_does_not_begin_again_at_once(gateway: Gateway) -> None:
    used_by_hand(gateway)
    issuance = back(gateway).issuance
    assert issuance is not None
    now = timezone.now()
    requesting.cancel(issuance, now, by="ada")
    assert renewing.request_due(now + HOUR) == []
    assert len(renewing.request_due(now + 2 * DAY)) == 1


def test_a_first_one_that_was_cancelled_holds_nothing_back(gateway: Gateway) -> None:
    Gateway.objects.update(certificate_source=CertificateSource.MANUAL)
    gateway.refresh_from_db()
    issuance = back(gateway).issuance
    assert issuance is not None
    requesting.cancel(issuance, timezone.now(), by="ada")
    assert not Backoff.objects.exists()


def test_what_is_from_elsewhere_is_not_rehearsed_meanwhile(gateway: Gateway) -> None:
    used_by_hand(gateway)
    Gateway.objects.update(
        certificate_source=CertificateSource.LETS_ENCRYPT, next_rehearsal_at=timezone.now() - DAY
    )
    assert renewing.rehearse_due(timezone.now()) == []


# What is said meanwhile


@pytest.mark.parametrize("why", ["terms", "pause"])
def test_the_pages_tell_that_it_has_not_begun(gateway: Gateway, why: str) -> None:
    chosen = used_by_hand(gateway)
    hold_back(why, gateway)
    gateway.refresh_from_db()
    back(gateway)
    now = timezone.now()
    summary = queries.gateway_details(gateway.slug, now).summary
    assert summary.renewal_off == ""
    assert summary.next_renewal is not None
    assert summary.next_renewal.is_at_once
    assert "not from Let's Encrypt" in summary.next_renewal.reason
    (warning,) = (each for each in summary.warnings if each.code == "renewal-not-begun")
    assert ("read the terms" in warning.remedy[0]) is (why == "terms")
    told = queries.current_warnings(now, queries.console(now)).problems
    assert warning in {placed.problem for placed in told}
    plan = queries.certificate_page(Certificate.objects.get(pk=chosen.pk), now).plan
    assert plan.sentence == summary.next_renewal.reason
    assert plan.renewed_at is None
    let_go(gateway)
    renewing.request_due(now)
    summary = queries.gateway_details(gateway.slug, now).summary
    assert "renewal-not-begun" not in {each.code for each in summary.warnings}


SENTENCES = {
    ("none", "begun"): "The first certificate from Let's Encrypt has been asked for.",
    ("none", "held back"): "Press Test and obtain certificate",
    ("elsewhere", "begun"): "The one in use stays until it takes its place",
    ("elsewhere", "held back"): "is asked for by itself as soon as that is possible",
    ("from there", "begun"): "its renewal, which is due, has begun",
    ("from there", "held back"): "which is due, could not begin yet",
    ("from there", "nothing"): "automatic renewal is on",
}


@pytest.mark.parametrize(("in_use", "outcome"), SENTENCES)
def test_what_follows_is_told_as_it_is(gateway: Gateway, in_use: str, outcome: str) -> None:
    Gateway.objects.update(certificate_source=CertificateSource.MANUAL)
    if in_use == "from there":
        begun(gateway, 5 if outcome == "nothing" else 70)
    if in_use != "none":
        used_by_hand(gateway)
    if outcome == "held back":
        hold_back("terms", gateway)
    gateway.refresh_from_db()
    returned = back(gateway)
    gateway.refresh_from_db()
    assert SENTENCES[in_use, outcome] in configuring.what_follows(gateway, returned)


# From the settings


@pytest.mark.parametrize("days_ago", [5, 70])
def test_the_settings_say_what_followed(gateway: Gateway, days_ago: float) -> None:
    issued = begun(gateway, days_ago)
    used_by_hand(gateway)
    wishes = Wishes(certificate_source="lets-encrypt")
    configured = configuring.configure("default", wishes, now=timezone.now(), by="ada")
    gateway.refresh_from_db()
    assert gateway.selected_certificate == issued
    assert configured.gateway is not None
    assert configured.gateway.selected_certificate == issued
    assert configured.returned is not None
    assert bool(configured.returned.issuance) is (days_ago == 70)


def test_names_changed_along_with_the_source_are_those_that_are_asked_for(
    gateway: Gateway,
) -> None:
    begun(gateway, 5)
    used_by_hand(gateway)
    wishes = Wishes(certificate_source="lets-encrypt", hostname="mx.example.com")
    configured = configuring.configure("default", wishes, now=timezone.now())
    assert configured.returned is not None
    assert configured.returned.issuance is not None
    assert configured.returned.issuance.names == ["mx.example.com"]


def test_no_other_setting_begins_anything(gateway: Gateway) -> None:
    used_by_hand(gateway)
    wishes = Wishes(contact_email="a@example.com", keeps_key=True)
    configured = configuring.configure("default", wishes, now=timezone.now())
    assert configured.returned is None


def test_another_gateway_is_not_concerned(gateway: Gateway) -> None:
    other = make_gateway("other", "other.example.com")
    begun(other, 70)
    used_by_hand(gateway)
    back(gateway)
    assert not Issuance.objects.filter(gateway=other).exists()
