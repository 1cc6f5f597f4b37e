"""The rehearsal of a renewal: its button, its page, and what the gateway's page says of it."""

from __future__ import annotations

import datetime
from http import HTTPStatus

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from certificates import tasks
from certificates.models import Event, Gateway, Issuance, Trigger
from certificates.policy.issuance import Course, State
from tests.certificates.views.test_gateway_page import ISSUE, PAGE, PROBLEM
from tests.console import HTMX, make_certificate, make_gateway, make_issuance

REHEARSE = "/gateways/default/rehearse/"
BUTTON = "Rehearse renewal</button>"


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The issuances that a worker was nudged towards; no broker is asked."""
    nudges: list[int] = []
    monkeypatch.setattr(tasks.advance, "delay", nudges.append)
    return nudges


@pytest.fixture
def renewed(gateway: Gateway) -> Gateway:
    """A gateway whose certificate is renewed automatically."""
    make_certificate(gateway, select=True)
    return gateway


def make_rehearsal(gateway: Gateway, state: State, **fields: object) -> Issuance:
    """A rehearsal that has reached that state."""
    rehearsal = {"course": Course.REHEARSAL, "trigger": Trigger.REHEARSAL}
    return make_issuance(gateway, state, **rehearsal, **fields)


@pytest.mark.usefixtures("renewed")
def test_the_button_asks_for_a_rehearsal_and_leads_to_it(
    administrator: Client,
    nudged: list[int],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    assert BUTTON in administrator.get(PAGE).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        answer = administrator.post(REHEARSE)
    rehearsal = Issuance.objects.get()

    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert answer.headers["Location"] == f"/issuances/{rehearsal.pk}/"
    assert rehearsal.is_rehearsal
    assert nudged == [rehearsal.pk]
    assert "asked for by ada" in Event.objects.get(issuance=rehearsal).message


def test_its_page_shows_its_own_stages_and_says_that_nothing_is_touched(
    administrator: Client, renewed: Gateway
) -> None:
    rehearsal = make_rehearsal(renewed, State.STAGING_TEST)
    page = administrator.get(f"/issuances/{rehearsal.pk}/")
    part = administrator.get(f"/issuances/{rehearsal.pk}/", headers=HTMX).content.decode()

    assert [row.state.label for row in page.context["stages"]] == ["Preflight", "Staging test"]
    for text in (page.content.decode(), part):
        assert "This is a rehearsal" in text
        assert "the certificate in use is not touched" in text
        assert "Installing" not in text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.DONE, "a renewal would succeed now"),
        (State.FAILED, "a renewal would fail now"),
        (State.CANCELLED, "The rehearsal was cancelled"),
    ],
)
def test_its_end_is_told_in_words_of_its_own(
    administrator: Client, renewed: Gateway, state: State, words: str
) -> None:
    rehearsal = make_rehearsal(renewed, state)
    text = administrator.get(f"/issuances/{rehearsal.pk}/").content.decode()

    assert words in text
    assert "The certificate is in use." not in text


def test_a_failed_one_is_rehearsed_again_and_not_requested(
    administrator: Client, renewed: Gateway
) -> None:
    rehearsal = make_rehearsal(renewed, State.FAILED, problem_facts=PROBLEM.to_json())
    text = administrator.get(f"/issuances/{rehearsal.pk}/").content.decode()

    assert f'action="{REHEARSE}"' in text
    assert f'action="{ISSUE}"' not in text


def test_the_gateways_page_tells_how_the_last_ended_and_when_the_next_is_due(
    administrator: Client, renewed: Gateway
) -> None:
    rehearsal = make_rehearsal(renewed, State.DONE)
    due = timezone.now() + datetime.timedelta(days=9, hours=1)
    Gateway.objects.filter(pk=renewed.pk).update(next_rehearsal_at=due)
    page = administrator.get(PAGE)

    assert page.context["summary"].rehearsal == rehearsal
    assert page.context["summary"].last_issuance is None
    assert f'href="/issuances/{rehearsal.pk}/"' in page.content.decode()
    assert ">in 9 days</time>" in page.content.decode()


def test_where_rehearsing_is_off_the_page_says_so_and_the_button_stays(
    administrator: Client, renewed: Gateway
) -> None:
    Gateway.objects.filter(pk=renewed.pk).update(rehearses=False)
    text = administrator.get(PAGE).content.decode()

    assert "Rehearsing is switched off" in text
    assert BUTTON in text


def test_what_is_not_renewed_is_not_rehearsed(administrator: Client, gateway: Gateway) -> None:
    assert BUTTON not in administrator.get(PAGE).content.decode()
    make_certificate(gateway, select=True)
    Gateway.objects.filter(pk=gateway.pk).update(certificate_source="manual")
    assert BUTTON not in administrator.get(PAGE).content.decode()


def test_while_one_runs_the_buttons_are_gone_and_the_page_says_what_runs(
    administrator: Client, renewed: Gateway, nudged: list[int]
) -> None:
    rehearsal = make_rehearsal(renewed, State.STAGING_TEST)
    page = administrator.get(PAGE)

    assert BUTTON not in page.content.decode()
    assert page.context["issue_label"] == ""
    assert "The renewal is being rehearsed: Staging test." in page.content.decode()
    again = administrator.post(REHEARSE)
    assert again.headers["Location"] == f"/issuances/{rehearsal.pk}/"

    answer = administrator.post(ISSUE, follow=True)
    assert answer.redirect_chain == [(PAGE, HTTPStatus.SEE_OTHER)]
    assert "A rehearsal of the renewal is running" in str(next(iter(answer.context["messages"])))
    assert nudged == []


def test_without_agreement_to_the_terms_it_is_refused_with_the_reason(
    administrator: Client, renewed: Gateway
) -> None:
    Gateway.objects.filter(pk=renewed.pk).update(terms_agreed_at=None)
    answer = administrator.post(REHEARSE, follow=True)

    assert "terms of service" in str(next(iter(answer.context["messages"])))
    assert not Issuance.objects.exists()


def test_an_operator_sees_the_rehearsal_and_no_button(operator: Client, renewed: Gateway) -> None:
    rehearsal = make_rehearsal(renewed, State.FAILED, problem_facts=PROBLEM.to_json())
    text = operator.get(PAGE).content.decode()

    assert f'href="/issuances/{rehearsal.pk}/"' in text
    assert BUTTON not in text
    assert "Try again</button>" not in operator.get(f"/issuances/{rehearsal.pk}/").content.decode()
    assert operator.post(REHEARSE).status_code == HTTPStatus.FORBIDDEN


def test_a_failed_rehearsal_is_a_warning_until_one_succeeds(
    administrator: Client, renewed: Gateway
) -> None:
    make_rehearsal(renewed, State.FAILED, problem_facts=PROBLEM.to_json())
    codes = {each.problem.code for each in administrator.get("/warnings/").context["problems"]}
    assert "rehearsal-failed" in codes
    now = timezone.now()
    make_rehearsal(renewed, State.DONE, started_at=now, finished_at=now)
    codes = {each.problem.code for each in administrator.get("/warnings/").context["problems"]}
    assert "rehearsal-failed" not in codes


def test_the_newest_of_each_kind_belongs_to_its_own_gateway(
    administrator: Client, renewed: Gateway
) -> None:
    other = make_gateway("other", "other.example.com")
    make_rehearsal(renewed, State.DONE)
    issued = make_issuance(other, State.DONE)
    rows = {
        row.gateway.slug: row for row in administrator.get("/gateways/").context["page"].object_list
    }

    assert rows["default"].rehearsal is not None
    assert rows["default"].last_issuance is None
    assert rows["other"].last_issuance == issued
    assert rows["other"].rehearsal is None


def test_the_newest_of_each_kind_is_found_however_many_of_the_other_came_since(
    administrator: Client, renewed: Gateway
) -> None:
    now = timezone.now()
    issued = make_issuance(renewed, State.DONE, started_at=now - datetime.timedelta(days=40))
    rehearsals = [
        make_rehearsal(renewed, State.DONE, started_at=now - datetime.timedelta(days=age))
        for age in range(30, 0, -3)
    ]
    page = administrator.get(PAGE)

    assert page.context["summary"].last_issuance == issued
    assert page.context["summary"].rehearsal == rehearsals[-1]
    assert page.context["issuances"] == rehearsals[:-6:-1]
