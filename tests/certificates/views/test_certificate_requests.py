"""Certificate requests: the form, the CSR, the CA's answer, giving one up."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from certificates.models import Certificate, CertificateRequest, Gateway, Origin
from tests.certificates.chains import Link, make_authority, make_leaf
from tests.console import HTMX, make_gateway, make_request

ADD = "/certificates/requests/add/"


def ask(client: Client, **fields: str) -> Any:
    typed = {"gateway": "default", "names": "", "key_type": "ecdsa-p256", **fields}
    return client.post(ADD, typed, follow=True)


def sign(request: CertificateRequest, *names: str) -> Link:
    """What a CA makes of the CSR; its key is nobody's here."""
    csr = x509.load_pem_x509_csr(request.csr_pem.encode())
    issuer = make_authority("Bought Issuer", make_authority("Bought Root"))
    leaf = make_leaf(*(names or request.names), above=issuer)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(issuer.certificate.subject)
        .public_key(csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(leaf.certificate.not_valid_before_utc)
        .not_valid_after(leaf.certificate.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in request.names]), False)
        .sign(issuer.key, leaf.certificate.signature_hash_algorithm)  # type: ignore[arg-type]
    )
    return Link(certificate, leaf.key, issuer)


def answer(client: Client, request: CertificateRequest, content: bytes, **fields: object) -> Any:
    sent = {"certificate_files": SimpleUploadedFile("answer", content), **fields}
    return client.post(f"/certificates/requests/{request.pk}/", sent, follow=True)


def test_the_form_begins_with_the_gateways_names_and_key_type(administrator: Client) -> None:
    make_gateway(
        "default",
        "mail.example.com",
        additional_hostnames=["smtp.example.com"],
        key_type="rsa-2048",
    )
    form = administrator.get(f"{ADD}?gateway=default").context["form"]

    assert form["names"].value().split() == ["mail.example.com", "smtp.example.com"]
    assert form["key_type"].value() == "rsa-2048"
    assert all(field.help_text for field in form)
    assert administrator.get(f"{ADD}?gateway=no%00body").status_code == HTTPStatus.OK


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_request_is_made_and_its_csr_can_be_downloaded(
    administrator: Client, operator: Client, gateway: Gateway, headers: dict[str, str]
) -> None:
    typed = {"gateway": "default", "key_type": "ecdsa-p384", "organization": "Example Ltd"}
    page = administrator.post(ADD, {**typed, "country": "de"}, headers=headers)
    made = CertificateRequest.objects.get()

    assert page.status_code == HTTPStatus.SEE_OTHER
    assert page["Location"] == f"/certificates/requests/{made.pk}/"
    for client in (administrator, operator):
        csr = client.get(f"/certificates/requests/{made.pk}/csr/")
        assert csr["Content-Disposition"] == 'attachment; filename="mail.example.com.csr"'
        loaded = x509.load_pem_x509_csr(csr.content)
        assert loaded.is_signature_valid
        assert "O=Example Ltd" in loaded.subject.rfc4514_string()
        shown = client.get(f"/certificates/requests/{made.pk}/").content.decode()
        assert made.csr_pem.splitlines()[1].replace("+", "&#x2B;") in shown.replace("+", "&#x2B;")
        assert "Example Ltd" in shown
        assert "PRIVATE KEY" not in shown
    assert made.names == gateway.names


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"names": "not a name!"}, "names"),
        ({"names": "other.example.net"}, "names"),
        ({"country": "Germany"}, "country"),
        ({"email": "nobody"}, "email"),
        ({"organization": "o" * 65}, "organization"),
        ({"key_type": "dsa"}, "key_type"),
        ({"key_type": ""}, "key_type"),
        ({"gateway": "nobody"}, "gateway"),
        ({"locality": "a\0b"}, "locality"),
    ],
)
def test_what_cannot_be_asked_for_is_told_at_its_field_and_nothing_is_lost(
    administrator: Client, fields: dict[str, str], field: str
) -> None:
    page = ask(administrator, **{"state": "Bavaria", **fields})

    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert list(page.context["form"].errors) == [field]
    assert page.context["form"]["state"].value() == "Bavaria"
    assert page.context["form"][field].value() == fields[field]
    assert not CertificateRequest.objects.exists()


def test_all_that_is_wrong_is_told_at_once(administrator: Client, gateway: Gateway) -> None:
    page = ask(administrator, country="Germany", email="nobody", names=gateway.hostname)

    assert set(page.context["form"].errors) == {"country", "email"}


def test_the_cas_answer_needs_no_key_and_is_kept(
    administrator: Client, gateway: Gateway, data_dir: Path
) -> None:
    request = make_request(gateway)
    page = answer(administrator, request, sign(request).chain_pem)
    stored = Certificate.objects.get()

    assert page.redirect_chain == [(f"/certificates/{stored.pk}/", HTTPStatus.SEE_OTHER)]
    assert stored.origin == Origin.REQUESTED
    assert f"/certificates/requests/{request.pk}/" in page.content.decode()
    administrator.post(f"/certificates/{stored.pk}/use/")
    assert (data_dir / "live" / "default" / "privkey.pem").exists()
    shown = administrator.get(f"/certificates/requests/{request.pk}/").content.decode()
    assert "Answered" in shown
    assert administrator.get("/certificates/").context["requests"] == []


def test_the_answer_may_be_der_pkcs7_or_pasted(administrator: Client, gateway: Gateway) -> None:
    for form in ("der", "p7b", "paste"):
        request = make_request(gateway)
        link = sign(request)
        if form == "paste":
            text = link.chain_pem.decode()
            page = administrator.post(
                f"/certificates/requests/{request.pk}/", {"certificate_text": text}
            )
            assert page.status_code == HTTPStatus.SEE_OTHER
            continue
        content = (
            link.certificate.public_bytes(serialization.Encoding.DER)
            if form == "der"
            else pkcs7.serialize_certificates(link.chain, serialization.Encoding.DER)
        )
        assert answer(administrator, request, content).status_code == HTTPStatus.OK
    assert Certificate.objects.filter(origin=Origin.REQUESTED).count() == 3


def test_the_import_page_finds_the_requests_key(administrator: Client, gateway: Gateway) -> None:
    request = make_request(gateway)
    sent = {
        "gateway": gateway.slug,
        "certificate_files": SimpleUploadedFile("a.pem", sign(request).chain_pem),
    }
    page = administrator.post("/certificates/import/", sent)

    assert page.status_code == HTTPStatus.SEE_OTHER
    assert Certificate.objects.get().origin == Origin.REQUESTED


def test_an_answer_that_is_none_is_refused_beside_the_field(
    administrator: Client, gateway: Gateway
) -> None:
    request, other = make_request(gateway), make_request(gateway)
    nothing = administrator.post(f"/certificates/requests/{request.pk}/", {})
    junk = answer(administrator, request, b"junk", certificate_text="typed")
    mixed_up = answer(administrator, request, sign(other).chain_pem)

    for page in (nothing, junk, mixed_up):
        assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert list(page.context["form"].errors) == ["certificate_files"]
    assert f"belongs to request number {other.pk}" in mixed_up.content.decode()
    assert junk.context["form"]["certificate_text"].value() == "typed"
    assert not Certificate.objects.exists()


def test_deleting_a_request_is_confirmed_first(administrator: Client, gateway: Gateway) -> None:
    request = make_request(gateway)
    address = f"/certificates/requests/{request.pk}/discard/"
    confirm = administrator.get(address)

    assert "nothing brings that back" in confirm.content.decode()
    assert CertificateRequest.objects.exists()
    page = administrator.post(address)
    assert page.status_code == HTTPStatus.SEE_OTHER
    assert page["Location"] == "/certificates/"
    assert not CertificateRequest.objects.exists()
    assert administrator.post(address).status_code == HTTPStatus.NOT_FOUND


def test_a_deleted_request_leaves_its_certificate(administrator: Client, gateway: Gateway) -> None:
    request = make_request(gateway)
    answer(administrator, request, sign(request).chain_pem)
    confirm = administrator.get(f"/certificates/requests/{request.pk}/discard/")
    address = f"/certificates/requests/{request.pk}/discard/"
    page = administrator.post(address, follow=True).content.decode()
    stored = Certificate.objects.get()

    assert "The certificate that answered it keeps its private key." in page
    assert "its private key were deleted" not in page
    assert "stays, with its private key" in confirm.content.decode()
    assert administrator.get(f"/certificates/{stored.pk}/").status_code == HTTPStatus.OK


def test_operators_read_requests_and_change_none(operator: Client, gateway: Gateway) -> None:
    request = make_request(gateway)
    page = operator.get(f"/certificates/requests/{request.pk}/").content.decode()

    assert request.csr_pem.splitlines()[0] in page
    assert "Import certificate" not in page
    assert "discard" not in page
    for address in (ADD, f"/certificates/requests/{request.pk}/discard/"):
        assert operator.get(address).status_code == HTTPStatus.FORBIDDEN
    refused = answer(operator, request, sign(request).chain_pem)
    assert refused.status_code == HTTPStatus.FORBIDDEN
    assert CertificateRequest.objects.filter(certificate=None).exists()
