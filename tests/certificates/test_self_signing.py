from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.utils import timezone

from certificates import deploying, pem, self_signing, store
from certificates.models import Certificate, CertificateSource, Event, Gateway, Origin
from certificates.policy.keys import KeyType
from challenges.problems import Severity
from tests.console import make_gateway

DAY = datetime.timedelta(days=1)


@pytest.fixture(autouse=True)
def own_directory(data_dir: Path) -> None:
    """Whatever comes into use here is written to a directory of the test's own."""


def leaf(certificate: Certificate) -> x509.Certificate:
    """The only certificate of the chain."""
    (found,) = pem.split(certificate.chain_pem.encode())
    return found


def test_it_is_stored_with_its_key_and_not_put_to_use(gateway: Gateway) -> None:
    made = self_signing.create(gateway, timezone.now(), by="ada")
    gateway.refresh_from_db()
    assert made.origin == Origin.SELF_SIGNED
    assert store.why_keyless(made, pem.facts([leaf(made)])) is None
    assert gateway.selected_certificate is None
    assert gateway.uses_lets_encrypt
    assert Event.objects.get().code == "certificate-self-signed"
    assert Event.objects.get().message == (
        "A self-signed certificate for mail.example.com was created by ada. "
        "Other computers do not trust it."
    )


def test_it_holds_all_names_and_has_signed_itself(db: None) -> None:
    gateway = make_gateway("g", "mail.example.com", additional_hostnames=["smtp.example.com"])
    certificate = leaf(self_signing.create(gateway, timezone.now()))
    assert pem.names_of(certificate) == ("mail.example.com", "smtp.example.com")
    assert certificate.subject == certificate.issuer
    certificate.verify_directly_issued_by(certificate)


def test_it_is_a_server_certificate_and_no_authority(gateway: Gateway) -> None:
    extensions = leaf(self_signing.create(gateway, timezone.now())).extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca
    usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_it_is_valid_now_and_for_no_longer_than_apple_accepts(gateway: Gateway) -> None:
    now = timezone.now()
    certificate = leaf(self_signing.create(gateway, now))
    length = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert certificate.not_valid_before_utc < now
    # Both ends belong to it.
    assert 824 * DAY < length + datetime.timedelta(seconds=1) <= 825 * DAY


@pytest.mark.parametrize(
    ("key_type", "enciphers"), [(KeyType.ECDSA_P384, False), (KeyType.RSA_2048, True)]
)
def test_the_key_is_of_the_gateways_type(
    gateway: Gateway, key_type: KeyType, enciphers: bool
) -> None:
    gateway.key_type = key_type.value
    made = self_signing.create(gateway, timezone.now())
    usage = leaf(made).extensions.get_extension_for_class(x509.KeyUsage).value
    assert made.key_type == key_type
    assert usage.key_encipherment is enciphers


def test_a_hostname_too_long_for_a_common_name_stands_among_the_names_alone(db: None) -> None:
    hostname = f"{'a' * 60}.{'b' * 60}.example.com"
    certificate = leaf(self_signing.create(make_gateway("g", hostname), timezone.now()))
    assert pem.names_of(certificate) == (hostname,)
    assert certificate.issuer.rfc4514_string()


def test_each_is_a_certificate_of_its_own(gateway: Gateway) -> None:
    first, second = (self_signing.create(gateway, timezone.now()) for _ in range(2))
    assert first != second
    assert first.serial != second.serial


def test_it_can_be_the_gateways_first_certificate(gateway: Gateway) -> None:
    made = self_signing.create(gateway, timezone.now())
    deploying.select(made, gateway, timezone.now())
    gateway.refresh_from_db()
    assert gateway.selected_certificate == made
    assert gateway.certificate_source == CertificateSource.MANUAL
    file = store.live_directory(gateway) / "fullchain.pem"
    assert file.read_text() == made.chain_pem


def test_whoever_makes_one_is_told_that_nobody_trusts_it() -> None:
    problem = self_signing.not_trusted()
    assert problem.severity is Severity.WARNING
    assert "other computers do not trust it" in problem.explanation
