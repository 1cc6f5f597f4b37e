"""What reached the challenge port, on the page of the issuance that it belongs to."""

from __future__ import annotations

import datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from certificates.models import Account, Gateway, Issuance, Order, OrderStatus
from certificates.policy.issuance import Environment, State
from challenges.models import ValidationRequest
from tests.console import HTMX, make_issuance

TOKEN = "a-token-of-this-issuance-alone"
HOSTILE = "<script>alert('x')</script>" + "x" * 150


@pytest.fixture
def issuance(gateway: Gateway) -> Issuance:
    """One that failed after a challenge process had watched all the time."""
    began = timezone.now() - datetime.timedelta(minutes=1)
    failed = make_issuance(gateway, State.FAILED, started_at=began)
    order = Order.objects.create(
        issuance=failed,
        account=Account.objects.create(directory_url="https://ca.example/"),
        environment=Environment.STAGING.value,
        status=OrderStatus.INVALID,
        challenge_tokens=[TOKEN],
        tokens_withdrawn_at=timezone.now(),
        was_watched=True,
    )
    Order.objects.filter(pk=order.pk).update(created_at=began)
    return failed


def came(number: int, token: str = TOKEN, **fields: object) -> None:
    """Requests from different networks, half a minute ago."""
    at = timezone.now() - datetime.timedelta(seconds=30)
    defaults: dict[str, object] = {"token": token, "is_known": token == TOKEN}
    for each in range(number):
        address = fields.get("address", f"23.178.{each % 250}.1")
        ValidationRequest.objects.create(
            received_at=at + datetime.timedelta(milliseconds=each),
            **{**defaults, **fields, "address": address},
        )


def text_of(client: Client, issuance: Issuance) -> str:
    return client.get(f"/issuances/{issuance.pk}/").content.decode()


def test_what_arrived_is_counted_and_listed(operator: Client, issuance: Issuance) -> None:
    came(4, host="mail.example.com", user_agent="Mozilla/5.0 (Let's Encrypt validation server)")
    came(1, "another-token-of-nobody-at-all", address="2600:1f14::7")
    page = operator.get(f"/issuances/{issuance.pk}/")
    text = page.content.decode()

    assert "4 validation requests from 4 networks arrived, all answered." in text
    assert "The 5 requests" in text
    visits = page.context["evidence"].visits
    assert sorted(visit.family for visit in visits) == ["IPv4"] * 4 + ["IPv6"]
    assert text.count("known, answered") == 4
    assert "Let&#x27;s Encrypt validation server" in text


def test_a_visit_that_got_no_answer_is_listed_with_the_reason(
    operator: Client, issuance: Issuance
) -> None:
    came(1, is_known=None)
    came(1, is_known=None, was_sent=False)
    came(1, is_known=True, was_sent=False)
    came(1, is_known=False)
    text = text_of(operator, issuance)
    assert "known, answered" not in text
    assert text.count("not answered: the database was away") == 1
    assert text.count(">hung up before the answer<") == 2
    assert text.count(">unknown<") == 1
    assert "1 while the database was away" in text


@pytest.mark.usefixtures("administrator")
def test_that_nothing_arrived_is_said(administrator: Client, issuance: Issuance) -> None:
    assert "nothing from outside reached this port" in text_of(administrator, issuance)


def test_strangers_words_stay_words(administrator: Client, issuance: Issuance) -> None:
    came(1, host=HOSTILE, user_agent=HOSTILE)
    text = text_of(administrator, issuance)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_of_a_flood_fifty_are_listed_and_none_of_the_cas_is_among_those_left_out(
    administrator: Client, issuance: Issuance
) -> None:
    came(70, "another-token-of-nobody-at-all")
    came(4)
    text = text_of(administrator, issuance)
    assert text.count("known, answered") == 4
    assert "and 24 more" in text


def test_before_a_ca_may_have_come_there_is_nothing_to_say(
    administrator: Client, gateway: Gateway
) -> None:
    waiting = make_issuance(gateway, State.STAGING_TEST)
    page = administrator.get(f"/issuances/{waiting.pk}/")
    assert page.context["evidence"] is None
    assert (
        "challenge port" not in page.content.decode().partition("</main>")[0].partition("<main")[2]
    )


def test_the_table_costs_three_queries_and_the_whole_page_at_most_twelve(
    administrator: Client, issuance: Issuance
) -> None:
    came(70)
    with CaptureQueriesContext(connection) as whole:
        administrator.get(f"/issuances/{issuance.pk}/")
    assert len(whole) <= 12
    Issuance.objects.filter(pk=issuance.pk).update(state=State.PRODUCTION, finished_at=None)
    with CaptureQueriesContext(connection) as part:
        administrator.get(f"/issuances/{issuance.pk}/", headers=HTMX)
    assert len(part) <= 8
