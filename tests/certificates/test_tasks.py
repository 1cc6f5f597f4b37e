"""The tasks: nudges and sweeps, with the messages looked at instead of sent."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from certificates import leases, preflighting, tasks
from certificates.models import (
    Certificate,
    Component,
    Event,
    Gateway,
    Heartbeat,
    Issuance,
    LimitUse,
    Pause,
    RenewalInformation,
    Trigger,
)
from certificates.policy.issuance import State
from certificates.policy.limits import Limit
from certificates.policy.refusal import Scope
from challenges import tokens
from challenges.models import ChallengeListener, ChallengeToken
from tests.certificates.authority.ca import Reply, refusal
from tests.certificates.engine import DAY, HOUR, MINUTE, SmallCas, ask, obtained, use
from tests.console import make_gateway, make_issuance


@dataclasses.dataclass
class Messages:
    """What was sent: issuances to look at, and after how many seconds."""

    sent: list[tuple[int, float | None]] = dataclasses.field(default_factory=list)
    broken: bool = False


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> Messages:
    """In place of the broker."""
    kept = Messages()

    def send(args: tuple[int], kwargs: Any = None, *, countdown: float | None = None) -> None:
        if kept.broken:
            raise OperationalError("no broker")
        kept.sent.append((args[0], countdown))

    monkeypatch.setattr(tasks.advance, "apply_async", send)
    return kept


def test_a_nudge_moves_the_issuance_on(gateway: Gateway, cas: SmallCas, messages: Messages) -> None:
    issuance = ask(gateway)
    tasks.advance(issuance.pk)
    issuance.refresh_from_db()
    assert issuance.current is State.DONE
    assert messages.sent == []


def test_a_doubled_or_late_nudge_does_nothing(
    gateway: Gateway, cas: SmallCas, messages: Messages
) -> None:
    issuance = ask(gateway)
    for _ in range(3):
        tasks.advance(issuance.pk)
    tasks.advance(4711)
    assert cas.production.counts["new-order"] == 1
    assert messages.sent == []


@pytest.mark.usefixtures("travel")
def test_a_short_wait_is_counted_down_and_a_long_one_left_to_the_sweep(
    gateway: Gateway, cas: SmallCas, messages: Messages
) -> None:
    use(gateway, age=70 * DAY)
    cas.production.instead["new-order"] = refusal("serverInternal", 500)
    issuance = ask(gateway, Trigger.RENEWAL)
    tasks.advance(issuance.pk)
    assert messages.sent == [(issuance.pk, 2)]
    messages.sent.clear()
    busy = refusal("rateLimited", 503, detail="service busy; retry later")
    cas.production.instead["new-order"] = Reply(busy.body, 503, {"Retry-After": "90"})
    Issuance.objects.update(next_step_at=timezone.now())
    tasks.advance(issuance.pk)
    issuance.refresh_from_db()
    assert issuance.next_step_at is not None
    assert issuance.next_step_at - timezone.now() >= MINUTE
    assert messages.sent == []


@pytest.mark.django_db
def test_the_sweep_nudges_what_is_due_and_free_alone(gateway: Gateway, messages: Messages) -> None:
    now = timezone.now()
    due = make_issuance(gateway, State.PRODUCTION, next_step_at=now)
    later = make_gateway("later", "later.example.com")
    make_issuance(later, State.PRODUCTION, next_step_at=now + HOUR)
    taken = make_issuance(make_gateway("taken", "taken.example.com"), State.PRODUCTION)
    assert leases.claim(taken.pk, now) is not None
    tasks.sweep()
    assert messages.sent == [(due.pk, None)]


@pytest.mark.django_db
def test_the_sweep_begins_renewals_and_rehearsals_and_nudges_them(
    gateway: Gateway, messages: Messages
) -> None:
    use(gateway, age=70 * DAY)
    other = make_gateway("other", "other.example.com", next_rehearsal_at=timezone.now())
    use(other, age=10 * DAY)
    tasks.sweep()
    assert {pk for pk, _ in messages.sent} == set(Issuance.objects.values_list("pk", flat=True))
    assert set(Issuance.objects.values_list("trigger", flat=True)) == {"renewal", "rehearsal"}
    assert Heartbeat.objects.filter(component=Component.SWEEP).exists()


@pytest.mark.django_db
def test_the_sweep_removes_what_is_over(gateway: Gateway, messages: Messages) -> None:
    now = timezone.now()
    for token, lifetime in (
        ("old-token-of-an-ended-order", -HOUR),
        ("new-token-of-a-running-order", HOUR),
    ):
        tokens.publish(token, "x.y", now=now, lifetime=lifetime)
    for scope, until in ((Scope.CA, now - HOUR), (Scope.ACCOUNT, now + HOUR)):
        Pause.objects.create(
            directory_url="https://ca.example/", scope=scope, until=until, problem_facts={}
        )
    for at in (now, now - 20 * DAY):
        LimitUse.objects.create(directory_url="x", limit=Limit.NEW_ORDERS.value, at=at)
        ChallengeListener.objects.create(
            host="mx", place=str(at), pid=1, port=80, wanted_port=80, started_at=at, seen_at=at
        )
    tasks.sweep()
    assert ChallengeListener.objects.get().seen_at == now
    assert ChallengeToken.objects.get().token == "new-token-of-a-running-order"
    assert Pause.objects.get().scope == Scope.ACCOUNT
    assert LimitUse.objects.get().at == now


@pytest.mark.usefixtures("travel")
def test_the_cas_are_asked_apart_from_the_sweep(
    gateway: Gateway, cas: SmallCas, messages: Messages
) -> None:
    obtained(gateway)
    before = cas.asked
    tasks.sweep()
    assert cas.asked == before, "a slow CA must not keep the sweep"
    tasks.inquire()
    assert RenewalInformation.objects.exists()


@pytest.mark.usefixtures("travel")
def test_what_a_sweep_costs_does_not_grow_with_the_gateways_that_are_not_due(
    gateway: Gateway, cas: SmallCas, messages: Messages, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        use(make_gateway(f"g{number}", f"g{number}.example.com"), age=10 * DAY)
    tasks.sweep()
    with django_assert_max_num_queries(40):
        tasks.sweep()


def test_a_request_is_sent_once_it_is_committed(
    gateway: Gateway, messages: Messages, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        issuance = ask(gateway)
        tasks.enqueue_advance(issuance.pk)
        assert messages.sent == []
    assert messages.sent == [(issuance.pk, None)]


def test_without_a_broker_the_row_waits_for_the_sweep(
    gateway: Gateway, messages: Messages, django_capture_on_commit_callbacks: Any
) -> None:
    messages.broken = True
    with django_capture_on_commit_callbacks(execute=True):
        issuance = ask(gateway)
        tasks.enqueue_advance(issuance.pk)
    assert list(leases.due(timezone.now())) == [issuance]


def test_a_preflight_is_carried_out_once_by_its_task(gateway: Gateway, cas: SmallCas) -> None:
    row = preflighting.begin(gateway, timezone.now())
    for _ in range(2):
        tasks.preflight(row.pk)
    tasks.preflight(4711)
    row.refresh_from_db()
    assert row.has_ended
    assert Event.objects.filter(code="preflight-done").count() == 1


@pytest.mark.django_db
def test_the_sweep_ends_preflights_that_nobody_carries_out(
    gateway: Gateway, messages: Messages
) -> None:
    row = preflighting.begin(gateway, timezone.now() - MINUTE)
    tasks.sweep()
    row.refresh_from_db()
    assert [each.code for each in row.problems] == ["preflight-abandoned"]


@pytest.mark.usefixtures("data_dir")
def test_repair_schedules_renewals_anew(gateway: Gateway) -> None:
    certificate = use(gateway, age=10 * DAY)
    right = certificate.renewal_at
    Certificate.objects.update(renewal_at=None)
    tasks.repair()
    certificate.refresh_from_db()
    assert certificate.renewal_at == right
