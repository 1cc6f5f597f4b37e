"""Following files that another tool renews: the form, what the gateway's page says, stopping."""

from __future__ import annotations

import dataclasses
import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from certificates.models import Certificate, CertificateSource, FollowedFiles, Gateway, Origin
from challenges.problems import Problem, Severity
from tests.console import HTMX, Files, make_certificate, make_files

FOLLOW = "/gateways/default/follow/"
STOP = "/gateways/default/follow/stop/"


@pytest.fixture
def allowed(tmp_path: Path, data_dir: Path, settings: Settings) -> Path:
    """A directory in which files may be followed."""
    directory = tmp_path / "tool"
    directory.mkdir()
    settings.CONFIGURATION = dataclasses.replace(
        settings.CONFIGURATION, data_dir=data_dir, certificate_directories=(directory,)
    )
    return directory


@pytest.fixture
def files(gateway: Gateway, allowed: Path) -> Files:
    """A certificate for the gateway where the other tool puts it."""
    made = make_files(*gateway.names)
    (allowed / "cert.pem").write_bytes(made.certificate)
    (allowed / "key.pem").write_bytes(made.key)
    return made


def follow(client: Client, certificate: Path | str, key: Path | str = "", **options: Any) -> Any:
    typed = {"certificate_path": str(certificate), "key_path": str(key)}
    return client.post(FOLLOW, typed, **options)


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_the_files_are_used_at_once_and_the_page_says_where_they_are(
    administrator: Client,
    operator: Client,
    files: Files,
    allowed: Path,
    data_dir: Path,
    headers: dict[str, str],
) -> None:
    pressed = follow(administrator, allowed / "cert.pem", allowed / "key.pem", headers=headers)
    gateway = Gateway.objects.get()

    assert pressed.status_code == HTTPStatus.SEE_OTHER
    assert pressed["Location"] == "/gateways/default/"
    assert gateway.certificate_source == CertificateSource.MANUAL
    assert (data_dir / "live" / "default" / "cert.pem").read_bytes() == files.certificate
    page = administrator.get("/gateways/default/").content.decode()
    assert str(allowed / "cert.pem") in page
    assert str(allowed / "key.pem") in page
    assert "Stop following" in page
    reading = operator.get("/gateways/default/").content.decode()
    assert str(allowed / "cert.pem") in reading
    assert "Stop following" not in reading
    certificate = Certificate.objects.get()
    assert (
        "Another tool renews it"
        in administrator.get(f"/certificates/{certificate.pk}/").content.decode()
    )


@pytest.mark.parametrize("selected", ["followed", "older", "foreign"])
def test_every_screen_says_whether_what_is_followed_is_in_use(
    administrator: Client, gateway: Gateway, selected: str
) -> None:
    soon = datetime.timedelta(days=5)
    older, followed, foreign = (
        make_certificate(gateway, Origin.IMPORTED, lifetime=soon) for _ in range(3)
    )
    Certificate.objects.filter(pk=followed.pk).update(replaces=older)
    FollowedFiles.objects.create(
        gateway=gateway, certificate_path="/etc/tool/cert.pem", certificate=followed
    )
    chosen = {"followed": followed, "older": older, "foreign": foreign}[selected]
    Gateway.objects.update(selected_certificate=chosen, certificate_source=CertificateSource.MANUAL)
    is_used = selected != "foreign"

    page = administrator.get("/gateways/default/").content.decode()
    assert ("The certificate in use follows files" in page) is is_used
    assert ("will expire unless somebody replaces it" in page) is not is_used
    assert ("Another certificate is selected, so what comes in these files" in page) is not is_used
    plan = administrator.get(f"/certificates/{chosen.pk}/").context["details"].plan.sentence
    assert ("Another tool renews it" in plan) is is_used
    for place in ("/gateways/default/", "/warnings/"):
        told = administrator.get(place).content.decode()
        assert "certificate-expires-soon" in told
        assert ("the tool that renews /etc/tool/cert.pem" in told) is is_used


@pytest.mark.usefixtures("files")
def test_what_cannot_be_followed_is_told_at_its_field_and_nothing_is_lost(
    administrator: Client, allowed: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.pem"
    outside.write_text("hello")
    (allowed / "junk.pem").write_text("hello")
    refusals = {
        "nothing": follow(administrator, ""),
        "relative": follow(administrator, "cert.pem"),
        "outside": follow(administrator, outside),
        "absent": follow(administrator, allowed / "absent.pem"),
        "junk": follow(administrator, allowed / "junk.pem"),
        "zero": follow(administrator, "/a\0b"),
        "too long": follow(administrator, "/" + "a" * 2000),
    }
    for name, page in refusals.items():
        assert page.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, name
        assert list(page.context["form"].errors) == ["certificate_path"], name
    kept = refusals["absent"].context["form"]["certificate_path"].value()
    assert kept == str(allowed / "absent.pem")
    no_key = follow(administrator, allowed / "cert.pem", allowed / "absent.pem")
    assert no_key.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert no_key.context["form"]["key_path"].value() == str(allowed / "absent.pem")
    assert not FollowedFiles.objects.exists()
    assert not Certificate.objects.exists()


def test_without_an_allowed_directory_the_page_says_whom_to_ask(
    administrator: Client, gateway: Gateway
) -> None:
    page = administrator.get(FOLLOW)

    assert page.status_code == HTTPStatus.OK
    assert "GATEWAY_ADMIN_CERTIFICATE_DIRECTORIES" in page.content.decode()
    assert "Follow files" not in administrator.get(f"/gateways/{gateway.slug}/").content.decode()
    refused = follow(administrator, "/etc/letsencrypt/live/x/fullchain.pem")
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.mark.usefixtures("files")
def test_stopping_leaves_the_certificate_in_use(administrator: Client, allowed: Path) -> None:
    follow(administrator, allowed / "cert.pem", allowed / "key.pem")
    stopped = administrator.post(STOP)
    gateway = Gateway.objects.get()

    assert stopped.status_code == HTTPStatus.SEE_OTHER
    assert gateway.selected_certificate is not None
    assert not FollowedFiles.objects.exists()
    page = administrator.get("/gateways/default/").content.decode()
    assert str(allowed) not in page.split('id="events-title"')[0]
    assert administrator.post(STOP).status_code == HTTPStatus.SEE_OTHER


@pytest.mark.usefixtures("files")
def test_a_broken_new_file_is_told_where_the_files_are(
    administrator: Client, allowed: Path
) -> None:
    follow(administrator, allowed / "cert.pem", allowed / "key.pem")
    broken = Problem("followed-files-broken", Severity.WARNING, "cert.pem is damaged.")
    FollowedFiles.objects.update(problem_facts=broken.to_json(), checked_at=timezone.now())
    page = administrator.get("/gateways/default/").content.decode()

    assert "Cannot be used" in page
    assert page.count("cert.pem is damaged.") >= 1


def test_operators_follow_nothing(operator: Client, gateway: Gateway) -> None:
    assert operator.get(FOLLOW).status_code == HTTPStatus.FORBIDDEN
    assert follow(operator, "/a").status_code == HTTPStatus.FORBIDDEN
    assert operator.post(STOP).status_code == HTTPStatus.FORBIDDEN
    assert gateway.uses_lets_encrypt


def test_there_must_be_such_a_gateway(administrator: Client) -> None:
    assert administrator.get("/gateways/nobody/follow/").status_code == HTTPStatus.NOT_FOUND
    assert administrator.post("/gateways/nobody/follow/stop/").status_code == HTTPStatus.NOT_FOUND
