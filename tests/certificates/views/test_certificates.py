"""The pages of certificates: the list, one of them, its files, making one here, using one."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from http import HTTPStatus
from pathlib import Path

import pytest
from cryptography import x509
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from certificates import pem
from certificates.models import (
    Certificate,
    CertificateSource,
    FollowedFiles,
    Gateway,
    Origin,
)
from certificates.queries.chains import chain_links
from tests.certificates.chains import make_authority, make_chain, make_leaf, store_leaf
from tests.console import HTMX, make_certificate, make_gateway, make_request

SELF_SIGNED = "/certificates/self-signed/"


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
    for words in ("SHA-1 fingerprint", "Public key, SHA-256", "Chain", "Where it came from"):
        assert words in page.content.decode()
    assert administrator.get("/certificates/999/").status_code == HTTPStatus.NOT_FOUND


def test_the_chain_is_drawn_from_the_certificate_to_the_root_that_is_not_sent_along(
    administrator: Client, gateway: Gateway
) -> None:
    leaf = make_chain(*gateway.names)
    whole = store_leaf(gateway, leaf)
    links = administrator.get(f"/certificates/{whole.pk}/").context["details"].links

    assert [(link.kind, link.name) for link in links] == [
        ("leaf", "mail.example.com"),
        ("intermediate", "Test Issuer"),
        ("root", "Test Root"),
    ]
    text = administrator.get(f"/certificates/{whole.pk}/").content.decode()
    assert all(f">{link.name}</strong>" in text for link in links)


def test_hostile_names_in_a_chain_are_drawn_legibly_on_one_line(
    administrator: Client, gateway: Gateway
) -> None:
    hostile = "a\0b\u202ec\x1b[2J\nd"
    issuer = make_authority(hostile, make_authority(f"{hostile} root"))
    leaf = make_leaf(*gateway.names, above=issuer)
    for chain in (leaf.chain, leaf.chain[:2]):
        facts = pem.facts(chain)
        assert facts.issuer == "a\ufffdb\ufffdc\ufffd[2J d"
        assert [link.name for link in chain_links(chain)] == [
            "mail.example.com",
            "a\ufffdb\ufffdc\ufffd[2J d",
            "a\ufffdb\ufffdc\ufffd[2J d root",
        ]
    stored = store_leaf(gateway, leaf)
    page = administrator.get(f"/certificates/{stored.pk}/").content.decode()
    assert not set("\0\x1b\u202e") & set(page)


def test_a_chain_that_cannot_be_read_hides_nothing_else(
    administrator: Client, gateway: Gateway
) -> None:
    broken = make_certificate(gateway)
    Certificate.objects.filter(pk=broken.pk).update(chain_pem="-----BEGIN CERTIFICATE-----")
    page = administrator.get(f"/certificates/{broken.pk}/")

    assert page.status_code == HTTPStatus.OK
    assert page.context["details"].links == ()
    assert page.context["details"].why_not is not None
    assert administrator.get(f"/certificates/{broken.pk}/use/").status_code == HTTPStatus.OK
    download = administrator.get(f"/certificates/{broken.pk}/download/cert.pem")
    assert download.status_code == HTTPStatus.NOT_FOUND


def test_tlsa_records_are_for_the_names_that_it_covers_and_for_smtp_first(
    administrator: Client,
) -> None:
    gateway = make_gateway(
        "tlsa", "mail.example.com", additional_hostnames=["smtp.example.com", "other.example.net"]
    )
    certificate = make_certificate(gateway, names=["*.example.com"])
    details = administrator.get(f"/certificates/{certificate.pk}/").context["details"]
    digest = details.public_key.replace(":", "").lower()

    assert details.records.smtp.splitlines() == [
        f"_25._tcp.{name}. IN TLSA 3 1 1 {digest}"
        for name in ("mail.example.com", "smtp.example.com")
    ]
    assert f"_993._tcp.mail.example.com. IN TLSA 3 1 1 {digest}" in details.records.others
    assert "change at every renewal" in details.records.changes

    Gateway.objects.update(keeps_key=True)
    kept = administrator.get(f"/certificates/{certificate.pk}/").context["details"]
    assert "stay the same" in kept.records.changes


def test_the_plan_says_what_comes_next(administrator: Client, gateway: Gateway) -> None:
    def plan(certificate: Certificate) -> str:
        page = administrator.get(f"/certificates/{certificate.pk}/")
        return str(page.context["details"].plan.sentence)

    issued = make_certificate(gateway, select=True)
    imported = make_certificate(gateway, Origin.IMPORTED)
    assert "not in use" in plan(imported)
    page = administrator.get(f"/certificates/{issued.pk}/")
    assert page.context["details"].plan.renewed_at > timezone.now()

    gateway.selected_certificate = imported
    gateway.certificate_source = CertificateSource.MANUAL
    gateway.save()
    assert "30, 14, 7, 3 and 1 days" in plan(imported)
    page = administrator.get(f"/certificates/{imported.pk}/")
    assert page.context["details"].plan.warned_at == imported.not_after - datetime.timedelta(30)
    FollowedFiles.objects.create(
        gateway=gateway, certificate_path="/etc/tool/cert.pem", certificate=imported
    )
    assert "Another tool renews it" in plan(imported)
    assert (
        "/etc/tool/cert.pem" in administrator.get(f"/certificates/{imported.pk}/").content.decode()
    )


def test_versions_are_one_click_away(
    administrator: Client, operator: Client, gateway: Gateway, data_dir: Path
) -> None:
    old, new = make_certificate(gateway, Origin.IMPORTED), make_certificate(gateway)
    Certificate.objects.filter(pk=new.pk).update(replaces=old, origin=Origin.IMPORTED)
    page = administrator.get(f"/certificates/{new.pk}/")

    assert [row.certificate.pk for row in page.context["details"].versions] == [new.pk, old.pk]
    for each in (old, new):
        drawn = administrator.get(f"/certificates/{each.pk}/").content.decode()
        assert f'href="/certificates/{new.pk}/replace/"' in drawn
        assert f'href="/certificates/{old.pk}/replace/"' not in drawn
    assert f'action="/certificates/{old.pk}/use/"' in page.content.decode()
    reading = operator.get(f"/certificates/{new.pk}/").content.decode()
    assert f"/certificates/{old.pk}/" in reading
    assert "Use this certificate" not in reading

    administrator.post(f"/certificates/{old.pk}/use/")
    gateway.refresh_from_db()
    assert gateway.selected_certificate_id == old.pk
    assert (data_dir / "live" / "default" / "cert.pem").read_text() in old.chain_pem


def test_of_very_many_versions_the_newest_are_listed_and_the_others_counted(
    administrator: Client, gateway: Gateway
) -> None:
    line = [make_certificate(gateway, Origin.IMPORTED) for _ in range(23)]
    for older, newer in itertools.pairwise(line):
        Certificate.objects.filter(pk=newer.pk).update(replaces=older)
    page = administrator.get(f"/certificates/{line[0].pk}/")
    assert [row.certificate for row in page.context["details"].versions] == line[:2:-1]
    assert "3 older versions are not listed here." in page.content.decode()


@pytest.mark.parametrize("selected", ["newest", "older", "foreign"])
def test_the_replacement_page_says_whether_the_new_version_will_be_used(
    administrator: Client, gateway: Gateway, selected: str
) -> None:
    older, newest, foreign = (make_certificate(gateway, Origin.IMPORTED) for _ in range(3))
    Certificate.objects.filter(pk=newest.pk).update(replaces=older)
    chosen = {"newest": newest, "older": older, "foreign": foreign}[selected]
    Gateway.objects.update(selected_certificate=chosen, certificate_source=CertificateSource.MANUAL)
    page = administrator.get(f"/certificates/{newest.pk}/replace/").content.decode()
    assert ("used at once" in page) is (selected != "foreign")
    assert ("an older version of this certificate is in use" in page) is (selected == "older")
    refused = administrator.get(f"/certificates/{older.pk}/replace/").content.decode()
    assert "has been replaced already" in refused
    assert "The new version is checked" not in refused


def test_an_expired_certificate_in_use_is_not_promised_warnings(
    administrator: Client, gateway: Gateway
) -> None:
    expired = make_certificate(
        gateway, Origin.IMPORTED, lifetime=datetime.timedelta(minutes=30), select=True
    )
    Gateway.objects.update(certificate_source=CertificateSource.MANUAL)
    plan = administrator.get(f"/certificates/{expired.pk}/").context["details"].plan
    assert plan.sentence == "It has expired, and nothing renews it automatically. Replace it now."
    assert plan.warned_at is None


def test_the_console_is_named_where_it_shows_the_certificate_itself(
    administrator: Client, gateway: Gateway, settings: Settings
) -> None:
    used, other = make_certificate(gateway, select=True), make_certificate(gateway)
    words = "By this console, for its own pages"
    assert words not in administrator.get(f"/certificates/{used.pk}/").content.decode()
    settings.CONFIGURATION = dataclasses.replace(
        settings.CONFIGURATION, console_certificate=gateway.slug
    )
    assert words in administrator.get(f"/certificates/{used.pk}/").content.decode()
    assert words not in administrator.get(f"/certificates/{other.pk}/").content.decode()


def test_what_cannot_be_used_is_not_listed_as_valid(
    administrator: Client, gateway: Gateway
) -> None:
    fine = store_leaf(gateway, make_chain(*gateway.names), Origin.IMPORTED)
    staging = store_leaf(gateway, make_chain(*gateway.names), Origin.IMPORTED)
    Certificate.objects.filter(pk=staging.pk).update(issuer="(STAGING) Riddling Rhubarb R12")
    foreign = store_leaf(gateway, make_chain("other.example.net"), Origin.IMPORTED)
    rows = administrator.get("/certificates/").context["page"].object_list
    assert {row.certificate.pk: row.status for row in rows} == {
        fine.pk: "Valid",
        staging.pk: "Cannot be used",
        foreign.pk: "Cannot be used",
    }
    Certificate.objects.filter(pk=fine.pk).update(sealed_key="v1.00000000.AAAA")
    keyless = administrator.get(f"/certificates/{fine.pk}/").context["details"]
    assert keyless.status == "Cannot be used"


@pytest.mark.parametrize("who", ["administrator", "operator"])
def test_everybody_signed_in_downloads_the_chain(
    request: pytest.FixtureRequest, who: str, gateway: Gateway
) -> None:
    client: Client = request.getfixturevalue(who)
    certificate = store_leaf(gateway, make_chain(*gateway.names))
    counts = {}
    for name in ("fullchain.pem", "cert.pem", "chain.pem"):
        answer = client.get(f"/certificates/{certificate.pk}/download/{name}")
        counts[name] = len(x509.load_pem_x509_certificates(answer.content))
        assert answer["Content-Disposition"] == (f'attachment; filename="mail.example.com.{name}"')
        assert b"PRIVATE" not in answer.content

    assert counts == {"fullchain.pem": 3, "cert.pem": 1, "chain.pem": 2}


def test_nothing_else_can_be_downloaded(administrator: Client, gateway: Gateway) -> None:
    certificate = make_certificate(gateway)
    for name in ("chain.pem", "privkey.pem", "gateway.pfx", "..%2fprivkey.pem", "CERT.PEM"):
        answer = administrator.get(f"/certificates/{certificate.pk}/download/{name}")
        assert answer.status_code == HTTPStatus.NOT_FOUND, name
    missing = administrator.get("/certificates/999/download/cert.pem")
    assert missing.status_code == HTTPStatus.NOT_FOUND
    posted = administrator.post(f"/certificates/{certificate.pk}/download/cert.pem")
    assert posted.status_code == HTTPStatus.METHOD_NOT_ALLOWED


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_self_signed_certificate_takes_one_click_and_warns(
    administrator: Client, gateway: Gateway, headers: dict[str, str]
) -> None:
    pressed = administrator.post(SELF_SIGNED, {"gateway": gateway.slug}, headers=headers)
    made = Certificate.objects.get()

    assert pressed.status_code == HTTPStatus.SEE_OTHER
    assert pressed["Location"] == f"/certificates/{made.pk}/"
    assert made.origin == Origin.SELF_SIGNED
    assert made.names == gateway.names
    page = administrator.get(f"/certificates/{made.pk}/")
    assert "other computers do not trust it" in page.content.decode()
    assert "It is not in use yet." in page.content.decode()
    assert [link.kind for link in page.context["details"].links] == ["self-signed"]
    gateway.refresh_from_db()
    assert gateway.selected_certificate is None


def test_the_page_before_a_self_signed_one_says_what_it_is_good_for(
    administrator: Client, gateway: Gateway
) -> None:
    page = administrator.get(f"{SELF_SIGNED}?gateway={gateway.slug}")
    refused = administrator.post(SELF_SIGNED, {"gateway": "nobody"})

    assert "do not trust it" in page.content.decode()
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert list(refused.context["form"].errors) == ["gateway"]
    assert not Certificate.objects.exists()


def test_a_key_that_cannot_be_sealed_is_told_where_the_button_is(
    administrator: Client, gateway: Gateway, settings: Settings
) -> None:
    settings.READ_ENCRYPTION_KEYS = lambda: ""
    refused = administrator.post(SELF_SIGNED, {"gateway": gateway.slug})

    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert refused.context["problem"].code == "encryption-keys-unusable"


def test_using_a_self_signed_certificate_warns_where_it_is_in_use(
    administrator: Client, gateway: Gateway, data_dir: Path
) -> None:
    administrator.post(SELF_SIGNED, {"gateway": gateway.slug})
    made = Certificate.objects.get()
    before = administrator.get(f"/certificates/{made.pk}/use/").content.decode()
    administrator.post(f"/certificates/{made.pk}/use/")
    after = administrator.get("/gateways/default/").content.decode()

    assert "do not trust it" in before
    assert after.count('data-code="certificate-self-signed"') == 1
    assert "Automatic renewal is off" in after
    assert "Return to Let's Encrypt" in after
    assert (data_dir / "live" / "default" / "privkey.pem").exists()


def test_every_way_to_a_certificate_is_offered_where_there_is_none(
    administrator: Client, operator: Client, gateway: Gateway
) -> None:
    offers = ("Import certificate", "Create certificate request", "Create self-signed certificate")
    for address in (
        "/certificates/",
        f"/certificates/?gateway={gateway.slug}",
        "/gateways/default/",
    ):
        page = administrator.get(address).content.decode()
        assert [offer for offer in offers if offer not in page] == [], address
        reading = operator.get(address).content.decode()
        assert [offer for offer in offers if offer in reading] == [], address


def test_without_a_gateway_there_is_one_thing_to_do_first(
    administrator: Client, operator: Client
) -> None:
    page = administrator.get("/certificates/").content.decode()

    assert 'href="/gateways/add/"' in page
    assert "Import certificate" not in page
    assert 'href="/gateways/add/"' not in operator.get("/certificates/").content.decode()


def test_open_requests_stand_before_the_certificates(
    administrator: Client, gateway: Gateway
) -> None:
    waiting = make_request(gateway)
    other = make_request(make_gateway("other", "other.example.com"))
    everything = administrator.get("/certificates/")
    limited = administrator.get("/certificates/?gateway=default")

    assert set(everything.context["requests"]) == {waiting, other}
    assert limited.context["requests"] == [waiting]
    assert f"/certificates/requests/{waiting.pk}/" in limited.content.decode()


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

    consequences = " ".join(page.context["consequences"])
    assert "renewed automatically" in consequences
    assert "source becomes" not in consequences

    Gateway.objects.update(certificate_source=CertificateSource.MANUAL)
    page = administrator.get(f"/certificates/{issued.pk}/use/")
    assert "source becomes Let's Encrypt again" in " ".join(page.context["consequences"])


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


def test_a_missing_intermediate_stays_told_with_its_address(
    administrator: Client, gateway: Gateway
) -> None:
    address = "http://ca.example.net/issuer.der"
    lower = make_authority("Issuer\u202e\x1b", make_authority())
    short = make_leaf(*gateway.names, above=lower, issuer_address=address)
    kept = store_leaf(gateway, dataclasses.replace(short, above=None), Origin.IMPORTED)
    for place in ("", "use/"):
        page = administrator.get(f"/certificates/{kept.pk}/{place}").content.decode()
        assert "chain-incomplete" in page
        assert address in page
        assert not {"\u202e", "\x1b"} & set(page)
    whole = store_leaf(gateway, make_leaf(*gateway.names, above=lower, issuer_address=address))
    assert (
        "chain-incomplete" not in administrator.get(f"/certificates/{whole.pk}/").content.decode()
    )
