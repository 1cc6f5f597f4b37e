"""One order with a small CA: crashes, earlier validations, and certificates that are none."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from django.utils import timezone

from certificates import issuing, milestones, pauses, pem
from certificates.models import (
    Account,
    Backoff,
    Certificate,
    Event,
    Gateway,
    Issuance,
    LimitUse,
    Order,
    OrderStatus,
    Trigger,
)
from certificates.policy.issuance import Course, Environment, State
from certificates.policy.limits import Limit
from certificates.policy.names import identifier_set
from certificates.policy.refusal import Scope
from challenges.problems import Problem, Severity
from tests.certificates.authority.ca import Reply, Seen, refusal
from tests.certificates.engine import (
    DAY,
    MINUTE,
    SECOND,
    SmallCas,
    advanced,
    ask,
    at_the_end,
    code_of,
    obtained,
    renew,
    use,
)
from tests.parts.small_ca import SmallCa

pytestmark = pytest.mark.usefixtures("travel")

BUSY = Problem("acme-rate-limited", Severity.ERROR, "The CA is busy.", retryable=True)


class PowerCutError(BaseException):
    """As if the process had ended there: nothing that it could still do is done."""


def die_at(issuance: Issuance, milestone: str) -> None:
    """A worker goes on up to there and is gone; its lease is left behind and has run out."""

    def observe(name: str) -> None:
        if name == milestone:
            raise PowerCutError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(milestones, "observer", observe)
        with pytest.raises(PowerCutError):
            issuing.advance(issuance.pk)
    past = timezone.now() - SECOND
    Issuance.objects.filter(pk=issuance.pk).update(lease_owner="dead", lease_expires_at=past)


def asked_after(ca: SmallCa, before: int) -> list[str]:
    """The endpoints asked since then, but for what any new connection needs."""
    later = [each.endpoint for each in ca.asked[before:]]
    return [endpoint for endpoint in later if endpoint not in {"directory", "new-nonce"}]


# After a crash


@pytest.mark.parametrize(
    ("milestone", "further"),
    [
        ("order-stored", ["order", "authorization", "challenge", "order", "finalize"]),
        # The CA has validated meanwhile, so that the next step is the last.
        ("answers-stored", ["order", "finalize"]),
        ("order-ready", ["order", "finalize"]),
        # What was asked for last may have been carried out: it is looked at, not asked again.
        ("finalize-answered", ["order"]),
        ("order-valid", ["order"]),
    ],
)
def test_whoever_comes_after_a_crash_reads_the_order_first(
    gateway: Gateway, cas: SmallCas, milestone: str, further: list[str]
) -> None:
    use(gateway, age=70 * DAY)
    issuance = ask(gateway, Trigger.RENEWAL)
    die_at(issuance, f"production:{milestone}")
    before = len(cas.production.asked)
    assert advanced(issuance).current is State.DONE
    assert asked_after(cas.production, before) == [*further, "certificate"]
    assert cas.production.counts["new-order"] == 1
    assert cas.production.counts["finalize"] == 1


def test_an_order_whose_address_was_lost_is_placed_anew_with_the_same_key(
    gateway: Gateway, cas: SmallCas
) -> None:
    use(gateway, age=70 * DAY)
    issuance = ask(gateway, Trigger.RENEWAL)
    die_at(issuance, "production:new-order-answered")
    key = Order.objects.get().sealed_key
    assert advanced(issuance).current is State.DONE
    assert Order.objects.get().sealed_key == key
    # Both have been counted, since the CA has counted both.
    assert LimitUse.objects.filter(limit=Limit.NEW_ORDERS.value).count() == 2


def test_a_certificate_is_counted_once_however_often_the_order_is_read(
    gateway: Gateway, cas: SmallCas
) -> None:
    use(gateway, age=70 * DAY)
    issuance = ask(gateway, Trigger.RENEWAL)
    for _ in range(3):
        die_at(issuance, "production:order-valid")
    die_at(issuance, "production:chain-downloaded")
    assert advanced(issuance).current is State.DONE
    assert cas.production.counts["order"] == 5
    assert sorted(LimitUse.objects.values_list("limit", "subject")) == [
        (Limit.CERTIFICATES_PER_DOMAIN.value, "example.com"),
        (Limit.CERTIFICATES_PER_SET.value, issuance.identifier_set),
        (Limit.NEW_ORDERS.value, ""),
    ]


def test_a_lost_answer_to_the_finalization_is_asked_for(gateway: Gateway, cas: SmallCas) -> None:
    use(gateway, age=70 * DAY)
    issuance = ask(gateway, Trigger.RENEWAL)
    die_at(issuance, "production:finalize-answered")
    # Its owner has given the lease back, so that the next one believes the stored status.
    Issuance.objects.update(lease_owner="", lease_expires_at=None)
    assert Order.objects.get().status == OrderStatus.READY
    assert advanced(issuance).current is State.DONE
    assert len(cas.production.issued) == 1


# The staging test


def rehearsed(gateway: Gateway) -> Issuance:
    """A rehearsal, which is the staging test alone."""
    return advanced(ask(gateway, Trigger.REHEARSAL))


def test_a_validation_that_the_staging_ca_remembers_is_given_up_and_made_anew(
    gateway: Gateway, cas: SmallCas
) -> None:
    cas.staging.reuses = True
    assert rehearsed(gateway).current is State.DONE
    cas.staging.asked.clear()
    assert rehearsed(gateway).current is State.DONE
    counts = cas.staging.counts
    assert (counts["new-order"], counts["challenge"], counts["finalize"]) == (2, 1, 1)
    authorizations = cas.staging.requests_for("authorization")
    assert sum(b"deactivated" in each.seen.payload for each in authorizations) == 1


def test_a_test_of_several_names_leans_on_no_earlier_validation_of_one(
    gateway: Gateway, cas: SmallCas
) -> None:
    cas.staging.reuses = True
    assert rehearsed(gateway).current is State.DONE
    gateway.additional_hostnames = ["smtp.example.com"]
    gateway.save()
    cas.staging.asked.clear()
    issuance = rehearsed(gateway)
    assert issuance.current is State.DONE
    assert cas.staging.counts["challenge"] == 2
    (order,) = issuance.orders.exclude(status=OrderStatus.INVALID)
    assert order.has_proved_all(2)
    assert "could check mail.example.com, smtp.example.com." in passed(issuance)


def test_a_test_says_which_proof_it_could_not_make_anew(gateway: Gateway, cas: SmallCas) -> None:
    cas.staging.reuses = True
    assert rehearsed(gateway).current is State.DONE
    cas.staging.instead["authorization"] = lambda seen: (
        refusal("malformed") if b"deactivated" in seen.payload else None
    )
    gateway.additional_hostnames = ["smtp.example.com"]
    gateway.save()
    issuance = rehearsed(gateway)
    assert issuance.current is State.DONE
    assert "by earlier proofs" in passed(issuance)


def passed(issuance: Issuance) -> str:
    """What the log says of the passed test."""
    return Event.objects.get(issuance=issuance, code="staging-test-passed").message


def test_a_name_that_can_no_longer_be_validated_fails_although_the_ca_remembers_it(
    gateway: Gateway, cas: SmallCas
) -> None:
    cas.staging.reuses = True
    assert rehearsed(gateway).current is State.DONE
    cas.staging.failing = "connection"
    assert code_of(rehearsed(gateway)) == "acme-connection"


def test_a_ca_that_does_not_give_a_validation_up_is_asked_once(
    gateway: Gateway, cas: SmallCas
) -> None:
    cas.staging.reuses = True
    assert rehearsed(gateway).current is State.DONE
    cas.staging.asked.clear()

    def insist(seen: Seen) -> Reply | None:
        return Reply({"status": "deactivated"}) if b"deactivated" in seen.payload else None

    cas.staging.instead["authorization"] = insist
    assert rehearsed(gateway).current is State.DONE
    counts = cas.staging.counts
    assert (counts["new-order"], counts["authorization"], counts["challenge"]) == (2, 1, 0)


def test_production_may_use_what_it_remembers(gateway: Gateway, cas: SmallCas) -> None:
    cas.production.reuses = True
    obtained(gateway)
    cas.production.asked.clear()
    assert renew(gateway).current is State.DONE
    counts = cas.production.counts
    assert (counts["new-order"], counts["challenge"], counts["finalize"]) == (1, 0, 1)


# What it renews


def replaced(cas: SmallCas) -> list[str | None]:
    """What each production order said that it replaces."""
    return [each.body.get("replaces") for each in cas.production.requests_for("new-order")]


def test_a_renewal_names_what_it_replaces(gateway: Gateway, cas: SmallCas) -> None:
    certificate = obtained(gateway)
    assert renew(gateway).current is State.DONE
    leaf = pem.split(certificate.chain_pem.encode())[0]
    assert replaced(cas) == [None, pem.renewal_id(leaf)]


@pytest.mark.parametrize(
    "objection",
    [
        refusal("alreadyReplaced", 409),
        refusal("malformed", 400, detail="order replaces a certificate of another account"),
        refusal("serverInternal", 500, detail="checking replaced certificate"),
    ],
)
def test_a_ca_that_objects_to_it_is_asked_exactly_once_more_without(
    gateway: Gateway, cas: SmallCas, objection: Reply
) -> None:
    obtained(gateway)

    def object_to(seen: Seen) -> Reply | None:
        return objection if b"replaces" in seen.payload else None

    cas.production.instead["new-order"] = object_to
    assert renew(gateway).current is State.DONE
    assert [bool(each) for each in replaced(cas)] == [False, True, False]
    assert Order.objects.latest("pk").replaces == ""


def test_a_ca_that_refuses_without_it_as_well_has_refused(gateway: Gateway, cas: SmallCas) -> None:
    obtained(gateway)
    cas.production.instead["new-order"] = refusal("alreadyReplaced", 409)
    assert renew(gateway).current is State.FAILED
    assert [bool(each) for each in replaced(cas)] == [False, True, False]


# The profile


def test_the_profile_is_asked_for_in_every_order_even_in_one_that_is_placed_again(
    gateway: Gateway, cas: SmallCas
) -> None:
    offer(cas.staging, "shortlived")
    offer(cas.production, "shortlived")
    Gateway.objects.update(profile="shortlived")
    gateway.refresh_from_db()
    assert advanced(ask(gateway)).current is State.DONE
    assert profiles(cas.staging) == profiles(cas.production) == ["shortlived"]

    def object_to(seen: Seen) -> Reply | None:
        return refusal("alreadyReplaced", 409) if b"replaces" in seen.payload else None

    cas.production.instead["new-order"] = object_to
    gateway.refresh_from_db()
    assert renew(gateway).current is State.DONE
    assert [bool(each) for each in replaced(cas)] == [False, True, False]
    assert profiles(cas.production) == ["shortlived"] * 3


@pytest.mark.parametrize("names", [(), ("classic",)])
def test_the_test_does_without_a_profile_that_staging_does_not_offer(
    gateway: Gateway, cas: SmallCas, names: tuple[str, ...]
) -> None:
    offer(cas.staging, *names)
    offer(cas.production, "shortlived")
    Gateway.objects.update(profile="shortlived")
    gateway.refresh_from_db()
    assert advanced(ask(gateway)).current is State.DONE
    assert (profiles(cas.staging), profiles(cas.production)) == ([None], ["shortlived"])
    assert [order.profile for order in Order.objects.order_by("pk")] == ["", "shortlived"]


def offer(ca: SmallCa, *names: str) -> None:
    """Its directory lists these profiles."""
    meta = {"termsOfService": "https://ca.example/terms", "profiles": dict.fromkeys(names, "")}
    ca.instead["directory"] = Reply(ca.directory(meta=meta))


def profiles(ca: SmallCa) -> list[str | None]:
    """What each order asked for."""
    return [each.body.get("profile") for each in ca.requests_for("new-order")]


# Certificates that are none


def for_another_key(ca: SmallCa, csr: x509.CertificateSigningRequest, names: Sequence[str]) -> str:
    other = ec.generate_private_key(ec.SECP256R1())
    return pem.to_pem([ca.leaf(other.public_key(), names), ca.root()])


def for_another_name(ca: SmallCa, csr: x509.CertificateSigningRequest, names: Sequence[str]) -> str:
    return pem.to_pem([ca.leaf(key_in(csr), ["other.example.com"]), ca.root()])


def for_one_name_more(
    ca: SmallCa, csr: x509.CertificateSigningRequest, names: Sequence[str]
) -> str:
    return pem.to_pem([ca.leaf(key_in(csr), [*names, "other.example.com"]), ca.root()])


def expired(ca: SmallCa, csr: x509.CertificateSigningRequest, names: Sequence[str]) -> str:
    return pem.to_pem([ca.leaf(key_in(csr), names, ca.clock() - 91 * DAY), ca.root()])


def not_yet_valid(ca: SmallCa, csr: x509.CertificateSigningRequest, names: Sequence[str]) -> str:
    return pem.to_pem([ca.leaf(key_in(csr), names, ca.clock() + 2 * DAY), ca.root()])


def out_of_order(ca: SmallCa, csr: x509.CertificateSigningRequest, names: Sequence[str]) -> str:
    leaf = ca.leaf(key_in(csr), names)
    return pem.to_pem([leaf, leaf, ca.root()])


def unreadable(ca: SmallCa, csr: x509.CertificateSigningRequest, names: Sequence[str]) -> str:
    return "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def key_in(csr: x509.CertificateSigningRequest) -> ec.EllipticCurvePublicKey:
    key = csr.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


Forge = Callable[[SmallCa, x509.CertificateSigningRequest, Sequence[str]], str]


def assert_unusable(gateway: Gateway, cas: SmallCas, before: Certificate) -> None:
    """The renewal fails, is paced, and nothing of it is kept."""
    issuance = renew(gateway)
    gateway.refresh_from_db()
    assert (issuance.current, code_of(issuance)) == (State.FAILED, "ca-certificate-unusable")
    assert Certificate.objects.get() == gateway.selected_certificate == before
    assert Order.objects.get().status == OrderStatus.INVALID
    backoff = Backoff.objects.get()
    assert (backoff.failures, backoff.is_stopped) == (1, False)
    assert cas.production.counts["new-order"] == 1
    # The CA counts it, whatever it is worth.
    assert LimitUse.objects.filter(limit=Limit.CERTIFICATES_PER_SET.value).count() == 1


@pytest.mark.parametrize(
    "forge",
    [
        for_another_key,
        for_another_name,
        for_one_name_more,
        expired,
        not_yet_valid,
        out_of_order,
        unreadable,
    ],
)
def test_a_certificate_that_is_not_what_was_ordered_is_never_stored(
    gateway: Gateway, cas: SmallCas, forge: Forge
) -> None:
    before = use(gateway, age=70 * DAY)
    ca = cas.production
    ca.issue = lambda csr, names: forge(ca, csr, names)
    assert_unusable(gateway, cas, before)


def test_a_staging_certificate_from_the_production_ca_is_never_stored(
    gateway: Gateway, cas: SmallCas
) -> None:
    before = use(gateway, age=70 * DAY)
    cas.production.issue = cas.staging.certify
    assert_unusable(gateway, cas, before)


def test_what_is_no_certificate_at_all_is_asked_for_again_and_never_stored(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    before = use(gateway, age=70 * DAY)
    cas.production.issue = lambda csr, names: "<html>Come back later</html>"
    issuance = at_the_end(ask(gateway, Trigger.RENEWAL), travel)
    assert (issuance.current, code_of(issuance)) == (State.FAILED, "ca-answer-invalid")
    # The first minute, and then every quarter of an hour for two days.
    assert 192 <= cas.production.counts["certificate"] < 220
    assert cas.production.counts["new-order"] == 1
    assert Certificate.objects.get() == before


def test_a_certificate_that_cannot_be_fetched_for_hours_is_waited_for_and_not_ordered_again(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    use(gateway, age=70 * DAY)
    cas.production.instead["certificate"] = refusal("serverInternal", 500)
    issuance = ask(gateway, Trigger.RENEWAL)
    back = timezone.now() + 2 * 60 * MINUTE
    while timezone.now() < back:
        assert not advanced(issuance).is_terminal
        assert issuance.next_step_at is not None
        travel.move_to(max(issuance.next_step_at, timezone.now()))
    assert issuance.waits_at(timezone.now() - SECOND)
    cas.production.instead.clear()
    assert at_the_end(issuance, travel).current is State.DONE
    assert cas.production.counts["new-order"] == 1
    assert len(cas.production.issued) == 1


# A CA in trouble is not hammered


def test_a_challenge_that_can_never_be_answered_fails_after_a_minute(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    use(gateway, age=70 * DAY)
    cas.production.instead["challenge"] = refusal("serverInternal", 500)
    begin = timezone.now()
    issuance = at_the_end(ask(gateway, Trigger.RENEWAL), travel)
    assert (issuance.current, code_of(issuance)) == (State.FAILED, "acme-server-internal")
    assert timezone.now() - begin < 2 * MINUTE
    assert cas.production.counts["challenge"] <= 12
    assert cas.production.counts["authorization"] <= 12


def test_an_order_that_is_ready_and_never_moves_is_asked_for_now_and_then(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    use(gateway, age=70 * DAY)
    cas.production.instead["finalize"] = refusal("orderNotReady", 403)
    issuance = at_the_end(ask(gateway, Trigger.RENEWAL), travel)
    assert issuance.current is State.FAILED
    assert cas.production.counts["finalize"] < 400
    assert cas.production.counts["order"] < 400


def test_an_order_that_has_waited_in_line_for_hours_has_an_hour_of_its_own(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    use(gateway, age=70 * DAY)
    cas.production.polls_before_valid = 2
    later = timezone.now() + 5 * 60 * MINUTE
    pauses.note(cas.production.url, Scope.ACCOUNT, [], later, BUSY)
    issuance = Issuance.objects.create(
        gateway=gateway,
        trigger=Trigger.RENEWAL,
        course=Course.DIRECT,
        names=gateway.names,
        identifier_set=identifier_set(gateway.names),
        key_type=gateway.key_type,
        started_at=timezone.now(),
    )
    assert advanced(issuance).waits_at(timezone.now())
    travel.move_to(later + MINUTE)
    assert at_the_end(issuance, travel).current is State.DONE


def test_an_account_that_the_ca_has_closed_is_replaced_by_a_new_one(
    gateway: Gateway, cas: SmallCas
) -> None:
    use(gateway, age=70 * DAY)
    assert renew(gateway).current is State.DONE
    before = Account.objects.get(directory_url=cas.production.url)
    closed = refusal("unauthorized", 403, detail='Account is not valid, has status "deactivated"')

    def new_order(seen: Seen) -> Reply | None:
        return closed if seen.protected["kid"] == before.url else None

    cas.production.instead["new-order"] = new_order
    assert advanced(ask(gateway)).current is State.DONE
    after = Account.objects.get(directory_url=cas.production.url)
    assert after.thumbprint != before.thumbprint
    assert after.url != before.url


def test_the_next_attempt_orders_another(gateway: Gateway, cas: SmallCas) -> None:
    use(gateway, age=70 * DAY)
    ca = cas.production
    ca.issue = lambda csr, names: expired(ca, csr, names)
    assert renew(gateway).current is State.FAILED
    ca.issue = ca.certify
    assert advanced(ask(gateway)).current is State.DONE
    orders = Order.objects.filter(environment=Environment.PRODUCTION.value)
    assert [order.status for order in orders.order_by("pk")] == ["invalid", "valid"]
    assert len({order.csr_pem for order in orders}) == 2


# An order that does not come to an end


def test_an_order_that_hangs_is_given_up_after_an_hour(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    use(gateway, age=70 * DAY)
    cas.production.polls_before_valid = 10**6
    issuance = ask(gateway, Trigger.RENEWAL)
    begin = timezone.now()
    while not advanced(issuance).is_terminal:
        assert issuance.next_step_at is not None
        travel.move_to(issuance.next_step_at)
    assert issuance.current is State.FAILED
    taken = timezone.now() - begin
    assert datetime.timedelta(hours=1) < taken < datetime.timedelta(hours=1, minutes=5)
    assert cas.production.counts["order"] < 400
