"""People who are signed in, and rows to look at, for the tests of pages."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from certificates import applying, pem, sealing, store
from certificates.models import (
    Certificate,
    CertificateRequest,
    Gateway,
    Issuance,
    Origin,
    Preflight,
    Trigger,
)
from certificates.policy.issuance import State
from certificates.policy.keys import KeyType
from certificates.policy.names import identifier_set
from certificates.terms import Terms
from challenges.models import NetworkSettings
from challenges.problems import Problem
from gateway_admin.models import Role, User

PASSWORD = "a sentence that nobody guesses"
HTMX = {"HX-Request": "true"}
TERMS_URL = "https://ca.example/terms-1"


@pytest.fixture(autouse=True)
def fresh_cache(settings: Settings) -> Iterator[None]:
    """What one test has cached is nothing to the next; the terms are known without any CA."""
    cache.clear()
    say_terms(settings, Terms(url=TERMS_URL))
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def encryption_keys(settings: Settings) -> None:
    """A key for sealing, as the data directory would hold it."""
    key = sealing.new_key()
    settings.READ_ENCRYPTION_KEYS = lambda: key


def say_terms(settings: Settings, terms: Terms) -> None:
    """What the CA is taken to have answered about its terms."""
    cache.set(f"terms-of-service:{settings.CONFIGURATION.acme_production_url}", terms)


@pytest.fixture
def administrator(client: Client, db: None) -> Client:
    """A browser in which an Administrator is signed in."""
    client.force_login(make_user("ada", Role.ADMINISTRATOR))
    return client


@pytest.fixture
def operator(db: None) -> Client:
    """A browser in which an Operator is signed in."""
    client = Client()
    client.force_login(make_user("otto", Role.OPERATOR))
    return client


@pytest.fixture
def gateway(db: None) -> Gateway:
    """A gateway that has agreed to the terms and has no certificate yet."""
    NetworkSettings.objects.get_or_create(pk=1)
    return make_gateway("default", "mail.example.com")


def make_user(name: str, role: Role) -> User:
    """Somebody who can sign in with PASSWORD."""
    user = User(username=name, role=role)
    user.set_password(PASSWORD)
    user.save()
    return user


def make_gateway(slug: str, hostname: str, **fields: object) -> Gateway:
    """A gateway that has agreed to the terms."""
    defaults = {"terms_of_service_url": TERMS_URL, "terms_agreed_at": timezone.now()}
    return Gateway.objects.create(slug=slug, hostname=hostname, **{**defaults, **fields})


def make_issuance(gateway: Gateway, state: State = State.DONE, **fields: object) -> Issuance:
    """An issuance that has reached that state a minute ago."""
    now = timezone.now()
    defaults: dict[str, object] = {
        "names": gateway.names,
        "identifier_set": identifier_set(gateway.names),
        "key_type": gateway.key_type,
        "trigger": Trigger.MANUAL,
        "started_at": now - datetime.timedelta(minutes=1),
        "finished_at": now if state.is_terminal else None,
    }
    return Issuance.objects.create(gateway=gateway, state=state, **{**defaults, **fields})


def make_preflight(
    gateway: Gateway, findings: Sequence[Problem] = (), **fields: object
) -> Preflight:
    """A preflight that has just ended after two seconds."""
    now = timezone.now()
    began = now - datetime.timedelta(seconds=2)
    defaults: dict[str, object] = {
        "names": gateway.names,
        "findings": [finding.to_json() for finding in findings],
        "started_at": began,
        "taken_at": began,
        "finished_at": now,
    }
    return Preflight.objects.create(gateway=gateway, **{**defaults, **fields})


@dataclasses.dataclass(frozen=True)
class Files:
    """A certificate and its private key in PEM form."""

    certificate: bytes
    key: bytes
    der: bytes


def make_files(
    *names: str, lifetime: datetime.timedelta = datetime.timedelta(days=90), password: str = ""
) -> Files:
    """A self-signed certificate for the names that began an hour ago."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test issuer")])
    begin = timezone.now() - datetime.timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + lifetime)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
        .sign(key, hashes.SHA256())
    )
    sealed = (
        serialization.BestAvailableEncryption(password.encode())
        if password
        else serialization.NoEncryption()
    )
    encoding, form = serialization.Encoding, serialization.PrivateFormat.PKCS8
    return Files(
        certificate.public_bytes(encoding.PEM),
        key.private_bytes(encoding.PEM, form, sealed),
        key.private_bytes(encoding.DER, form, serialization.NoEncryption()),
    )


def make_request(gateway: Gateway, **particulars: str) -> CertificateRequest:
    """A certificate request for the gateway's names that waits for an answer."""
    subject = applying.Subject(**particulars)
    return applying.create(gateway, [], KeyType.ECDSA_P256, subject, timezone.now(), "ada")


def make_certificate(
    gateway: Gateway,
    origin: Origin = Origin.LETS_ENCRYPT,
    *,
    names: list[str] | None = None,
    lifetime: datetime.timedelta = datetime.timedelta(days=90),
    select: bool = False,
) -> Certificate:
    """A stored certificate for the gateway's names."""
    files = make_files(*(names or gateway.names), lifetime=lifetime)
    certificate = store.add(gateway, pem.facts(pem.split(files.certificate)), files.der, origin)
    if select:
        Gateway.objects.filter(pk=gateway.pk).update(selected_certificate=certificate)
        gateway.refresh_from_db()
    return certificate
