"""What an order is prepared with: the key first, then what it replaces and its profile."""

from __future__ import annotations

import pytest
from django.utils import timezone

from certificates import accounts, pem, preparing
from certificates.models import (
    Certificate,
    Directory,
    Gateway,
    Issuance,
    Order,
    OrderStatus,
    Origin,
)
from certificates.policy.issuance import Environment, State
from tests.certificates.engine import SmallCas, obtained
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
