"""What came to the challenge port, beside the order that it belongs to."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import ipaddress
import socket
import threading

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from certificates import abandoning, evidence
from certificates.models import Account, Gateway, Issuance, Order, OrderStatus
from certificates.policy.acme_document import CaProblem
from certificates.policy.issuance import Environment, State
from challenges.models import ChallengeListener, ValidationRequest
from challenges.preflight import machine
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


def listen(
    *,
    since: datetime.datetime,
    seen: datetime.datetime | None = None,
    host: str = "here",
    port: int | None = 8080,
) -> None:
    """A challenge process that serves its port."""
    ChallengeListener.objects.create(
        host=host,
        pid=1,
        port=port,
        wanted_port=8080,
        started_at=since,
        seen_at=seen or timezone.now(),
    )


def arrive(
    token: str,
    *,
    at: datetime.datetime | None = None,
    is_known: bool | None = True,
    address: str = "192.0.2.7",
) -> None:
    """A request as a challenge process writes it down."""
    ValidationRequest.objects.create(
        token=token, is_known=is_known, received_at=at or timezone.now(), address=address
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


def test_the_ca_may_still_come_until_an_orders_tokens_are_withdrawn(order: Order) -> None:
    assert evidence.of(order.issuance).is_open
    abandoning.withdraw_tokens(order)
    assert not evidence.of(order.issuance).is_open


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

    # As long as the other process may have waited for the database.
    late = threading.Timer(1, write)
    late.start()
    found = evidence.of_failed(order)
    late.join()
    assert len(found.known) == 1


def test_nothing_is_waited_for_where_nobody_watched(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "SETTLED_AFTER", 3600)
    assert evidence.of_failed(order).known == ()


def test_a_flood_of_strangers_displaces_no_visit_of_the_ca(order: Order) -> None:
    arrive(TOKEN, at=order.created_at + SECOND)
    flood = ValidationRequest(token=OTHER, is_known=False, address="45.33.32.156")
    flood.received_at = order.created_at + 2 * SECOND
    rows = [copy.copy(flood) for _ in range(evidence.MOST_VISITS + 1)]
    ValidationRequest.objects.bulk_create(rows)
    found = evidence.of(order.issuance)
    assert len(found.answered) == 1
    assert len(found.unknown) == evidence.MOST_VISITS


def test_what_could_not_be_answered_is_neither_answered_nor_unpublished(order: Order) -> None:
    arrive(TOKEN, is_known=None)
    arrive(OTHER, is_known=None)
    found = evidence.of(order.issuance)
    assert [visit.is_put_off for visit in found.arrived] == [True]
    assert found.unknown == (), "it may have been another order's"


def test_what_came_for_the_order_before_its_token_was_published_is_no_strangers(
    order: Order,
) -> None:
    arrive(TOKEN, is_known=False)
    found = evidence.of(order.issuance)
    assert (len(found.known), found.unknown) == (1, ())


@pytest.mark.parametrize(
    ("other", "was_watched"),
    [
        ("ran", True),
        ("restarted", False),
        ("died", False),
        ("serves no port", False),
        ("gone long before", True),
    ],
)
def test_of_several_processes_every_one_must_have_watched(
    order: Order, other: str, was_watched: bool
) -> None:
    now, early = timezone.now(), order.created_at - 60 * SECOND
    listen(since=early, seen=now)
    since, seen, port = early, now - SECOND, 8080 if other != "serves no port" else None
    if other == "restarted":
        since = order.created_at + SECOND
    elif other == "died":
        Order.objects.filter(pk=order.pk).update(created_at=now - 30 * SECOND)
        order.refresh_from_db()
        seen = order.created_at + SECOND
    elif other == "gone long before":
        seen = order.created_at - 20 * SECOND
    listen(since=since, seen=seen, port=port, host="there")
    assert evidence.is_watched_since(order.created_at, now) is was_watched


def test_the_ca_may_have_come_to_the_one_of_several_processes_that_was_down(order: Order) -> None:
    silence = CaProblem("connection", "Timeout during connect")
    now = timezone.now()
    listen(since=order.created_at + SECOND, seen=now - SECOND)
    assert abandoning._may_have_been_away(order, silence)
    listen(since=order.created_at - SECOND, seen=now, host="there")
    assert abandoning._may_have_been_away(order, silence)
    ChallengeListener.objects.update(started_at=order.created_at - SECOND)
    assert not abandoning._may_have_been_away(order, silence)


OWN = ("127.0.0.1", "::1", *map(str, machine.look().addresses[:2]))


def test_what_this_machine_asks_itself_is_told_from_what_comes_from_outside(order: Order) -> None:
    listen(since=order.created_at - SECOND, host=socket.gethostname())
    for address in OWN:
        arrive(TOKEN, address=address)
        arrive(OTHER, address=address, is_known=False)
    arrive(TOKEN, address="::ffff:127.0.0.1")
    arrive(TOKEN)
    found = evidence.of(order.issuance)
    assert [visit.address for visit in found.arrived] == ["192.0.2.7"]
    assert len(found.own) == len(OWN) + 1
    assert found.strangers == ()


@pytest.mark.parametrize(
    ("networks", "arrived"),
    [((), ()), (("127.0.0.0/8",), OWN[:2]), (("0.0.0.0/0", "::/0"), OWN)],
)
def test_in_a_demonstration_the_ca_is_on_this_machine(
    order: Order, networks: tuple[str, ...], arrived: tuple[str, ...], settings: Settings
) -> None:
    listen(since=order.created_at - SECOND, host=socket.gethostname())
    for address in OWN:
        arrive(TOKEN, address=address)
    settings.CONFIGURATION = dataclasses.replace(
        settings.CONFIGURATION, public_networks=tuple(map(ipaddress.ip_network, networks))
    )
    found = evidence.of(order.issuance)
    assert tuple(visit.address for visit in found.arrived) == arrived


def test_another_machines_own_addresses_are_not_known_here(order: Order) -> None:
    listen(since=order.created_at - SECOND, host="elsewhere")
    arrive(TOKEN, address="127.0.0.1")
    assert len(evidence.of(order.issuance).arrived) == 1
