"""Giving an issuance up, and letting one that waits look at once."""

from __future__ import annotations

import datetime
from http import HTTPStatus

import pytest
from django.test import Client
from django.utils import timezone

from certificates import tasks
from certificates.models import Account, Event, Gateway, Issuance, Order, OrderStatus
from certificates.policy.issuance import Environment, State
from tests.certificates.views.test_gateway_page import ISSUE, PAGE, PROBLEM
from tests.console import HTMX, make_issuance

BUTTON = "Cancel</button>"


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The issuances that a worker was nudged towards; no broker is asked."""
    nudges: list[int] = []
    monkeypatch.setattr(tasks.advance, "delay", nudges.append)
    return nudges


def hand_over(issuance: Issuance) -> None:
    """The production CA has been handed the certificate request."""
    account = Account.objects.create(directory_url="https://ca.example/dir", sealed_key="x")
    Order.objects.create(
        issuance=issuance,
        account=account,
        environment=Environment.PRODUCTION.value,
        status=OrderStatus.PROCESSING,
        sealed_key="x",
        csr_pem="x",
    )


@pytest.mark.parametrize("state", [State.WAITING, State.PREFLIGHT, State.PRODUCTION])
def test_a_running_issuance_is_cancelled_and_can_be_tried_again(
    administrator: Client, gateway: Gateway, state: State
) -> None:
    issuance = make_issuance(gateway, state)
    address = f"/issuances/{issuance.pk}/"
    assert BUTTON in administrator.get(address).content.decode()
    page = administrator.post(f"{address}cancel/", follow=True)
    issuance.refresh_from_db()

    assert page.redirect_chain == [(address, HTTPStatus.SEE_OTHER)]
    assert issuance.current is State.CANCELLED
    assert "Try again</button>" in page.content.decode()
    assert BUTTON not in page.content.decode()
    assert "cancelled by ada" in Event.objects.get(code="issuance-cancelled").message


@pytest.mark.parametrize("state", [State.INSTALLING, State.DONE, State.FAILED, State.CANCELLED])
def test_where_something_would_be_lost_there_is_no_button_and_a_press_is_refused(
    administrator: Client, gateway: Gateway, state: State
) -> None:
    issuance = make_issuance(gateway, state)
    address = f"/issuances/{issuance.pk}/"
    assert BUTTON not in administrator.get(address).content.decode()
    page = administrator.post(f"{address}cancel/", follow=True)
    issuance.refresh_from_db()

    assert issuance.current is state
    assert page.context["messages"]


def test_once_the_ca_issues_it_cannot_be_cancelled(administrator: Client, gateway: Gateway) -> None:
    issuance = make_issuance(gateway, State.PRODUCTION)
    hand_over(issuance)
    address = f"/issuances/{issuance.pk}/"
    assert BUTTON not in administrator.get(address).content.decode()
    page = administrator.post(f"{address}cancel/", follow=True)

    assert "is issuing the certificate already" in str(next(iter(page.context["messages"])))


def test_htmx_is_told_when_the_button_comes_or_goes_and_not_each_second(
    administrator: Client, gateway: Gateway
) -> None:
    issuance = make_issuance(gateway, State.PRODUCTION)
    address = f"/issuances/{issuance.pk}/"
    sight = administrator.get(address, headers=HTMX).context["sight"]
    part = administrator.get(address, {"seen": sight}, headers=HTMX).content.decode()
    assert "issuance-actions" not in part
    hand_over(issuance)
    part = administrator.get(address, {"seen": sight}, headers=HTMX).content.decode()
    assert 'hx-swap-oob="innerHTML:#issuance-actions"' in part
    assert BUTTON not in part


def test_an_operator_cancels_nothing(operator: Client, gateway: Gateway) -> None:
    issuance = make_issuance(gateway, State.PRODUCTION)
    assert BUTTON not in operator.get(f"/issuances/{issuance.pk}/").content.decode()
    answer = operator.post(f"/issuances/{issuance.pk}/cancel/")
    issuance.refresh_from_db()

    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert issuance.current is State.PRODUCTION


@pytest.mark.usefixtures("gateway")
def test_an_issuance_that_does_not_exist_cannot_be_cancelled(administrator: Client) -> None:
    assert administrator.post("/issuances/7/cancel/").status_code == HTTPStatus.NOT_FOUND


@pytest.fixture
def waiting(gateway: Gateway) -> Issuance:
    """An issuance that waits twelve minutes for what its problem names."""
    at = timezone.now() + datetime.timedelta(minutes=12, seconds=30)
    return make_issuance(
        gateway, State.INSTALLING, next_step_at=at, problem_facts=PROBLEM.to_json()
    )


def test_one_that_waits_says_for_what_how_long_and_that_it_goes_on_by_itself(
    administrator: Client, waiting: Issuance
) -> None:
    page = administrator.get(f"/issuances/{waiting.pk}/")
    text = page.content.decode()

    assert page.context["problem"] == PROBLEM
    assert PROBLEM.explanation in text
    assert "goes on by itself" in text
    assert ">in 12 minutes</time>" in text
    assert 'hx-trigger="every 5s"' in text
    assert ">in 12 minutes</time>" in administrator.get(PAGE).content.decode()


@pytest.mark.usefixtures("nudged")
def test_a_press_makes_one_that_waits_look_at_once(
    administrator: Client, waiting: Issuance
) -> None:
    for address in (PAGE, f"/issuances/{waiting.pk}/"):
        assert "Try again</button>" in administrator.get(address).content.decode()
    answer = administrator.post(ISSUE)
    waiting.refresh_from_db()

    assert answer.headers["Location"] == f"/issuances/{waiting.pk}/"
    assert waiting.next_step_at is not None
    assert waiting.next_step_at <= timezone.now()
    assert waiting.current is State.INSTALLING


def test_an_operator_makes_nothing_look(operator: Client, waiting: Issuance) -> None:
    for address in (PAGE, f"/issuances/{waiting.pk}/"):
        text = operator.get(address).content.decode()
        assert "goes on by itself" in text
        assert "Try again</button>" not in text
