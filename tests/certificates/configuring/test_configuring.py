"""Configuring without a form, as the command does: what is not given stays as it is."""

from __future__ import annotations

import dataclasses
import datetime
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from certificates import deploying, store, terms
from certificates.configuring import ConfigurationRejected, Wishes, configure
from certificates.models import CertificateSource, Event, Gateway, Origin
from certificates.terms import Terms
from challenges.models import NetworkSettings
from challenges.problems import Problem, ProblemError, Severity
from tests.console import TERMS_URL, make_certificate, say_terms

NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def network(db: None) -> NetworkSettings:
    """The settings as the first start leaves them."""
    return NetworkSettings.objects.create(pk=1, challenge_port=8080)


def test_a_hostname_alone_makes_a_gateway_with_the_defaults() -> None:
    configured = configure("default", Wishes(hostname=" Mail.Example.COM "), now=NOW)
    gateway = Gateway.objects.get()

    assert configured.is_new
    assert configured.gateway == gateway
    assert gateway.hostname == "mail.example.com"
    assert gateway.uses_lets_encrypt
    assert gateway.key_type == "ecdsa-p256"
    assert gateway.terms_agreed_at is None


def test_what_is_not_given_stays_as_it_is(gateway: Gateway) -> None:
    configured = configure("default", Wishes(contact_email="a@example.com"), now=NOW)
    gateway.refresh_from_db()

    assert configured.changed == ("contact_email",)
    assert not configured.is_new
    assert gateway.hostname == "mail.example.com"
    assert gateway.contact_email == "a@example.com"
    assert gateway.terms_of_service_url == TERMS_URL


@pytest.mark.usefixtures("gateway")
def test_only_the_columns_that_change_are_written() -> None:
    with CaptureQueriesContext(connection) as captured:
        configure("default", Wishes(contact_email="a@example.com"), now=NOW)
    (update,) = [
        query["sql"] for query in captured if query["sql"].startswith('UPDATE "certificates_gate')
    ]

    assert '"contact_email" =' in update
    assert '"hostname" =' not in update
    assert '"selected_certificate_id" =' not in update


@pytest.mark.parametrize("wishes", [Wishes(contact_email="a@example.com"), Wishes(hostname="")])
def test_a_gateway_without_a_hostname_is_none(wishes: Wishes) -> None:
    with pytest.raises(ConfigurationRejected) as refusal:
        configure("default", wishes, now=NOW)

    assert refusal.value.errors["hostname"].code == "hostname-empty"
    assert not Gateway.objects.exists()


def test_the_network_alone_needs_no_gateway() -> None:
    configured = configure("default", Wishes(network_scenario="external"), now=NOW)

    assert configured.gateway is None
    assert configured.changed == ("scenario",)
    assert NetworkSettings.load().scenario == "external"
    assert Event.objects.get().gateway is None


@pytest.mark.parametrize(
    ("wishes", "changed_at"),
    [
        (Wishes(network_scenario="external"), NOW),
        (Wishes(network_scenario="lan"), None),
        (Wishes(contact_email="a@example.com"), None),
    ],
)
@pytest.mark.usefixtures("gateway")
def test_when_the_network_last_changed_is_remembered(
    wishes: Wishes, changed_at: datetime.datetime | None
) -> None:
    configure("default", wishes, now=NOW)
    assert NetworkSettings.load().changed_at == changed_at


@pytest.mark.usefixtures("gateway")
def test_the_first_settings_of_a_network_are_a_change_where_they_are_not_the_defaults() -> None:
    NetworkSettings.objects.all().delete()
    configure("default", Wishes(network_scenario="external"), now=NOW)
    assert NetworkSettings.load().changed_at == NOW


def test_one_wrong_value_changes_nothing(gateway: Gateway) -> None:
    wishes = Wishes(hostname="mx.example.com", challenge_port="http", network_scenario="external")
    with pytest.raises(ConfigurationRejected) as refusal:
        configure("default", wishes, now=NOW)
    gateway.refresh_from_db()

    assert set(refusal.value.errors) == {"challenge_port"}
    assert "http" in str(refusal.value)
    assert gateway.hostname == "mail.example.com"
    assert NetworkSettings.load().scenario == "lan"
    assert not Event.objects.exists()


def test_a_new_hostname_must_not_be_among_the_additional_ones(gateway: Gateway) -> None:
    configure("default", Wishes(additional_hostnames="mx.example.com"), now=NOW)
    with pytest.raises(ConfigurationRejected) as refusal:
        configure("default", Wishes(hostname="mx.example.com"), now=NOW)

    assert refusal.value.errors["additional_hostnames"].code == "hostname-duplicate"
    assert gateway.slug == "default"


def test_additional_hostnames_can_be_taken_away() -> None:
    configure(
        "default",
        Wishes(hostname="a.example.com", additional_hostnames="b.example.com, c.example.com"),
        now=NOW,
    )
    configure("default", Wishes(additional_hostnames=""), now=NOW)

    assert Gateway.objects.get().names == ["a.example.com"]


@pytest.mark.parametrize("slug", ["", "..", "a/b", "-a", "a--b", "UPPER", "add", "a" * 64, "ä"])
def test_a_short_name_is_never_a_path(slug: str) -> None:
    with pytest.raises(ConfigurationRejected) as refusal:
        configure(slug, Wishes(hostname="mail.example.com"), now=NOW)

    assert "slug" in refusal.value.errors


def test_the_agreement_is_kept_with_its_document_and_its_first_moment() -> None:
    configure("default", Wishes(hostname="mail.example.com", agree_terms=True), now=NOW)
    later = NOW + datetime.timedelta(days=1)
    configure("default", Wishes(agree_terms=True), now=later)
    gateway = Gateway.objects.get()

    assert (gateway.terms_of_service_url, gateway.terms_agreed_at) == (TERMS_URL, NOW)


def test_an_agreement_without_a_document_is_completed_once_there_is_one(
    settings: Settings,
) -> None:
    say_terms(settings, Terms(notice="away"))
    configure("default", Wishes(hostname="mail.example.com", agree_terms=True), now=NOW)
    say_terms(settings, Terms(url=TERMS_URL))
    later = NOW + datetime.timedelta(days=1)
    configure("default", Wishes(agree_terms=True), now=later)
    gateway = Gateway.objects.get()

    assert (gateway.terms_of_service_url, gateway.terms_agreed_at) == (TERMS_URL, later)


@pytest.mark.usefixtures("data_dir")
def test_the_source_lets_encrypt_puts_the_issued_certificate_back_to_use(
    gateway: Gateway,
) -> None:
    now = timezone.now()
    issued = make_certificate(gateway, select=True)
    deploying.select(make_certificate(gateway, Origin.IMPORTED), gateway, now)
    configure("default", Wishes(certificate_source="lets-encrypt"), now=now)
    gateway.refresh_from_db()

    assert gateway.certificate_source == CertificateSource.LETS_ENCRYPT
    assert gateway.selected_certificate == issued


@pytest.mark.usefixtures("data_dir")
def test_a_return_whose_files_cannot_be_written_changes_nothing(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    make_certificate(gateway, select=True)
    imported = make_certificate(gateway, Origin.IMPORTED)
    deploying.select(imported, gateway, now)
    full = Problem("disk-full", Severity.ERROR, "The disk is full.")

    def fail(*_: object) -> None:
        raise ProblemError(full)

    monkeypatch.setattr(store, "write_live", fail)
    wishes = Wishes(certificate_source="lets-encrypt", contact_email="a@example.com")
    with pytest.raises(ConfigurationRejected) as refusal:
        configure("default", wishes, now=now)
    gateway.refresh_from_db()

    assert refusal.value.errors == {"certificate_source": full}
    assert gateway.selected_certificate == imported
    assert gateway.contact_email == ""


@pytest.fixture
def silent_ca(settings: Settings) -> Iterator[None]:
    """A CA that takes the connection and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}/directory"
        settings.CONFIGURATION = dataclasses.replace(
            settings.CONFIGURATION, acme_production_url=url
        )
        cache.clear()
        yield
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.name.startswith("terms"):
            thread.join(5)


@pytest.mark.usefixtures("silent_ca")
def test_a_ca_that_does_not_answer_keeps_nobody_waiting_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(terms, "PATIENCE", 0.2)
    start = time.monotonic()
    answer = terms.current()

    assert time.monotonic() - start < 2.5
    assert answer.url == ""
    assert "could not be asked" in answer.notice
    assert answer.link.startswith("https://letsencrypt.org/")
