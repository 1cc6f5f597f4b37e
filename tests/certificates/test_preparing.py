"""What an order is prepared with: the key first, then what it replaces and its profile."""

from __future__ import annotations

import pytest
from django.utils import timezone

from certificates import accounts, keys, pem, preparing, store, verdicts
from certificates.models import (
    Certificate,
    Directory,
    Event,
    Gateway,
    Issuance,
    Level,
    Order,
    OrderStatus,
    Origin,
)
from certificates.policy.acme_document import CaProblem
from certificates.policy.issuance import Environment, State
from tests.certificates.chains import make_chain, store_leaf
from tests.certificates.engine import DAY, SmallCas, obtained, renew
from tests.console import make_issuance

pytestmark = pytest.mark.usefixtures("travel")


def prepared(
    gateway: Gateway, environment: Environment = Environment.PRODUCTION, **fields: object
) -> Order:
    """The order of an issuance that has just come to it."""
    Issuance.objects.filter(gateway=gateway, finished_at__isnull=True).delete()
    gateway.refresh_from_db()
    issuance = make_issuance(gateway, State.PRODUCTION, **fields)
    return preparing.prepare(issuance, environment)


def identifier(certificate: Certificate) -> str:
    """By RFC 9773 §4.1."""
    return pem.renewal_id(pem.split(certificate.chain_pem.encode())[0])


def test_the_key_is_stored_sealed_and_belongs_to_the_request(
    gateway: Gateway, cas: SmallCas
) -> None:
    order = prepared(gateway)
    order.refresh_from_db()
    assert (order.status, order.url) == (OrderStatus.NEW, "")
    assert preparing.csr_of(order).is_signature_valid
    assert b"PRIVATE" not in order.sealed_key.encode()
    assert preparing.key_of(order)
    assert cas.asked == 0, "nothing is asked of a CA for a key that is not stored"


def test_a_renewal_names_the_certificate_in_use(gateway: Gateway, cas: SmallCas) -> None:
    certificate = obtained(gateway)
    assert prepared(gateway).replaces == identifier(certificate) != ""


def test_one_name_in_common_is_enough(gateway: Gateway, cas: SmallCas) -> None:
    certificate = obtained(gateway)
    names = ["other.example.com", "mail.example.com"]
    assert prepared(gateway, names=names).replaces == identifier(certificate)


def test_without_a_name_in_common_it_is_another_certificate(
    gateway: Gateway, cas: SmallCas
) -> None:
    obtained(gateway)
    assert prepared(gateway, names=["other.example.com"]).replaces == ""


def test_the_staging_ca_does_not_know_the_certificate(gateway: Gateway, cas: SmallCas) -> None:
    obtained(gateway)
    Directory.objects.create(url=cas.staging.url, has_renewal_information=True)
    assert prepared(gateway, Environment.STAGING).replaces == ""


def test_a_ca_without_renewal_information_is_not_told(gateway: Gateway, cas: SmallCas) -> None:
    obtained(gateway)
    Directory.objects.update(has_renewal_information=False)
    assert prepared(gateway).replaces == ""


def test_another_account_may_not_replace_it(gateway: Gateway, cas: SmallCas) -> None:
    obtained(gateway)
    Order.objects.update(account=accounts.account_at(cas.staging.url, gateway))
    assert prepared(gateway).replaces == ""


@pytest.mark.parametrize("origin", [Origin.IMPORTED, Origin.SELF_SIGNED])
def test_a_certificate_from_elsewhere_is_not_replaced(
    gateway: Gateway, cas: SmallCas, origin: Origin
) -> None:
    obtained(gateway)
    Certificate.objects.update(origin=origin)
    assert prepared(gateway).replaces == ""


def test_without_a_certificate_in_use_there_is_nothing_to_replace(
    gateway: Gateway, cas: SmallCas
) -> None:
    obtained(gateway)
    Gateway.objects.update(selected_certificate=None)
    assert prepared(gateway).replaces == ""


def test_what_is_replaced_already_is_not_named_again(gateway: Gateway, cas: SmallCas) -> None:
    obtained(gateway)
    successor = prepared(gateway)
    for status, is_replaced in ((OrderStatus.READY, False), (OrderStatus.VALID, True)):
        ended = {"state": State.FAILED, "finished_at": timezone.now()}
        Issuance.objects.filter(pk=successor.issuance_id).update(**ended)
        Order.objects.filter(pk=successor.pk).update(status=status)
        assert (prepared(gateway).replaces == "") is is_replaced


@pytest.mark.parametrize("environment", Environment)
def test_the_profile_is_that_of_the_issuance(
    gateway: Gateway, cas: SmallCas, environment: Environment
) -> None:
    assert prepared(gateway, environment, profile="shortlived").profile == "shortlived"


# The key, kept or new


def key_in(order: Order) -> str:
    """What tells it from another."""
    return keys.spki_sha256(preparing.csr_of(order).public_key())


def key_of(certificate: Certificate) -> str:
    """What tells it from another."""
    return pem.facts(pem.split(certificate.chain_pem.encode())).spki_sha256


def keeping(gateway: Gateway) -> Certificate:
    """A gateway that keeps its key, and the certificate that it has from there."""
    certificate = obtained(gateway)
    Gateway.objects.update(keeps_key=True)
    return certificate


def test_a_renewal_has_a_new_key_unless_somebody_wants_the_old_one(
    gateway: Gateway, cas: SmallCas
) -> None:
    certificate = obtained(gateway)
    assert key_in(prepared(gateway)) != key_of(certificate)


def test_whoever_wants_it_keeps_the_key_and_it_opens_for_the_new_order(
    gateway: Gateway, cas: SmallCas
) -> None:
    certificate = keeping(gateway)
    order = prepared(gateway)
    assert key_in(order) == key_of(certificate)
    assert preparing.key_of(order) == store.private_key(certificate)
    assert not Event.objects.filter(code="key-not-kept").exists()


def test_the_test_ca_never_sees_the_key_that_is_kept(gateway: Gateway, cas: SmallCas) -> None:
    certificate = keeping(gateway)
    assert key_in(prepared(gateway, Environment.STAGING)) != key_of(certificate)


def test_a_renewal_carried_out_keeps_the_key_and_what_is_published_of_it(
    gateway: Gateway, cas: SmallCas
) -> None:
    before = keeping(gateway)
    issuance = renew(gateway)
    gateway.refresh_from_db()
    assert issuance.current is State.DONE
    assert gateway.selected_certificate not in {None, before}
    assert key_of(gateway.selected_certificate) == key_of(before)


def test_the_key_is_kept_of_the_newest_from_lets_encrypt_whatever_is_in_use(
    gateway: Gateway, cas: SmallCas
) -> None:
    newest = keeping(gateway)
    for origin, days in ((Origin.LETS_ENCRYPT, 200), (Origin.IMPORTED, 0)):
        begin = timezone.now() - days * DAY
        leaf = make_chain(*gateway.names, begin=begin)
        Gateway.objects.update(selected_certificate=store_leaf(gateway, leaf, origin))
    assert key_in(prepared(gateway)) == key_of(newest)


def test_the_first_certificate_has_a_new_key(gateway: Gateway, cas: SmallCas) -> None:
    Gateway.objects.update(keeps_key=True)
    imported = store_leaf(gateway, origin=Origin.IMPORTED)
    assert key_in(prepared(gateway)) != key_of(imported)
    assert not Event.objects.filter(code="key-not-kept").exists()


def test_a_key_of_another_type_than_the_chosen_one_is_not_kept_and_the_log_says_so(
    gateway: Gateway, cas: SmallCas
) -> None:
    certificate = keeping(gateway)
    order = prepared(gateway, key_type="ecdsa-p384")
    assert key_in(order) != key_of(certificate)
    event = Event.objects.get(code="key-not-kept")
    assert event.level == Level.WARNING
    assert "another key type has been chosen" in event.message
    assert "TLSA records" in event.message


def test_a_key_that_cannot_be_opened_is_not_kept_and_the_log_says_so(
    gateway: Gateway, cas: SmallCas
) -> None:
    certificate = keeping(gateway)
    Certificate.objects.update(sealed_key="v1.00000000.AAAA")
    order = prepared(gateway)
    assert key_in(order) != key_of(certificate)
    assert "cannot be decrypted" in Event.objects.get(code="key-not-kept").message


def test_a_ca_that_does_not_take_the_key_any_more_is_told_what_to_switch_off(
    gateway: Gateway, cas: SmallCas
) -> None:
    keeping(gateway)
    refusal = CaProblem("badPublicKey", "public key is forbidden")
    for state, is_told in ((State.PRODUCTION, True), (State.STAGING_TEST, False)):
        Issuance.objects.filter(finished_at__isnull=True).delete()
        issuance = make_issuance(Gateway.objects.get(), state)
        problem = verdicts.explain(refusal, issuance)
        assert problem.code == "acme-bad-public-key"
        assert ("switch off" in problem.remedy[0]) is is_told


def test_a_ca_that_does_not_take_a_new_key_is_answered_with_another_type(
    gateway: Gateway, cas: SmallCas
) -> None:
    issuance = make_issuance(gateway, State.PRODUCTION)
    problem = verdicts.explain(CaProblem("badPublicKey", "too small"), issuance)
    assert problem.remedy[0] == "Choose another key type in the gateway's settings."
