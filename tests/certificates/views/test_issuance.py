"""The page of an issuance, whole and as the part that htmx fetches."""

from __future__ import annotations

import datetime
from http import HTTPStatus

import pytest
from django.test import Client
from django.utils import timezone

from certificates import events
from certificates.models import Gateway, Stage, StageState
from certificates.policy.issuance import State
from tests.certificates.views.test_gateway_page import PROBLEM
from tests.console import HTMX, make_certificate, make_issuance, make_preflight


def test_the_page_holds_the_part_that_htmx_fetches(administrator: Client, gateway: Gateway) -> None:
    issuance = make_issuance(gateway, State.STAGING_TEST)
    page = administrator.get(f"/issuances/{issuance.pk}/")
    part = administrator.get(f"/issuances/{issuance.pk}/", headers=HTMX)

    assert part.templates[0].name == "_issuance.html"
    assert "<html" in page.content.decode()
    assert "<html" not in part.content.decode()
    assert 'hx-trigger="every 1s"' in part.content.decode()
    assert 'hx-trigger="every 1s"' in page.content.decode()


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.CANCELLED])
def test_an_ended_issuance_asks_no_more(
    administrator: Client, gateway: Gateway, state: State
) -> None:
    issuance = make_issuance(gateway, state)
    part = administrator.get(f"/issuances/{issuance.pk}/", headers=HTMX).content.decode()

    assert "hx-trigger" not in part
    assert "hx-get" not in part


def test_the_four_stages_are_always_there_with_their_times(
    administrator: Client, gateway: Gateway
) -> None:
    issuance = make_issuance(gateway, State.PRODUCTION)
    start = issuance.started_at
    for state, seconds in ((State.PREFLIGHT, 1), (State.STAGING_TEST, 2)):
        Stage.objects.create(
            issuance=issuance,
            stage=state,
            state=StageState.DONE,
            started_at=start,
            finished_at=start + datetime.timedelta(seconds=seconds),
        )
    Stage.objects.create(issuance=issuance, stage=State.PRODUCTION, started_at=start)
    page = administrator.get(f"/issuances/{issuance.pk}/")

    assert [(row.state.label, row.status, row.seconds) for row in page.context["stages"]] == [
        ("Preflight", "done", 1.0),
        ("Staging test", "done", 2.0),
        ("Production", "running", None),
        ("Installing", "waiting", None),
    ]
    for word in ("Preflight", "Staging test", "Production", "Installing"):
        assert word in page.content.decode()


def test_a_failure_shows_reason_remedy_and_try_again(
    administrator: Client, gateway: Gateway
) -> None:
    issuance = make_issuance(gateway, State.FAILED, problem_facts=PROBLEM.to_json())
    make_preflight(gateway, [PROBLEM], issuance=issuance)
    page = administrator.get(f"/issuances/{issuance.pk}/")
    text = page.content.decode()

    assert page.context["problem"] == PROBLEM
    assert page.context["preflight"].problems == [PROBLEM]
    assert page.context["can_retry"] is True
    assert PROBLEM.explanation in text
    assert PROBLEM.remedy[0] in text
    assert "Try again" in text
    assert "error:connection &lt;script&gt;" in text


def test_an_operator_cannot_try_again(operator: Client, gateway: Gateway) -> None:
    issuance = make_issuance(gateway, State.FAILED, problem_facts=PROBLEM.to_json())
    text = operator.get(f"/issuances/{issuance.pk}/").content.decode()

    assert PROBLEM.explanation in text
    assert "/issue/" not in text


def test_a_certificate_and_the_events_are_shown(administrator: Client, gateway: Gateway) -> None:
    issuance = make_issuance(gateway)
    certificate = make_certificate(gateway)
    certificate.issuance = issuance
    certificate.save()
    events.record("first", "The first thing happened.", gateway=gateway, issuance=issuance)
    events.record("second", "The second thing happened.", gateway=gateway, issuance=issuance)
    events.record("other", "Another thing happened.", gateway=gateway)
    page = administrator.get(f"/issuances/{issuance.pk}/")

    assert page.context["certificate"] == certificate
    assert [event.code for event in page.context["events"]] == ["first", "second"]
    assert f"/certificates/{certificate.pk}/" in page.content.decode()


@pytest.mark.parametrize(("seconds", "is_told"), [(2, False), (600, True)])
def test_a_long_wait_is_told(
    administrator: Client, gateway: Gateway, seconds: int, is_told: bool
) -> None:
    at = timezone.now() + datetime.timedelta(seconds=seconds)
    issuance = make_issuance(gateway, State.PRODUCTION, next_step_at=at)
    page = administrator.get(f"/issuances/{issuance.pk}/")

    assert page.context["waiting_until"] == (at if is_told else None)


@pytest.mark.parametrize("number", ["1", "99999999999999999999999"])
def test_an_issuance_that_does_not_exist_is_not_found(administrator: Client, number: str) -> None:
    assert administrator.get(f"/issuances/{number}/").status_code == HTTPStatus.NOT_FOUND
