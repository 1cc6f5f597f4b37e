"""The pages of certificates: the list, one of them, importing, putting to use."""

from __future__ import annotations

import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from certificates import store
from certificates.models import Certificate, CertificateSource, Event, Gateway, Origin
from tests.console import Files, make_certificate, make_files, make_gateway

IMPORT = "/certificates/import/"


def upload(*contents: bytes) -> list[SimpleUploadedFile]:
    return [
        SimpleUploadedFile(f"file{number}.pem", content) for number, content in enumerate(contents)
    ]


def send(client: Client, certificate: list[SimpleUploadedFile], **fields: object) -> Any:
    return client.post(
        IMPORT, {"gateway": "default", "certificate_files": certificate, **fields}, follow=True
    )


@pytest.fixture
def files(gateway: Gateway) -> Files:
    """A certificate for the gateway's names."""
    return make_files(*gateway.names)


def test_the_form_has_the_contracts_labels(administrator: Client, gateway: Gateway) -> None:
    make_gateway("other", "other.example.com")
    page = administrator.get(f"{IMPORT}?gateway=other")
    text = page.content.decode()

    for label in ("Certificate file", "Private key file", "Password", "Import certificate"):
        assert label in text
    assert page.context["form"]["gateway"].value() == "other"
    assert all(field.help_text for field in page.context["form"])
    assert gateway.hostname in text


def test_a_certificate_and_its_key_from_two_files_are_stored_and_not_in_use(
    administrator: Client, files: Files
) -> None:
    page = send(administrator, upload(files.certificate), key_file=upload(files.key)[0])
    stored = Certificate.objects.get()

    assert page.redirect_chain == [(f"/certificates/{stored.pk}/", HTTPStatus.SEE_OTHER)]
    assert stored.origin == Origin.IMPORTED
    assert store.private_key(stored) == files.der
    assert b"PRIVATE KEY" not in page.content
    assert Gateway.objects.get().selected_certificate is None
    assert Event.objects.get().message.endswith("was imported by ada.")
    assert "Use this certificate" in page.content.decode()


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("in_how_many_files", [1, 2])
def test_the_key_may_be_among_the_certificate_files(
    administrator: Client, files: Files, in_how_many_files: int
) -> None:
    parts = [files.certificate, files.key]
    chosen = parts if in_how_many_files == 2 else [b"\n".join(parts)]
    page = send(administrator, upload(*chosen))

    assert page.status_code == HTTPStatus.OK
    assert Certificate.objects.count() == 1


def test_an_encrypted_key_needs_its_password(administrator: Client, gateway: Gateway) -> None:
    sealed = make_files(*gateway.names, password="correct")
    both = [sealed.certificate, sealed.key]
    missing = send(administrator, upload(*both))
    wrong = send(administrator, upload(*both), password="incorrect")

    for page in (missing, wrong):
        assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert list(page.context["form"].errors) == ["password"]
        assert "incorrect" not in page.content.decode()
    assert send(administrator, upload(*both), password="correct").status_code == HTTPStatus.OK


def test_what_cannot_be_used_is_answered_at_its_field(administrator: Client, files: Files) -> None:
    other = make_files("other.example.com")
    answers = {
        "nothing": send(administrator, []),
        "no certificate": send(administrator, upload(b"hello")),
        "no key": send(administrator, upload(files.certificate)),
        "wrong key": send(administrator, upload(files.certificate, other.key)),
        "empty": send(administrator, upload(b"")),
        "too large": send(administrator, upload(b"-" * 70_000)),
        "far too large": send(administrator, upload(b"-" * 1_000_000)),
        "binary": send(administrator, upload(bytes(range(256)) * 20)),
        "damaged": send(
            administrator,
            upload(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            key_file=upload(files.key)[0],
        ),
    }
    fields = {name: list(page.context["form"].errors) for name, page in answers.items()}

    assert {page.status_code for page in answers.values()} == {HTTPStatus.UNPROCESSABLE_ENTITY}
    assert fields == {
        "nothing": ["certificate_files"],
        "no certificate": ["certificate_files"],
        "no key": ["key_file"],
        "wrong key": ["key_file"],
        "empty": ["certificate_files"],
        "too large": ["certificate_files"],
        "far too large": ["certificate_files"],
        "binary": ["certificate_files"],
        "damaged": ["certificate_files"],
    }
    assert not Certificate.objects.exists()


def test_a_certificate_for_other_names_is_stored_with_a_note(
    administrator: Client, gateway: Gateway
) -> None:
    other = make_files("other.example.com")
    page = send(administrator, upload(other.certificate, other.key))

    assert "does not cover mail.example.com" in page.content.decode()
    assert page.context["missing_names"] == gateway.names


@pytest.mark.usefixtures("gateway")
def test_an_unknown_gateway_is_refused(administrator: Client, files: Files) -> None:
    page = send(administrator, upload(files.certificate, files.key), gateway="nobody")

    assert list(page.context["form"].errors) == ["gateway"]


def test_where_gateways_are_many_their_short_name_is_typed(
    administrator: Client, files: Files
) -> None:
    for number in range(101):
        make_gateway(f"g{number}", f"host{number}.example.com")
    page = administrator.get(IMPORT).content.decode()

    assert "<select" not in page
    assert len(page) < 20_000
    stored = send(administrator, upload(files.certificate, files.key), gateway="g7")
    assert stored.context["gateway"].slug == "g7"
    unknown = send(administrator, upload(files.certificate, files.key), gateway="g777")
    assert list(unknown.context["form"].errors) == ["gateway"]


def test_the_list_shows_what_is_in_use_and_can_be_limited_to_a_gateway(
    administrator: Client, gateway: Gateway
) -> None:
    used = make_certificate(gateway, select=True)
    old = make_certificate(gateway, lifetime=datetime.timedelta(minutes=30))
    other = make_certificate(make_gateway("other", "other.example.com"))
    everything = administrator.get("/certificates/").context["page"].object_list
    limited = administrator.get("/certificates/?gateway=default").context["page"].object_list

    assert [row.certificate for row in everything] == [other, old, used]
    assert [(row.status, row.tone, row.is_selected) for row in limited] == [
        ("Expired", "neutral", False),
        ("In use", "good", True),
    ]
    assert administrator.get("/certificates/?gateway=x%00").status_code == HTTPStatus.NOT_FOUND


def test_the_page_shows_facts_and_no_key(administrator: Client, gateway: Gateway) -> None:
    certificate = make_certificate(gateway)
    page = administrator.get(f"/certificates/{certificate.pk}/")

    assert page.context["fingerprint"].replace(":", "").lower() == certificate.sha256
    assert len(page.context["serial"].split(":")[0]) == 2
    assert page.context["missing_names"] == []
    assert page.context["certificate"].get_deferred_fields() == {"sealed_key"}
    assert administrator.get("/certificates/999/").status_code == HTTPStatus.NOT_FOUND


def test_using_an_imported_certificate_is_confirmed_first(
    administrator: Client, gateway: Gateway, data_dir: Path
) -> None:
    make_certificate(gateway, select=True)
    imported = make_certificate(gateway, Origin.IMPORTED)
    confirm = administrator.get(f"/certificates/{imported.pk}/use/")
    gateway.refresh_from_db()

    assert "automatic renewal is off" in " ".join(confirm.context["consequences"])
    assert gateway.selected_certificate != imported

    page = administrator.post(f"/certificates/{imported.pk}/use/", follow=True)
    gateway.refresh_from_db()

    assert page.redirect_chain == [("/gateways/default/", HTTPStatus.SEE_OTHER)]
    assert gateway.selected_certificate == imported
    assert gateway.certificate_source == CertificateSource.MANUAL
    assert (data_dir / "live" / "default" / "privkey.pem").exists()
    assert "renewal is off" in page.content.decode()


def test_using_the_newest_issued_certificate_keeps_renewal_on(
    administrator: Client, gateway: Gateway
) -> None:
    issued = make_certificate(gateway)
    page = administrator.get(f"/certificates/{issued.pk}/use/")

    assert "renewed automatically" in " ".join(page.context["consequences"])


@pytest.mark.usefixtures("data_dir")
def test_a_certificate_that_does_not_fit_is_refused_with_the_reason(
    administrator: Client, gateway: Gateway, settings: Settings
) -> None:
    expired = make_certificate(gateway, lifetime=datetime.timedelta(minutes=30))
    wrong = make_certificate(gateway, Origin.IMPORTED, names=["other.example.com"])
    for certificate, reason in ((expired, "expired on"), (wrong, "does not cover")):
        shown = administrator.get(f"/certificates/{certificate.pk}/use/")
        pressed = administrator.post(f"/certificates/{certificate.pk}/use/")

        assert reason in shown.context["problem"].explanation
        assert pressed.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert reason in pressed.content.decode()
        assert pressed.context["consequences"] == []
    gateway.refresh_from_db()
    assert gateway.selected_certificate is None
    assert not (settings.CONFIGURATION.data_dir / "live").exists()
