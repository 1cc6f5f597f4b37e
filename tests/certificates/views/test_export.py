"""Private keys leave by POST alone, for an Administrator's own password, and are logged."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from certificates import guessing, store
from certificates.guessing import Verdict
from certificates.models import Certificate, Event, Gateway, Level
from tests.certificates.chains import make_authority, make_chain, make_leaf, store_leaf
from tests.console import HTMX, PASSWORD, make_certificate, make_gateway

FILE_PASSWORD = "for the file alone"


@pytest.fixture
def certificate(gateway: Gateway) -> Certificate:
    """One with a chain."""
    return store_leaf(gateway, make_chain(*gateway.names))


def export(client: Client, certificate: Certificate, **fields: str) -> Any:
    typed = {
        "format": "pfx",
        "file_password": FILE_PASSWORD,
        "file_password_again": FILE_PASSWORD,
        "own_password": PASSWORD,
    }
    return client.post(f"/certificates/{certificate.pk}/export/", {**typed, **fields})


def key_of(certificate: Certificate) -> bytes:
    return store.private_key(certificate)


def der(key: Any) -> bytes:
    return bytes(
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@pytest.mark.parametrize(("form", "word"), [("pfx", "modern"), ("pfx-legacy", "legacy")])
def test_a_pfx_file_holds_chain_and_key_and_is_logged(
    administrator: Client, certificate: Certificate, form: str, word: str
) -> None:
    answer = export(administrator, certificate, format=form)
    opened = pkcs12.load_pkcs12(answer.content, FILE_PASSWORD.encode())

    assert answer.status_code == HTTPStatus.OK
    assert answer["Content-Type"] == "application/x-pkcs12"
    assert answer["Content-Disposition"] == 'attachment; filename="mail.example.com.pfx"'
    assert "no-store" in answer["Cache-Control"]
    assert der(opened.key) == key_of(certificate)
    assert len(opened.additional_certs) == 2
    event = Event.objects.get()
    assert event.code == "certificate-exported"
    assert "by ada" in event.message
    assert word in event.message
    assert FILE_PASSWORD not in event.message + event.detail


@pytest.mark.parametrize("password", ["", FILE_PASSWORD])
def test_the_key_alone_is_encrypted_if_there_is_a_password(
    administrator: Client, certificate: Certificate, password: str
) -> None:
    passwords = {"file_password": password, "file_password_again": password}
    answer = export(administrator, certificate, format="key", **passwords)
    key = serialization.load_pem_private_key(answer.content, password.encode() or None)

    assert answer["Content-Disposition"] == 'attachment; filename="mail.example.com.privkey.pem"'
    assert "no-store" in answer["Cache-Control"]
    assert der(key) == key_of(certificate)
    assert Event.objects.get().code == "certificate-exported"


def test_a_wrong_own_password_is_refused_and_logged(
    administrator: Client, certificate: Certificate
) -> None:
    page = export(administrator, certificate, own_password="guessed")
    event = Event.objects.get()

    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert list(page.context["form"].errors) == ["own_password"]
    assert event.level == Level.WARNING
    assert event.code == "certificate-export-refused"
    assert "ada entered a wrong password" in event.message
    text = page.content.decode()
    assert [word for word in ("guessed", FILE_PASSWORD) if word in text + event.message] == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"own_password": ""}, "own_password"),
        ({"file_password": "", "file_password_again": ""}, "file_password"),
        ({"file_password_again": "another"}, "file_password_again"),
        ({"format": "key", "file_password_again": ""}, "file_password_again"),
        ({"format": ""}, "format"),
        ({"format": "jks"}, "format"),
        ({"file_password": "ü" * 512, "file_password_again": "ü" * 512}, "file_password"),
        (
            {"format": "key", "file_password": "x" * 1024, "file_password_again": "x" * 1024},
            "file_password",
        ),
    ],
)
def test_what_is_missing_is_told_at_its_field_and_nothing_leaves(
    administrator: Client, certificate: Certificate, fields: dict[str, str], field: str
) -> None:
    page = export(administrator, certificate, **fields)

    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert field in page.context["form"].errors
    assert page["Content-Type"].startswith("text/html")
    assert not Event.objects.exists()
    assert PASSWORD not in page.content.decode()
    if fields.get("format", "pfx-legacy") == "pfx-legacy":
        again = export(administrator, certificate, **{"format": "pfx-legacy", **fields})
        assert again.context["form"]["format"].value() == "pfx-legacy"


def test_get_shows_the_form_and_nothing_of_the_key(
    administrator: Client, certificate: Certificate
) -> None:
    page = administrator.get(f"/certificates/{certificate.pk}/export/?own_password={PASSWORD}")

    assert page.status_code == HTTPStatus.OK
    assert b"PRIVATE KEY" not in page.content
    assert not Event.objects.exists()
    for label in ("Format", "Password for the file", "Your own password", "Export"):
        assert label in page.content.decode()


def test_operators_and_strangers_get_nothing(
    client: Client, operator: Client, certificate: Certificate
) -> None:
    for headers in ({}, HTMX):
        address = f"/certificates/{certificate.pk}/export/"
        assert operator.get(address, headers=headers).status_code == HTTPStatus.FORBIDDEN
        refused = operator.post(address, {"own_password": PASSWORD}, headers=headers)
        assert refused.status_code == HTTPStatus.FORBIDDEN
    assert export(client, certificate).status_code == HTTPStatus.SEE_OTHER
    assert not Event.objects.exists()
    assert "export/" not in operator.get(f"/certificates/{certificate.pk}/").content.decode()


def test_a_key_that_does_not_open_is_a_problem_on_the_page(
    administrator: Client, certificate: Certificate, settings: Settings
) -> None:
    settings.READ_ENCRYPTION_KEYS = lambda: "A" * 43 + "="
    page = export(administrator, certificate)

    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert page.context["problem"].code == "sealed-secret-unreadable"


def test_no_name_of_a_certificate_becomes_a_path(administrator: Client) -> None:
    gateway = make_gateway("odd", "mail.example.com")
    odd = make_certificate(gateway, names=["*.example.com", "mail.example.com"])
    names = ['../../etc/"passwd"\r\nX: y', "ü.example.com", ""]
    sent = [export(administrator, odd)["Content-Disposition"]]
    for name in names:
        Certificate.objects.filter(pk=odd.pk).update(names=[name, "mail.example.com"])
        sent.append(export(administrator, odd)["Content-Disposition"])

    assert sent == [
        'attachment; filename="wildcard.example.com.pfx"',
        'attachment; filename="etc-passwd-x-y.pfx"',
        'attachment; filename="example.com.pfx"',
        'attachment; filename="certificate.pfx"',
    ]


def test_what_leaves_is_what_is_stored(administrator: Client, certificate: Certificate) -> None:
    opened = pkcs12.load_pkcs12(export(administrator, certificate).content, FILE_PASSWORD.encode())
    stored = x509.load_pem_x509_certificates(certificate.chain_pem.encode())

    assert opened.cert is not None
    assert opened.cert.certificate == stored[0]
    assert [each.certificate for each in opened.additional_certs] == stored[1:]


@pytest.mark.parametrize("form", ["pfx", "pfx-legacy", "key"])
def test_the_longest_password_that_is_accepted_opens_the_file(
    administrator: Client, certificate: Certificate, form: str
) -> None:
    longest = "ü" * 511 + "x"
    typed = {"file_password": longest, "file_password_again": longest}
    content = export(administrator, certificate, format=form, **typed).content
    key = (
        serialization.load_pem_private_key(content, longest.encode())
        if form == "key"
        else pkcs12.load_pkcs12(content, longest.encode()).key
    )
    assert der(key) == key_of(certificate)


def test_guessing_the_own_password_ends_after_five_wrong_ones(
    administrator: Client, certificate: Certificate
) -> None:
    for _ in range(guessing.MOST):
        assert "not the password" in error_of(export(administrator, certificate, own_password="x"))
    for password in ("another", PASSWORD) * 3:
        page = export(administrator, certificate, own_password=password)
        assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert "Wait 15 minutes" in error_of(page)
    # No line for each guess, and the last one says what follows.
    assert [event.code for event in Event.objects.all()] == ["certificate-export-refused"] * 5
    assert "can export no private key" in Event.objects.order_by("-pk")[0].message
    assert guessing.judge(other_than_ada(), PASSWORD, certificate, timezone.now()) is Verdict.RIGHT


def test_after_fifteen_minutes_the_own_password_opens_again(
    administrator: Client, certificate: Certificate
) -> None:
    for _ in range(guessing.MOST):
        export(administrator, certificate, own_password="x")
    Event.objects.update(at=timezone.now() - guessing.WITHIN)
    assert export(administrator, certificate).status_code == HTTPStatus.OK


def test_a_right_password_between_wrong_ones_changes_nothing_of_their_number(
    administrator: Client, certificate: Certificate
) -> None:
    for _ in range(guessing.MOST):
        assert export(administrator, certificate).status_code == HTTPStatus.OK
        export(administrator, certificate, own_password="x")
    assert "Wait" in error_of(export(administrator, certificate))


def test_of_guesses_sent_at_once_no_more_than_five_are_answered(
    administrator: Client, certificate: Certificate
) -> None:
    class Slow(get_user_model()):  # type: ignore[misc]
        """While its password is computed others have guessed."""

        class Meta:
            proxy = True
            app_label = "gateway_admin"

        def check_password(self, raw_password: str) -> bool:
            for _ in range(guessing.MOST):
                guessing.judge(user, "x", certificate, timezone.now())
            return bool(user.check_password(raw_password))

    user = get_user_model().objects.get(username="ada")
    slow = Slow.objects.get(pk=user.pk)
    assert guessing.judge(slow, PASSWORD, certificate, timezone.now()) is Verdict.HELD
    assert Event.objects.count() == guessing.MOST


def test_a_staging_certificate_has_no_buttons_and_no_form_and_the_page_says_why(
    administrator: Client, gateway: Gateway
) -> None:
    issuer = make_authority("(STAGING) Wannabe", make_authority("(STAGING) Root"))
    staging = store_leaf(gateway, make_leaf(*gateway.names, above=issuer))
    page = administrator.get(f"/certificates/{staging.pk}/").content.decode()
    assert "which is for tests" in page
    assert "So nothing of it can be downloaded." in page
    assert "/download/" not in page
    assert "/export/" not in page
    form = administrator.get(f"/certificates/{staging.pk}/export/").content.decode()
    assert "which is for tests" in form
    assert "from a CA that is trusted" in form
    assert "own_password" not in form
    refused = export(administrator, staging, own_password="x")
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert not Event.objects.exists()


def error_of(page: Any) -> str:
    """What is said beside the own password."""
    return " ".join(page.context["form"].errors["own_password"])


def other_than_ada() -> Any:
    """Somebody else with the same password."""
    return get_user_model().objects.create_user("grace", password=PASSWORD)
