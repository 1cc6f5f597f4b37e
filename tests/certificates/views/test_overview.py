"""The overview and the warnings: what stands well and what does not, now."""

from __future__ import annotations

import datetime
from http import HTTPStatus

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from certificates import heartbeats, tasks
from certificates.models import Component, Gateway, Heartbeat
from certificates.policy.issuance import State
from challenges.models import ChallengeListener
from challenges.problems import Severity
from tests.certificates.views.test_gateway_page import PROBLEM
from tests.console import make_certificate, make_gateway, make_issuance


@pytest.fixture
def alive(db: None) -> None:
    """Every part has just given a sign of life."""
    now = timezone.now()
    for component in Component:
        heartbeats.beat(component, now)
    ChallengeListener.objects.create(
        host="here", pid=1, port=8080, wanted_port=8080, started_at=now, seen_at=now
    )


@pytest.mark.usefixtures("alive")
def test_with_nothing_yet_the_overview_leads_to_the_first_gateway(administrator: Client) -> None:
    page = administrator.get("/")

    assert page.context["needs_first_gateway"] is True
    assert "/gateways/add/" in page.content.decode()
    assert page.context["problem_count"] == 0
    assert page.context["warning_count"] == 0


@pytest.mark.usefixtures("alive")
def test_an_operator_is_not_led_to_what_is_forbidden(operator: Client) -> None:
    page = operator.get("/")

    assert "/gateways/add/" not in page.content.decode()
    assert [item.name for item in page.context["navigation"]] == [
        "overview",
        "gateways",
        "certificates",
        "log",
        "warnings",
    ]


@pytest.mark.usefixtures("alive")
def test_the_overview_shows_what_the_contract_lists(
    administrator: Client, gateway: Gateway
) -> None:
    certificate = make_certificate(gateway, select=True)
    make_issuance(gateway)
    page = administrator.get("/")
    (summary,) = page.context["page"].object_list
    text = page.content.decode()

    assert summary.certificate == certificate
    assert (summary.days_left, summary.tone) == (89, "good")
    assert summary.last_issuance.current is State.DONE
    assert summary.next_renewal is not None
    assert [component.name for component in page.context["components"]] == [
        "database",
        "worker",
        "beat",
        "sweep",
        "challenge_port",
    ]
    for word in ("mail.example.com", "Let&#x27;s Encrypt", "Test issuer", "Done"):
        assert word in text


@pytest.mark.usefixtures("gateway")
def test_parts_that_never_reported_are_warnings(administrator: Client) -> None:
    page = administrator.get("/warnings/")
    codes = [placed.problem.code for placed in page.context["problems"]]

    assert set(codes) >= {"worker-down", "beat-down", "sweep-down", "challenge-port-down"}
    assert page.context["problem_count"] == len(codes) == page.context["warning_count"]


@pytest.mark.usefixtures("alive")
def test_warnings_are_worst_first_and_say_which_gateway(
    administrator: Client, gateway: Gateway
) -> None:
    broken = make_gateway("broken", "broken.example.com")
    make_issuance(broken, State.FAILED, problem_facts=PROBLEM.to_json())
    page = administrator.get("/warnings/")

    assert [(placed.gateway, placed.problem.severity) for placed in page.context["problems"]] == [
        (broken, Severity.ERROR),
        (gateway, Severity.WARNING),
    ]
    assert page.context["problems"][0].problem == PROBLEM
    assert administrator.get("/").context["problem_count"] == 2


@pytest.mark.usefixtures("alive")
def test_a_gateway_that_is_well_has_no_warning(administrator: Client, gateway: Gateway) -> None:
    make_certificate(gateway, select=True)

    assert administrator.get("/warnings/").context["problem_count"] == 0


# What may be wrong with a gateway that has a certificate, and the warning's code. The search for
# suspects in the database must miss none of them.
@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize(
    ("lifetime", "source", "code"),
    [
        (datetime.timedelta(minutes=30), "lets-encrypt", "certificate-expired"),
        (datetime.timedelta(minutes=65), "lets-encrypt", "certificate-expires-soon"),
        (datetime.timedelta(days=29), "manual", "certificate-expires-soon"),
    ],
)
def test_no_expiry_is_missed(
    administrator: Client,
    gateway: Gateway,
    lifetime: datetime.timedelta,
    source: str,
    code: str,
) -> None:
    make_certificate(gateway, lifetime=lifetime, select=True)
    Gateway.objects.filter(pk=gateway.pk).update(certificate_source=source)
    problems = administrator.get("/warnings/").context["problems"]

    assert code in [placed.problem.code for placed in problems]


@pytest.mark.usefixtures("alive")
def test_a_name_that_was_added_after_the_certificate_is_not_missed(
    administrator: Client, gateway: Gateway
) -> None:
    make_certificate(gateway, select=True)
    gateway.additional_hostnames = ["mx.example.com"]
    gateway.save()
    problems = administrator.get("/warnings/").context["problems"]

    assert [placed.problem.code for placed in problems] == ["names-not-covered"]


@pytest.mark.usefixtures("alive", "gateway")
def test_the_number_beside_the_link_is_what_the_last_sweep_has_counted(
    administrator: Client,
) -> None:
    tasks.sweep()
    assert administrator.get("/log/").context["warning_count"] == 1
    make_gateway("other", "other.example.com")
    cache.clear()
    assert administrator.get("/log/").context["warning_count"] == 1
    tasks.sweep()
    cache.clear()
    assert administrator.get("/log/").context["warning_count"] == 2


@pytest.mark.usefixtures("alive", "gateway")
@pytest.mark.parametrize("address", ["/", "/warnings/"])
def test_a_page_that_counts_the_warnings_shows_its_own_number(
    administrator: Client, address: str
) -> None:
    heartbeats.note_warnings(7)
    page = administrator.get(address)

    assert page.context["warning_count"] == page.context["problem_count"] == 1
    assert administrator.get("/log/").context["warning_count"] == 1


@pytest.mark.usefixtures("alive", "gateway")
def test_a_part_that_has_fallen_silent_since_the_last_sweep_is_counted_at_once(
    administrator: Client,
) -> None:
    heartbeats.note_warnings(1)
    Heartbeat.objects.update(seen_at=timezone.now() - datetime.timedelta(minutes=10))

    assert administrator.get("/log/").context["warning_count"] == 4
    # The list says the same: worker, beat, sweep and the gateway without a certificate.
    assert administrator.get("/warnings/").context["problem_count"] == 4


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("number", ["0", "-1", "2", "x", "9" * 30])
def test_a_page_number_that_makes_no_sense_never_breaks_a_list(
    administrator: Client, number: str
) -> None:
    for address in ("/", "/gateways/", "/certificates/", "/users/"):
        assert administrator.get(address, {"page": number}).status_code == HTTPStatus.OK


@pytest.mark.usefixtures("gateway")
def test_gateways_are_found_by_a_part_of_their_name(administrator: Client) -> None:
    make_gateway("branch", "mx.example.org")
    for typed in ("EXAMPLE.ORG", "branch", " mx. ", "mx\0"):
        page = administrator.get("/gateways/", {"q": typed})
        assert [row.gateway.slug for row in page.context["page"].object_list] == ["branch"]

    none = administrator.get("/gateways/", {"q": "%"})
    assert none.context["page"].object_list == []
    assert none.status_code == HTTPStatus.OK


def test_the_pages_of_a_search_stay_within_it(administrator: Client, gateway: Gateway) -> None:
    for number in range(60):
        make_gateway(f"g{number}", f"host{number}.example.org")
    page = administrator.get("/gateways/", {"q": "example.org", "page": "2"})

    assert page.context["page_query"] == "q=example.org&"
    assert len(page.context["page"].object_list) == 10
    assert gateway not in [row.gateway for row in page.context["page"].object_list]
