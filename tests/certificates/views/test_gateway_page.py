"""The page of one gateway and its buttons."""

from __future__ import annotations

import re
from http import HTTPStatus

import pytest
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from certificates import deploying, tasks
from certificates.models import CertificateSource, Event, Gateway, Issuance, Origin, Trigger
from certificates.policy.acme_document import CaProblem
from certificates.policy.acme_problems import explain
from certificates.policy.acme_words import Values
from certificates.policy.issuance import State
from challenges.models import NetworkSettings
from challenges.problems import Problem, ProblemError, Severity
from tests.console import make_certificate, make_issuance

PAGE = "/gateways/default/"
ISSUE = "/gateways/default/issue/"
PREFLIGHT = "/gateways/default/preflight/"
USE_LETS_ENCRYPT = "/gateways/default/use-lets-encrypt/"
UNPAUSE = "https://portal.letsencrypt.org/sfe/v1/unpause?jwt=eyJhbGciOiJIUzI1NiJ9.eyJpIjoi.a_-b"
PROBLEM = Problem(
    code="port-closed",
    severity=Severity.ERROR,
    explanation="The CA could not connect to port 80 of mail.example.com.",
    remedy=("Forward TCP port 80 to this machine, port 8080.",),
    detail="urn:ietf:params:acme:error:connection <script>",
    retryable=True,
)


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The issuances that a worker was nudged towards; no broker is asked."""
    nudges: list[int] = []
    monkeypatch.setattr(tasks.advance, "delay", nudges.append)
    return nudges


def test_without_a_certificate_the_button_is_test_and_obtain(
    administrator: Client, gateway: Gateway
) -> None:
    page = administrator.get(PAGE)

    assert page.context["issue_label"] == "Test and obtain certificate"
    assert "port 8080" in page.content.decode()
    assert page.context["summary"].status == "No certificate"
    assert str(gateway) in page.content.decode()


def test_with_an_issued_certificate_the_button_is_renew_now(
    administrator: Client, gateway: Gateway
) -> None:
    make_certificate(gateway, select=True)
    summary = administrator.get(PAGE).context["summary"]

    assert summary.issue_label == "Renew now"
    assert summary.days_left == 89
    assert (summary.tone, summary.status) == ("good", "Valid")
    assert (summary.next_renewal.at - summary.certificate.not_before).days == 60
    assert summary.next_renewal.reason.endswith(".")
    assert summary.renewal_off == ""


@pytest.mark.usefixtures("gateway")
def test_the_button_asks_for_an_issuance_and_leads_to_it(
    administrator: Client,
    nudged: list[int],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = administrator.post(ISSUE)
    issuance = Issuance.objects.get()

    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert answer.headers["Location"] == f"/issuances/{issuance.pk}/"
    assert issuance.trigger == Trigger.MANUAL
    assert nudged == [issuance.pk]
    assert "ada" in Event.objects.get(issuance=issuance).message


def test_while_one_is_running_the_button_is_gone_and_another_press_leads_to_it(
    administrator: Client, gateway: Gateway, nudged: list[int]
) -> None:
    live = make_issuance(gateway, State.STAGING_TEST)
    page = administrator.get(PAGE)
    answer = administrator.post(ISSUE)

    assert page.context["issue_label"] == ""
    assert page.context["live_issuance"] == live
    assert (page.context["summary"].tone, page.context["summary"].status) == (
        "busy",
        "Staging test",
    )
    assert answer.headers["Location"] == f"/issuances/{live.pk}/"
    assert nudged == []
    assert Issuance.objects.count() == 1


@pytest.mark.usefixtures("nudged")
def test_without_agreement_to_the_terms_the_page_says_what_to_do(
    administrator: Client, gateway: Gateway
) -> None:
    Gateway.objects.filter(pk=gateway.pk).update(terms_agreed_at=None)
    page = administrator.post(ISSUE, follow=True)

    assert page.redirect_chain == [(PAGE, HTTPStatus.SEE_OTHER)]
    assert "terms of service" in str(next(iter(page.context["messages"])))
    assert not Issuance.objects.exists()


def test_a_failure_is_shown_once_with_its_reason_and_try_again(
    administrator: Client, gateway: Gateway
) -> None:
    make_issuance(gateway, State.FAILED, problem_facts=PROBLEM.to_json())
    page = administrator.get(PAGE)
    text = page.content.decode()

    assert text.count("<li>Forward TCP port 80 to this machine, port 8080.</li>") == 1
    assert "Try again" in text
    assert "<script>" not in text.replace("<script src", "")
    assert PROBLEM not in page.context["summary"].warnings


def test_the_address_at_which_the_ca_ends_a_pause_is_text_and_no_link(
    administrator: Client, gateway: Gateway
) -> None:
    said = f"Your account is temporarily prevented from requesting certificates: {UNPAUSE}"
    around = Values("mail.example.com", 8080, behind_nat=True)
    paused = explain(CaProblem("rateLimited", said, 429), around)
    assert paused.code == "acme-paused"
    make_issuance(gateway, State.FAILED, problem_facts=paused.to_json())
    text = administrator.get(PAGE).content.decode()

    assert f"<li>Open {UNPAUSE} in a browser, and end the pause there.</li>" in text
    assert not [tag for tag in re.findall(r"<a\b[^>]*>", text) if "unpause" in tag]
    assert not re.search(r"""(href|action|src|hx-[a-z]+)\s*=\s*["']?[^"'>]*unpause""", text)


@pytest.mark.usefixtures("data_dir")
def test_with_the_manual_source_the_page_says_that_renewal_is_off_and_leads_back(
    administrator: Client, gateway: Gateway
) -> None:
    issued = make_certificate(gateway, select=True)
    imported = make_certificate(gateway, Origin.IMPORTED)
    deploying.select(imported, gateway, imported.created_at)
    page = administrator.get(PAGE)

    assert page.context["issue_label"] == ""
    assert page.context["summary"].next_renewal is None
    assert "another certificate than the one from Let" in page.context["summary"].renewal_off
    assert "Return to Let" in page.content.decode()

    answer = administrator.post(USE_LETS_ENCRYPT, follow=True)
    gateway.refresh_from_db()

    assert answer.redirect_chain == [(PAGE, HTTPStatus.SEE_OTHER)]
    assert gateway.certificate_source == CertificateSource.LETS_ENCRYPT
    assert gateway.selected_certificate == issued
    assert answer.context["summary"].renewal_off == ""


@pytest.mark.usefixtures("data_dir")
def test_a_return_without_a_certificate_from_there_asks_for_one_at_once(
    administrator: Client,
    gateway: Gateway,
    nudged: list[int],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    imported = make_certificate(gateway, Origin.IMPORTED)
    deploying.select(imported, gateway, imported.created_at)
    with django_capture_on_commit_callbacks(execute=True):
        administrator.post(USE_LETS_ENCRYPT)
    issuance = Issuance.objects.get()
    gateway.refresh_from_db()

    assert nudged == [issuance.pk]
    assert gateway.selected_certificate == imported


@pytest.mark.usefixtures("data_dir", "nudged")
def test_a_return_that_cannot_ask_for_one_says_why(administrator: Client, gateway: Gateway) -> None:
    Gateway.objects.update(terms_agreed_at=None, terms_of_service_url="")
    gateway.refresh_from_db()
    imported = make_certificate(gateway, Origin.IMPORTED)
    deploying.select(imported, gateway, imported.created_at)
    page = administrator.post(USE_LETS_ENCRYPT, follow=True)

    told = list(page.context["messages"])
    assert [message.level_tag for message in told] == ["warning", "error"]
    assert "no certificate could be asked for yet" in str(told[0])
    assert not Issuance.objects.exists()
    text = page.content.decode()
    assert "As soon as possible" in text
    assert "Set by the first certificate" not in text
    assert "As soon as possible" in administrator.get("/gateways/").content.decode()


@pytest.mark.usefixtures("data_dir")
def test_a_return_in_the_settings_is_told_and_begun_like_that_of_the_button(
    administrator: Client,
    gateway: Gateway,
    nudged: list[int],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    NetworkSettings.objects.get_or_create(pk=1, defaults={"challenge_port": 8080})
    imported = make_certificate(gateway, Origin.IMPORTED)
    deploying.select(imported, gateway, imported.created_at)
    typed = {
        "hostname": gateway.hostname,
        "network_scenario": "lan",
        "challenge_port": "8080",
        "certificate_source": "lets-encrypt",
        "key_type": gateway.key_type,
        "agree_terms": "on",
    }
    with django_capture_on_commit_callbacks(execute=True):
        page = administrator.post(f"{PAGE}settings/", typed, follow=True)
    issuance = Issuance.objects.get()

    assert nudged == [issuance.pk]
    saved, told = (str(message) for message in page.context["messages"])
    assert saved == "The settings were saved."
    assert told.startswith("A certificate from Let's Encrypt has been asked for.")


def test_a_return_that_cannot_write_the_files_says_why(
    administrator: Client, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ProblemError(PROBLEM)

    monkeypatch.setattr(deploying, "return_to_lets_encrypt", fail)
    page = administrator.post(USE_LETS_ENCRYPT, follow=True)

    assert PROBLEM.explanation in str(next(iter(page.context["messages"])))
    assert gateway.slug == "default"


@pytest.mark.parametrize("address", [PAGE, ISSUE, PREFLIGHT, USE_LETS_ENCRYPT])
def test_a_gateway_that_does_not_exist_is_not_found(administrator: Client, address: str) -> None:
    answer = administrator.get(address) if address == PAGE else administrator.post(address)

    assert answer.status_code == HTTPStatus.NOT_FOUND


def test_an_operator_sees_the_page_without_its_buttons(operator: Client, gateway: Gateway) -> None:
    make_issuance(gateway, State.FAILED, problem_facts=PROBLEM.to_json())
    text = operator.get(PAGE).content.decode()

    assert PROBLEM.explanation in text
    for word in ("Test and obtain certificate", "Try again", "Run preflight check"):
        assert f">{word}</button>" not in text
