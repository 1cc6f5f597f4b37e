"""Bringing certificates in, as files and as text: new ones and new versions."""

from __future__ import annotations

import base64
import datetime
import ssl
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.test import Client, RequestFactory
from django.utils.datastructures import MultiValueDict

from certificates import pem, store
from certificates.forms.echoing import is_all_public, public_part
from certificates.models import Certificate, CertificateSource, Event, Gateway, Origin
from certificates.views.uploads import sent
from tests.certificates.chains import make_authority, make_leaf
from tests.certificates.parsing.reader import material
from tests.console import HTMX, Files, make_certificate, make_files, make_gateway

IMPORT = "/certificates/import/"


def upload(*contents: bytes) -> list[SimpleUploadedFile]:
    return [
        SimpleUploadedFile(f"file{number}.pem", content) for number, content in enumerate(contents)
    ]


def send(
    client: Client, certificate: list[SimpleUploadedFile], to: str = IMPORT, **fields: object
) -> Any:
    fields = {"gateway": "default", "certificate_files": certificate, **fields}
    return client.post(to, fields, follow=True)


def paste(client: Client, certificate: str, key: str = "", **fields: str) -> Any:
    return send(client, [], certificate_text=certificate, key_text=key, **fields)


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


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_certificate_and_its_key_from_two_files_are_stored_and_not_in_use(
    administrator: Client, files: Files, headers: dict[str, str]
) -> None:
    fields = {"gateway": "default", "certificate_files": upload(files.certificate)}
    fields["key_file"] = upload(files.key)
    page = administrator.post(IMPORT, fields, headers=headers)
    stored = Certificate.objects.get()
    shown = administrator.get(f"/certificates/{stored.pk}/").content.decode()

    assert page.status_code == HTTPStatus.SEE_OTHER
    assert page["Location"] == f"/certificates/{stored.pk}/"
    assert stored.origin == Origin.IMPORTED
    assert store.private_key(stored) == files.der
    assert "PRIVATE KEY" not in shown
    assert Gateway.objects.get().selected_certificate is None
    assert Event.objects.get().message.endswith("was imported by ada.")
    assert "It is not in use yet." in shown
    assert "Use this certificate" in shown


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


def test_certificate_and_key_may_be_pasted(administrator: Client, files: Files) -> None:
    apart = paste(administrator, files.certificate.decode(), files.key.decode())
    assert apart.status_code == HTTPStatus.OK

    Certificate.objects.all().delete()
    together = (files.key + files.certificate).decode().replace("\n", "\r\n")
    assert paste(administrator, f"Dear Ada,\n{together}").status_code == HTTPStatus.OK
    assert store.private_key(Certificate.objects.get()) == files.der


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
        "two keys": send(administrator, upload(files.certificate, files.key, other.key)),
        "empty": send(administrator, upload(b"")),
        "too large": send(administrator, upload(b"-" * 70_000)),
        "far too large": send(administrator, upload(b"-" * 1_000_000)),
        "too many": send(administrator, upload(*[files.certificate] * 11)),
        "binary": send(administrator, upload(bytes(range(256)) * 20)),
        "damaged": send(
            administrator,
            upload(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            key_file=upload(files.key)[0],
        ),
        "foreign": send(administrator, upload(other.certificate, other.key)),
        "no text": paste(administrator, "hello"),
        "zero": paste(administrator, "hel\0lo"),
    }
    fields = {name: list(page.context["form"].errors) for name, page in answers.items()}

    assert {page.status_code for page in answers.values()} == {HTTPStatus.UNPROCESSABLE_ENTITY}
    others = {
        "no key": ["key_file"],
        "wrong key": ["key_file"],
        "two keys": ["key_file"],
        "zero": ["certificate_text"],
    }
    assert fields == {name: others.get(name, ["certificate_files"]) for name in answers}
    assert "at most ten files" in answers["far too large"].content.decode()
    assert not Certificate.objects.exists()


def test_a_certificate_for_another_gateway_is_refused_by_both_their_names(
    administrator: Client, gateway: Gateway
) -> None:
    other = make_files("other.example.com")
    page = send(administrator, upload(other.certificate, other.key))

    told = f"This certificate is for other.example.com; the gateway is {gateway.hostname}."
    assert told in page.content.decode()


def test_what_does_not_forbid_keeping_it_is_told(administrator: Client) -> None:
    make_gateway("default", "mail.example.com", additional_hostnames=["smtp.example.com"])
    some = make_files("mail.example.com")
    page = send(administrator, upload(some.certificate, some.key))

    assert "it does not cover smtp.example.com" in page.content.decode()
    assert page.context["missing_names"] == ["smtp.example.com"]
    assert page.context["details"].why_not is not None


def test_a_refused_form_keeps_what_was_typed_and_never_a_key(
    administrator: Client, files: Files
) -> None:
    make_gateway("other", "other.example.com")
    key, certificate = files.key.decode(), files.certificate.decode()
    page = paste(administrator, f"{certificate}{key}", key, gateway="other", password="secret!")
    text = page.content.decode()

    assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert certificate.splitlines()[2] in text
    assert page.context["form"]["gateway"].value() == "other"
    secrets = [*key.splitlines(), "secret!"]
    assert [line for line in secrets if line in text] == []
    assert "never shown again" in text


def test_files_cannot_be_kept_and_the_form_says_so(administrator: Client, files: Files) -> None:
    refused = send(administrator, upload(files.certificate))
    fresh = administrator.get(IMPORT)

    assert "please choose them again" in refused.content.decode()
    assert "please choose them again" not in fresh.content.decode()


@pytest.mark.parametrize(
    "disguise",
    [
        lambda key, _body: key,
        lambda key, _body: "-----BEGIN CERTIFICATE-----\n" + key + "-----END CERTIFICATE-----",
        lambda _key, body: f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----",
        lambda _key, body: f"-----BEGIN PKCS7-----\n{body}\n-----END PKCS7-----",
        lambda _key, body: f"-----begin private key-----\n{body}",
        lambda _key, body: f"-----BEGIN CERTIFICATE-----\n{body}",
        lambda _key, body: body,
        lambda key, _body: key.replace("\n", "\\n"),
        lambda key, _body: key.replace("-----", "———"),
        lambda _key, body: "\n".join(_pieces(body, 16)),
        lambda _key, body: ".".join(_pieces(body, 8)),
        lambda _key, body: " ".join(_pieces(body, 4)),
        lambda _key, body: '"' + '"+\n"'.join(_pieces(body, 28)) + '"',
        lambda _key, body: base64.b64decode(body).hex(":"),
    ],
)
def test_no_part_of_a_key_is_ever_echoed(disguise: Callable[[str, str], str]) -> None:
    files = make_files("mail.example.com")
    key, certificate = files.key.decode(), files.certificate.decode()
    hidden = disguise(key, "".join(key.splitlines()[1:-1]))

    for before, after in (("", ""), (certificate, certificate), ("Dear Ada,\n", "\nyours")):
        text = f"{before}\n{hidden}\n{after}"
        assert (
            public_part(text).strip()
            == "".join(part for part in (before, after) if part == certificate).strip()
        )
        assert not is_all_public(text)


def _pieces(text: str, length: int) -> list[str]:
    return [text[start : start + length] for start in range(0, len(text), length)]


def test_a_key_behind_a_certificate_in_its_block_is_not_echoed() -> None:
    files = make_files("mail.example.com")
    both = ssl.PEM_cert_to_DER_cert(files.certificate.decode()) + files.der
    text = ssl.DER_cert_to_PEM_cert(both)

    assert (public_part(text), is_all_public(text)) == ("", False)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_certificates_requests_revocation_lists_and_bundles_are_echoed(newline: str) -> None:
    names = ("rsa.fullchain.pem", "ec.csr.pem", "rsa.p7b.pem")
    text = "".join(material(f"openssl/{name}").decode() for name in names)

    assert public_part(text.replace("\n", newline)) == text
    assert is_all_public(text.replace("\n", newline))
    assert public_part(text * 20) == ""


def test_the_form_says_that_the_rest_of_a_text_is_not_shown_again(
    administrator: Client, files: Files
) -> None:
    certificate = files.certificate.decode()
    alone = paste(administrator, certificate).content.decode()
    among = paste(administrator, f"Dear Ada,\n{certificate}").content.decode()

    told = "only whole certificates are shown again"
    assert (told in alone, told in among) == (False, True)
    assert certificate.splitlines()[2] in among
    assert "Dear Ada" not in among


@pytest.mark.usefixtures("gateway")
def test_too_much_of_anything_is_told_beside_its_field(administrator: Client) -> None:
    answers = {
        "a long text": paste(administrator, "A" * 300_000),
        "a text as long as all files": paste(administrator, "A" * 900_000),
        "a folder of small files": send(administrator, upload(*[b"x"] * 150)),
        "a folder of large files": send(administrator, upload(*[b"x" * 60_000] * 20)),
    }

    for name, page in answers.items():
        assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, name
        assert list(page.context["form"].errors) == ["certificate_files"], name
        assert page.context["form"]["gateway"].value() == "default", name


@pytest.mark.usefixtures("gateway")
def test_more_than_any_form_takes_is_refused_on_a_page_with_the_way_back(
    administrator: Client,
) -> None:
    checking = Client(enforce_csrf_checks=True)
    checking.cookies = administrator.cookies
    for client in (administrator, checking):
        for answer in (
            paste(client, "A" * 3_000_000),
            send(client, upload(*[b"x"] * 1001)),
            send(client, [], **{f"field{number}": "" for number in range(1001)}),
        ):
            assert answer.status_code == HTTPStatus.BAD_REQUEST
            assert "This is more than can be read at once" in answer.content.decode()
            assert f'href="{IMPORT}"' in answer.content.decode()


def test_a_length_that_is_no_number_is_none() -> None:
    request = RequestFactory().post(IMPORT, {})
    request.META["CONTENT_LENGTH"] = "abc"
    request._post, request._files = QueryDict(), MultiValueDict()  # type: ignore[attr-defined]

    assert sent(request)["is_too_large"] is False


@pytest.mark.usefixtures("gateway")
def test_an_unknown_gateway_is_refused(administrator: Client, files: Files) -> None:
    page = send(administrator, upload(files.certificate, files.key), gateway="nobody")

    assert list(page.context["form"].errors) == ["gateway"]


def test_where_gateways_are_many_their_short_name_is_typed(administrator: Client) -> None:
    for number in range(101):
        make_gateway(f"g{number}", f"host{number}.example.com")
    files = make_files("host7.example.com")
    page = administrator.get(IMPORT).content.decode()

    assert "<select" not in page
    assert len(page) < 20_000
    stored = send(administrator, upload(files.certificate, files.key), gateway="g7")
    assert stored.context["gateway"].slug == "g7"
    unknown = send(administrator, upload(files.certificate, files.key), gateway="g777")
    assert list(unknown.context["form"].errors) == ["gateway"]


def replace(client: Client, certificate: Certificate, files: Files) -> Any:
    address = f"/certificates/{certificate.pk}/replace/"
    return send(client, upload(files.certificate, files.key), to=address)


def test_a_new_version_of_what_is_in_use_is_in_use_at_once_and_the_old_one_is_kept(
    administrator: Client, gateway: Gateway, data_dir: Path
) -> None:
    old = make_certificate(gateway, Origin.IMPORTED)
    administrator.post(f"/certificates/{old.pk}/use/")
    files = make_files(*gateway.names)
    page = replace(administrator, old, files)
    gateway.refresh_from_db()
    new = Certificate.objects.get(replaces=old)

    assert page.redirect_chain == [(f"/certificates/{new.pk}/", HTTPStatus.SEE_OTHER)]
    assert "it is in use" in page.content.decode()
    assert gateway.selected_certificate == new
    assert gateway.certificate_source == CertificateSource.MANUAL
    assert (data_dir / "live" / "default" / "cert.pem").read_bytes() == files.certificate
    assert [row.certificate for row in page.context["details"].versions] == [new, old]


def test_a_new_version_that_cannot_be_used_leaves_the_old_one_in_use(
    administrator: Client, gateway: Gateway, data_dir: Path
) -> None:
    old = make_certificate(gateway, Origin.IMPORTED)
    administrator.post(f"/certificates/{old.pk}/use/")
    expired = make_files(*gateway.names, lifetime=datetime.timedelta(minutes=30))
    foreign = make_files("other.example.com")
    for files, reason in ((expired, "expired on"), (foreign, "is for other.example.com")):
        page = replace(administrator, old, files)
        assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert reason in page.content.decode()
    gateway.refresh_from_db()

    assert gateway.selected_certificate == old
    assert Certificate.objects.count() == 1
    assert (data_dir / "live" / "default" / "cert.pem").read_text() == old.chain_pem


def test_only_the_newest_version_of_what_came_from_elsewhere_is_replaced(
    administrator: Client, gateway: Gateway
) -> None:
    issued = make_certificate(gateway)
    old = make_certificate(gateway, Origin.IMPORTED)
    replace(administrator, old, make_files(*gateway.names))
    for certificate, reason in ((issued, "by its renewal"), (old, "replaced already")):
        address = f"/certificates/{certificate.pk}/replace/"
        shown = administrator.get(address)
        pressed = replace(administrator, certificate, make_files(*gateway.names))

        assert reason in shown.content.decode()
        assert "<textarea" not in shown.content.decode()
        assert pressed.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert reason in pressed.content.decode()
    assert Certificate.objects.count() == 3


def test_there_must_be_something_to_replace(administrator: Client) -> None:
    assert administrator.get("/certificates/999/replace/").status_code == HTTPStatus.NOT_FOUND


def test_operators_bring_nothing_in(operator: Client, gateway: Gateway, files: Files) -> None:
    certificate = make_certificate(gateway, Origin.IMPORTED)
    for address in (IMPORT, f"/certificates/{certificate.pk}/replace/"):
        answer = send(operator, upload(files.certificate, files.key), to=address)
        assert answer.status_code == HTTPStatus.FORBIDDEN
        assert operator.get(address).status_code == HTTPStatus.FORBIDDEN


UTC = datetime.UTC
# What the parser lets through at most, and what a row could hold at most.
LONGEST = (pem.EARLIEST, pem.LATEST - datetime.timedelta(seconds=1))
ENDS_OF_THE_CALENDAR = (
    datetime.datetime.min.replace(tzinfo=UTC),
    datetime.datetime.max.replace(microsecond=0, tzinfo=UTC),
)
PAGES = (
    "/",
    "/gateways/",
    "/gateways/default/",
    "/certificates/",
    "/certificates/{pk}/",
    "/certificates/{pk}/use/",
    "/certificates/{pk}/replace/",
    "/certificates/{pk}/export/",
    "/log/",
    "/warnings/",
)


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        LONGEST,
        (LONGEST[0], LONGEST[0] + datetime.timedelta(days=1)),
        (LONGEST[1] - datetime.timedelta(days=1), LONGEST[1]),
    ],
)
def test_a_certificate_of_the_longest_life_is_imported_and_every_page_shows_it(
    administrator: Client, gateway: Gateway, begin: datetime.datetime, end: datetime.datetime
) -> None:
    leaf = make_leaf(*gateway.names, above=make_authority(), begin=begin, lifetime=end - begin)
    stored = send(administrator, upload(leaf.pem, leaf.key_pem()))
    certificate = Certificate.objects.get()

    assert stored.status_code == HTTPStatus.OK
    assert (certificate.not_before, certificate.not_after) == (begin, end)
    check_every_page(administrator, certificate)


@pytest.mark.parametrize("times", [LONGEST, ENDS_OF_THE_CALENDAR])
@pytest.mark.parametrize("origin", [Origin.IMPORTED, Origin.LETS_ENCRYPT])
@pytest.mark.parametrize("which", ["both", "begin", "end"])
def test_no_page_fails_at_any_times_that_a_row_holds(
    administrator: Client,
    gateway: Gateway,
    times: tuple[datetime.datetime, datetime.datetime],
    origin: Origin,
    which: str,
) -> None:
    certificate = make_certificate(gateway, origin)
    begin, end = times
    Certificate.objects.update(
        not_before=end if which == "end" else begin,
        not_after=begin if which == "begin" else end,
    )

    check_every_page(administrator, certificate)


def check_every_page(client: Client, certificate: Certificate) -> None:
    """While it is not in use, and while it is: by hand and from Let's Encrypt."""
    addresses = [page.format(pk=certificate.pk) for page in PAGES]
    for selected, source in (
        (None, CertificateSource.MANUAL),
        (certificate, CertificateSource.MANUAL),
        (certificate, CertificateSource.LETS_ENCRYPT),
    ):
        Gateway.objects.update(selected_certificate=selected, certificate_source=source)
        answers = {address: client.get(address).status_code for address in addresses}
        assert answers == dict.fromkeys(addresses, HTTPStatus.OK)
