"""What the pages say of the next renewal: why then, what the CA suggests, what has stopped it."""

from __future__ import annotations

import datetime

import pytest
from django.test import Client
from django.utils import timezone

from certificates import backoffs, plans
from certificates.directories import url_of
from certificates.models import Certificate, Directory, Gateway, RenewalInformation
from certificates.policy.issuance import Environment, State
from certificates.policy.names import identifier_set
from challenges.problems import Problem, Severity
from tests.certificates.views.test_gateway_page import PAGE, PROBLEM
from tests.console import make_certificate, make_issuance

DAY = datetime.timedelta(days=1)
PERMANENT = Problem("acme-caa", Severity.ERROR, "A CAA record forbids it.", ("Remove it.",))


@pytest.fixture
def certificate(gateway: Gateway) -> Certificate:
    """In use, and renewed automatically."""
    return make_certificate(gateway, select=True)


def suggest(certificate: Certificate, explanation_url: str = "") -> RenewalInformation:
    """The CA has named a window, from ten to twelve days from now."""
    now = timezone.now()
    said = RenewalInformation.objects.create(
        certificate=certificate,
        window_start=now + 10 * DAY,
        window_end=now + 12 * DAY,
        explanation_url=explanation_url,
        checked_at=now,
        next_check_at=now + DAY,
    )
    plans.schedule(certificate)
    return said


def test_the_next_renewal_tells_its_reason_and_where_the_ca_explains_it(
    administrator: Client, certificate: Certificate
) -> None:
    suggest(certificate, "https://ca.example/incident?a=1&b=<2>")
    text = administrator.get(PAGE).content.decode()

    assert "The CA suggests this moment for the renewal." in text
    link = 'href="https://ca.example/incident?a=1&amp;b=&lt;2&gt;" rel="noreferrer"'
    assert link in text


@pytest.mark.parametrize("url", ["http://ca.example/", "javascript:alert(1)", "//ca.example/x"])
def test_an_explanation_anywhere_else_is_no_link(
    administrator: Client, certificate: Certificate, url: str
) -> None:
    suggest(certificate, url)
    text = administrator.get(PAGE).content.decode()

    assert url not in text
    assert "What the CA says" not in text


def test_the_certificates_page_shows_the_window(
    administrator: Client, certificate: Certificate
) -> None:
    address = f"/certificates/{certificate.pk}/"
    assert "The CA suggests" not in administrator.get(address).content.decode()
    said = suggest(certificate)
    text = administrator.get(address).content.decode()

    assert "The CA suggests to renew between" in text
    assert said.window_start is not None
    assert said.window_start.isoformat(timespec="seconds").replace("+00:00", "Z") in text


def test_a_renewal_that_has_stopped_says_so_and_why(
    administrator: Client, gateway: Gateway, certificate: Certificate
) -> None:
    key = identifier_set(gateway.names)
    backoffs.failed(key, PERMANENT, timezone.now(), lifetime=90 * DAY)
    make_issuance(gateway, State.FAILED, problem_facts=PERMANENT.to_json())
    page = administrator.get(PAGE)
    summary = page.context["summary"]

    assert certificate.pk
    assert summary.next_renewal is None
    assert summary.renewal_stopped == PERMANENT
    assert "What stopped it: A CAA record forbids it." in page.content.decode()
    assert "renewal-stopped" in {warning.code for warning in summary.warnings}
    assert ">Stopped</span>" in administrator.get("/gateways/").content.decode()


def test_one_that_has_failed_and_is_tried_again_has_not_stopped(
    administrator: Client, gateway: Gateway, certificate: Certificate
) -> None:
    backoffs.failed(identifier_set(gateway.names), PROBLEM, timezone.now(), lifetime=90 * DAY)
    Certificate.objects.filter(pk=certificate.pk).update(
        not_before=timezone.now() - 70 * DAY, not_after=timezone.now() + 20 * DAY
    )
    summary = administrator.get(PAGE).context["summary"]

    assert summary.renewal_stopped is None
    assert summary.next_renewal.reason == "The last renewal failed; it is tried again then."


@pytest.mark.usefixtures("gateway")
def test_a_ca_that_is_away_is_a_warning_of_the_console_after_a_quarter_of_an_hour(
    administrator: Client,
) -> None:
    now = timezone.now()
    row = Directory.objects.create(
        url=url_of(Environment.PRODUCTION), away_since=now, next_probe_at=now + DAY / 96
    )
    for since, told in ((now - DAY / 100, False), (now - DAY / 90, True)):
        Directory.objects.filter(pk=row.pk).update(away_since=since)
        placed = administrator.get("/warnings/").context["problems"]
        found = [each for each in placed if each.problem.code == "ca-away"]
        assert bool(found) is told
        if found:
            assert found[0].gateway is None
            assert "production environment of the CA" in found[0].problem.explanation


def test_files_that_are_not_the_certificates_are_a_warning(
    administrator: Client, gateway: Gateway, certificate: Certificate
) -> None:
    assert certificate.pk
    Gateway.objects.filter(pk=gateway.pk).update(files_problem=PROBLEM.to_json())
    for address in ("/", "/warnings/", PAGE):
        assert PROBLEM.explanation in administrator.get(address).content.decode()
