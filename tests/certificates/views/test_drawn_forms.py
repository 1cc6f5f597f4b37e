"""Every field of every form can be filled in on its page, and a page saved as it is drawn changes
nothing."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.forms.models import model_to_dict
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from certificates import directories
from certificates.models import Directory, Event, Gateway, Issuance, Origin
from certificates.policy.issuance import Environment
from challenges.models import NetworkSettings
from tests.console import make_certificate, make_request

TEMPLATES = Path(django_settings.BASE_DIR) / "templates"
SETTINGS = "/gateways/default/settings/"


class Drawn(HTMLParser):
    """The fields of a page's forms, as a browser would send them untouched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.sent: dict[str, str] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """What is ticked, chosen or filled in."""
        values = {name: value or "" for name, value in attrs}
        name = values.get("name", "")
        if tag in {"input", "select", "textarea"}:
            self.names.add(name)
            self._open = name
        can_be_ticked = values.get("type") in {"checkbox", "radio"}
        if tag == "input" and ("checked" in values or not can_be_ticked):
            self.sent[name] = values.get("value", "on" if can_be_ticked else "")
        if tag == "textarea":
            self.sent[name] = ""
        if tag == "option" and "selected" in values:
            self.sent[self._open] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Only the text within a field is its own."""
        if tag in {"select", "textarea"}:
            self._open = ""

    def handle_data(self, data: str) -> None:
        """What stands in a text area; a browser drops the line break before it."""
        if self._open in self.sent and self.lasttag == "textarea":
            self.sent[self._open] += data.removeprefix("\n")


@pytest.fixture(autouse=True)
def offering(gateway: Gateway, settings: Settings, data_dir: Path, tmp_path: Path) -> None:
    """The CA offers profiles and files may be followed, so the fields for that are there."""
    settings.CONFIGURATION = dataclasses.replace(
        settings.CONFIGURATION, data_dir=data_dir, certificate_directories=(tmp_path,)
    )
    Directory.objects.create(
        url=directories.url_of(Environment.PRODUCTION),
        profiles={"classic": "https://ca.example/classic", "shortlived": ""},
        read_at=timezone.now(),
    )


@pytest.fixture
def forms(administrator: Client, gateway: Gateway) -> dict[str, Any]:
    """All pages with a form, by their addresses."""
    imported, request = make_certificate(gateway, Origin.IMPORTED), make_request(gateway)
    addresses = (
        "/gateways/add/",
        SETTINGS,
        "/gateways/default/follow/",
        "/settings/network/",
        "/certificates/import/",
        "/certificates/self-signed/",
        "/certificates/requests/add/",
        f"/certificates/requests/{request.pk}/",
        f"/certificates/{imported.pk}/replace/",
        f"/certificates/{imported.pk}/export/",
        "/users/add/",
        "/users/me/password/",
        "/log/",
    )
    return {address: administrator.get(address) for address in addresses}


def test_every_field_of_every_form_can_be_filled_in_on_its_page(
    forms: dict[str, Any],
) -> None:
    for address, page in forms.items():
        wanted = {field.html_name for field in page.context["form"]}
        assert wanted, address
        assert wanted - Drawn(page.content.decode()).names == set(), address


def test_no_template_that_names_its_fields_one_by_one_is_left_out(forms: dict[str, Any]) -> None:
    by_hand = {
        template.name
        for template in TEMPLATES.glob("*.html")
        if "field=form." in template.read_text()
    }
    drawn = {template.name for page in forms.values() for template in page.templates}
    assert by_hand
    assert by_hand - drawn == set()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"keeps_key": True},
        {"rehearses": False, "key_type": "rsa-2048"},
        {"keeps_key": True, "profile": "shortlived", "certificate_source": "manual"},
        {"additional_hostnames": ["a.example.com", "b.example.com"], "contact_email": ""},
    ],
)
def test_settings_that_are_saved_as_they_are_drawn_stay_as_they_are(
    administrator: Client, gateway: Gateway, values: dict[str, object]
) -> None:
    NetworkSettings.objects.get_or_create(pk=1, defaults={"challenge_port": 8080})
    Gateway.objects.update(**values)
    before = model_to_dict(Gateway.objects.get()), model_to_dict(NetworkSettings.load())
    sent = Drawn(administrator.get(SETTINGS).content.decode()).sent
    answer = administrator.post(SETTINGS, sent)

    assert answer.status_code == HTTPStatus.SEE_OTHER, answer.context["form"].errors
    assert (model_to_dict(Gateway.objects.get()), model_to_dict(NetworkSettings.load())) == before
    assert not Event.objects.exists()
    assert not Issuance.objects.exists()


def test_network_settings_that_are_saved_as_they_are_drawn_stay_as_they_are(
    administrator: Client,
) -> None:
    NetworkSettings.load()
    NetworkSettings.objects.update(challenge_port=8089, scenario="external")
    before = model_to_dict(NetworkSettings.load())
    sent = Drawn(administrator.get("/settings/network/").content.decode()).sent

    assert administrator.post("/settings/network/", sent).status_code == HTTPStatus.SEE_OTHER
    assert model_to_dict(NetworkSettings.load()) == before
    assert not Event.objects.exists()
