"""The form of a gateway: what it asks, what it refuses and how, what it stores."""

from __future__ import annotations

import dataclasses
import socket
from contextlib import closing
from http import HTTPStatus

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from certificates.models import CertificateSource, Event, Gateway
from certificates.terms import Terms
from challenges.models import ChallengeListener, NetworkSettings
from tests.console import TERMS_URL, make_gateway, say_terms

ADD = "/gateways/add/"
SETTINGS = "/gateways/default/settings/"
LABELS = (
    "Hostname",
    "Additional hostnames",
    "Contact email",
    "I agree to the Let's Encrypt terms of service",
    "Network scenario",
    "Local area network (behind a router with NAT)",
    "External network (public IP address)",
    "Let's Encrypt HTTP-01 challenge port",
    "Certificate source",
    "Manual",
    "Key type",
    "Save",
)


def filled(**changes: str) -> dict[str, str]:
    """The form as a browser sends it; a change to "" leaves a box unticked or a field empty."""
    values = {
        "hostname": "mail.example.com",
        "additional_hostnames": "",
        "contact_email": "postmaster@example.com",
        "network_scenario": "lan",
        "challenge_port": "8080",
        "certificate_source": "lets-encrypt",
        "key_type": "ecdsa-p256",
        "rehearses": "on",
        "agree_terms": "on",
        **changes,
    }
    boxes = {"agree_terms", "rehearses"}
    return {name: value for name, value in values.items() if value or name not in boxes}


@pytest.fixture
def network(db: None) -> NetworkSettings:
    """The settings as the first start leaves them."""
    return NetworkSettings.objects.create(pk=1, challenge_port=8080)


@pytest.mark.usefixtures("network")
def test_the_first_gateway_is_the_default_one_and_its_labels_are_the_contracts(
    administrator: Client,
) -> None:
    page = administrator.get(ADD)
    text = page.content.decode().replace("&#x27;", "'")

    assert page.context["first_steps"] is True
    assert "slug" not in page.context["form"].fields
    assert [label for label in LABELS if label not in text] == []
    assert f'href="{TERMS_URL}"' in text


@pytest.mark.usefixtures("network")
def test_every_field_is_explained_in_one_sentence(administrator: Client) -> None:
    form = administrator.get(ADD).context["form"]

    for field in form:
        assert field.help_text, field.name


@pytest.mark.usefixtures("network")
def test_saving_the_first_gateway_leads_to_its_page(administrator: Client) -> None:
    names = "smtp.example.com, imap.example.com\nmx.example.com"
    answer = administrator.post(ADD, filled(additional_hostnames=names))
    gateway = Gateway.objects.get()

    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert answer.headers["Location"] == "/gateways/default/"
    assert gateway.names == [
        "mail.example.com",
        "smtp.example.com",
        "imap.example.com",
        "mx.example.com",
    ]
    assert gateway.terms_of_service_url == TERMS_URL
    assert gateway.terms_agreed_at is not None
    assert Event.objects.get().message == "The gateway mail.example.com was added by ada."
    assert "Test and obtain certificate" in administrator.get("/gateways/default/").content.decode()


@pytest.mark.usefixtures("gateway")
def test_a_further_gateway_needs_a_short_name_of_its_own(administrator: Client) -> None:
    taken = administrator.post(ADD, filled(slug="default"))
    path = administrator.post(ADD, filled(slug="../etc"))
    reserved = administrator.post(ADD, filled(slug="add"))
    missing = administrator.post(ADD, filled())

    for answer in (taken, path, reserved, missing):
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert len(answer.context["form"].errors["slug"]) == 1
    assert administrator.post(ADD, filled(slug="branch-2")).status_code == HTTPStatus.SEE_OTHER
    assert set(Gateway.objects.values_list("slug", flat=True)) == {"default", "branch-2"}


LABEL_64 = "a" * 64
BYTES_254 = ".".join(["a" * 50] + ["a" * 49] * 4 + ["com"])
NAMES_100 = "\n".join(f"host{number}.example.com" for number in range(100))
# Field, what was typed, and a part of the answer.
BAD_INPUT = (
    ("hostname", "", "Enter the gateway's hostname"),
    ("hostname", "192.0.2.1", "is an IP address"),
    ("hostname", "[2001:db8::1]", "is an IP address"),
    ("hostname", "*.example.com", "is a wildcard"),
    ("hostname", "localhost", "is not a full name"),
    ("hostname", "https://mail.example.com/", "is a web address"),
    ("hostname", "mail.example.com:25", "contains a port"),
    ("hostname", "mail.example.com.", "ends with a dot"),
    ("hostname", "mail example.com", "contains a space"),
    ("hostname", f"{LABEL_64}.example.com", "64 bytes; 63 are allowed"),
    ("hostname", BYTES_254, "254 bytes; a hostname has at most 253"),
    ("hostname", "postmaster@example.com", "is an email address"),
    ("additional_hostnames", NAMES_100, "100 additional hostnames"),
    ("additional_hostnames", "mail.example.com", "is given twice"),
    ("additional_hostnames", "a.example.com a.example.com", "is given twice"),
    ("additional_hostnames", "a.example.com, *.example.com", "is a wildcard"),
    ("contact_email", "postmaster", "is not an email address"),
    ("contact_email", "postmaster@", "is not an email address"),
    ("contact_email", "postmaster@localhost", "is not an email address"),
    ("challenge_port", "", "Enter a port"),
    ("challenge_port", "0", "is not a port"),
    ("challenge_port", "65536", "is not a port"),
    ("challenge_port", "http", "is not a port"),
    ("challenge_port", "-1", "is not a port"),
    ("challenge_port", "٨٠", "is not a port"),
    ("network_scenario", "", "Choose where"),
    ("network_scenario", "wan", "wan"),
    ("certificate_source", "", "Choose where"),
    ("key_type", "dsa", "dsa"),
    ("agree_terms", "", "agree to its terms"),
)


@pytest.mark.parametrize(("field", "typed", "answer"), BAD_INPUT)
@pytest.mark.usefixtures("network")
def test_bad_input_is_answered_at_its_field_with_everything_typed_still_there(
    administrator: Client, field: str, typed: str, answer: str
) -> None:
    page = administrator.post(ADD, filled(**{field: typed}))
    form = page.context["form"]

    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert list(form.errors) == [field]
    assert answer in form.errors[field][0]
    assert len(form.errors[field]) == 1
    assert form["hostname"].value() == (typed if field == "hostname" else "mail.example.com")
    assert form["contact_email"].value() == (
        typed if field == "contact_email" else "postmaster@example.com"
    )
    assert not Gateway.objects.exists()
    assert not Event.objects.exists()


@pytest.mark.usefixtures("network")
def test_all_wrong_fields_are_answered_at_once(administrator: Client) -> None:
    wrong = filled(hostname="localhost", contact_email="x", challenge_port="http", agree_terms="")
    form = administrator.post(ADD, wrong).context["form"]

    assert set(form.errors) == {"hostname", "contact_email", "challenge_port", "agree_terms"}


@pytest.mark.usefixtures("network")
def test_a_port_that_another_program_uses_is_refused(administrator: Client) -> None:
    with closing(socket.create_server(("0.0.0.0", 0))) as occupant:
        port = occupant.getsockname()[1]
        form = administrator.post(ADD, filled(challenge_port=str(port))).context["form"]

    assert f"Port {port} is already in use" in form.errors["challenge_port"][0]


@pytest.mark.usefixtures("network")
def test_a_port_below_what_the_responder_may_open_is_refused(administrator: Client) -> None:
    now = timezone.now()
    ChallengeListener.objects.create(
        host="here",
        pid=1,
        port=8080,
        wanted_port=8080,
        lowest_port=1024,
        started_at=now,
        seen_at=now,
    )
    form = administrator.post(ADD, filled(challenge_port="80")).context["form"]

    assert "only privileged programs may open such a port" in form.errors["challenge_port"][0]


@pytest.mark.usefixtures("network")
def test_a_name_in_other_letters_is_stored_as_its_a_label_and_shown(administrator: Client) -> None:
    typed = filled(
        hostname="Bücher.example.com", additional_hostnames="a.example.com;日本.example.com"
    )
    page = administrator.post(ADD, typed, follow=True).content.decode()

    assert Gateway.objects.get().names == [
        "xn--bcher-kva.example.com",
        "a.example.com",
        "xn--wgv71a.example.com",
    ]
    assert "“Bücher.example.com” is written “xn--bcher-kva.example.com”" in page
    assert "“日本.example.com” is written “xn--wgv71a.example.com”" in page
    assert "“a.example.com” is written" not in page


@pytest.mark.usefixtures("gateway")
def test_terms_that_were_agreed_to_stay_agreed(administrator: Client) -> None:
    page = administrator.get(SETTINGS)
    agreed_at = Gateway.objects.get().terms_agreed_at
    administrator.post(SETTINGS, filled(key_type="rsa-2048"))
    gateway = Gateway.objects.get()

    assert page.context["form"]["agree_terms"].value() is True
    assert page.context["form"].terms_notice == ""
    assert gateway.key_type == "rsa-2048"
    assert gateway.terms_agreed_at == agreed_at


@pytest.mark.usefixtures("gateway")
def test_new_terms_are_asked_for_again(administrator: Client, settings: Settings) -> None:
    say_terms(settings, Terms(url="https://ca.example/terms-2"))
    before = Gateway.objects.get().terms_agreed_at
    page = administrator.get(SETTINGS)
    administrator.post(SETTINGS, filled())
    gateway = Gateway.objects.get()

    assert page.context["form"]["agree_terms"].value() is False
    assert "have changed" in page.content.decode()
    assert gateway.terms_of_service_url == "https://ca.example/terms-2"
    assert gateway.terms_agreed_at != before


@pytest.mark.usefixtures("network")
def test_the_form_works_while_the_ca_cannot_be_reached_and_says_so(
    administrator: Client, settings: Settings
) -> None:
    say_terms(settings, Terms(notice="The certificate authority could not be asked."))
    page = administrator.get(ADD)
    administrator.post(ADD, filled())
    gateway = Gateway.objects.get()

    assert "could not be asked" in page.content.decode()
    assert gateway.terms_agreed_at is not None
    assert gateway.terms_of_service_url == ""


@pytest.mark.usefixtures("network")
def test_the_ca_that_refuses_the_connection_is_noticed_once(
    administrator: Client, settings: Settings
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        port = nobody.getsockname()[1]
    settings.CONFIGURATION = dataclasses.replace(
        settings.CONFIGURATION, acme_production_url=f"https://127.0.0.1:{port}/directory"
    )
    cache.clear()
    form = administrator.get(ADD).context["form"]

    assert "could not be asked" in form.terms_notice
    assert cache.get(f"terms-of-service:{django_settings.CONFIGURATION.acme_production_url}")


@pytest.mark.usefixtures("network")
def test_the_manual_source_needs_no_agreement(administrator: Client) -> None:
    answer = administrator.post(ADD, filled(certificate_source="manual", agree_terms=""))

    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert Gateway.objects.get().certificate_source == CertificateSource.MANUAL
    assert Gateway.objects.get().terms_agreed_at is None


@pytest.mark.usefixtures("gateway")
def test_saving_what_is_stored_already_writes_no_event(administrator: Client) -> None:
    administrator.post(SETTINGS, filled(contact_email=""))

    assert not Event.objects.exists()


@pytest.mark.usefixtures("gateway")
def test_the_event_of_a_change_says_what_became_of_what(administrator: Client) -> None:
    typed = filled(additional_hostnames="mx.example.com", network_scenario="external")
    administrator.post(SETTINGS, typed)
    event = Event.objects.get()

    assert event.message == "The settings of mail.example.com were changed by ada."
    assert "additional_hostnames: – → mx.example.com" in event.detail
    assert "scenario: lan → external" in event.detail
    assert NetworkSettings.load().scenario == "external"


def test_a_form_that_was_open_for_long_does_not_undo_what_it_does_not_show(
    administrator: Client, gateway: Gateway
) -> None:
    agreed_at = gateway.terms_agreed_at
    administrator.post(SETTINGS, filled(hostname="mx.example.com"))
    gateway.refresh_from_db()

    assert gateway.hostname == "mx.example.com"
    assert gateway.terms_agreed_at == agreed_at


@pytest.mark.usefixtures("gateway")
def test_settings_of_a_gateway_that_does_not_exist_are_not_found(administrator: Client) -> None:
    make_gateway("other", "other.example.com")

    assert administrator.get("/gateways/nobody/settings/").status_code == HTTPStatus.NOT_FOUND
