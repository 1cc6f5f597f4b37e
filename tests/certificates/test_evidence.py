"""What came to the challenge port, beside the order that it belongs to."""

from __future__ import annotations

import datetime
import threading

import pytest
from django.db import connection
from django.utils import timezone

from certificates import abandoning, evidence
from certificates.models import Account, Gateway, Issuance, Order, OrderStatus
from certificates.policy.issuance import Environment, State
from challenges.models import ChallengeListener, ValidationRequest
from tests.certificates.engine import SECOND
from tests.console import make_issuance

TOKEN = "token-of-the-order-0000000001"
OTHER = "token-of-somebody-else-000001"


@pytest.fixture
def order(gateway: Gateway) -> Order:
    """One whose challenge has just been answered."""
    issuance = make_issuance(gateway, State.STAGING_TEST)
    account = Account.objects.create(directory_url="https://ca.test/dir", sealed_key="sealed")
    made = Order.objects.create(
        issuance=issuance,
        environment=Environment.STAGING.value,
        account=account,
        status=OrderStatus.PENDING,
        challenge_tokens=[TOKEN],
    )
    Order.objects.filter(pk=made.pk).update(created_at=timezone.now() - 10 * SECOND)
    made.refresh_from_db()
    return made


def listen(*, since: datetime.datetime, seen: datetime.datetime | None = None) -> None:
    """A challenge process that serves its port."""
    ChallengeListener.objects.create(
        host="here",
        pid=1,
        port=8080,
        wanted_port=8080,
        started_at=since,
        seen_at=seen or timezone.now(),
    )


def arrive(token: str, *, at: datetime.datetime | None = None, is_known: bool = True) -> None:
    """A request as a challenge process writes it down."""
    ValidationRequest.objects.create(
        token=token, is_known=is_known, received_at=at or timezone.now(), address="192.0.2.7"
    )


def test_what_came_for_the_order_and_what_came_for_nobody_are_told_apart(order: Order) -> None:
    arrive(TOKEN)
    arrive(OTHER, is_known=False)
    found = evidence.of(order.issuance)
    assert [visit.address for visit in found.known] == ["192.0.2.7"]
    assert len(found.unknown) == 1


def test_the_tokens_of_others_that_are_answered_are_no_strangers(order: Order) -> None:
    """Another gateway's issuance, or a preflight's own question."""
    arrive(OTHER)
    assert evidence.of(order.issuance).unknown == ()


def test_what_came_before_the_order_or_after_its_end_is_not_counted(order: Order) -> None:
    arrive(OTHER, is_known=False, at=order.created_at - SECOND)
    abandoning.withdraw_tokens(order)
    arrive(OTHER, is_known=False, at=timezone.now() + SECOND)
    assert evidence.of(order.issuance).unknown == ()


@pytest.mark.parametrize("is_withdrawn", [False, True])
@pytest.mark.parametrize(
    ("listener", "was_watched"),
    [
        (None, False),
        ("before", True),
        ("restarted", False),
        ("silent", False),
    ],
)
def test_it_was_watched_only_by_a_process_that_ran_all_the_while(
    order: Order, listener: str | None, was_watched: bool, is_withdrawn: bool
) -> None:
    now = timezone.now()
    early = order.created_at - 60 * SECOND
    if listener == "before":
        listen(since=early)
    elif listener == "restarted":
        listen(since=order.created_at + SECOND)
    elif listener == "silent":
        listen(since=early, seen=now - 30 * SECOND)
    if is_withdrawn:
        abandoning.withdraw_tokens(order)
        # What becomes of the process later is nothing to what it has seen.
        ChallengeListener.objects.all().delete()
    assert evidence.of(order.issuance).was_watched is was_watched


def test_an_issuance_that_never_answered_a_challenge_has_no_evidence(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(challenge_tokens=[])
    listen(since=order.created_at - SECOND)
    found = evidence.of(Issuance.objects.get(pk=order.issuance_id))
    assert (found.known, found.unknown, found.was_watched) == ((), (), False)


@pytest.mark.django_db(transaction=True)
def test_a_failure_waits_for_what_is_just_being_written_down(order: Order) -> None:
    listen(since=order.created_at - SECOND)

    def write() -> None:
        arrive(TOKEN)
        connection.close()

    late = threading.Timer(0.15, write)
    late.start()
    found = evidence.of_failed(order)
    late.join()
    assert len(found.known) == 1


def test_nothing_is_waited_for_where_nobody_watched(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "SETTLED_AFTER", 3600)
    assert evidence.of_failed(order).known == ()
