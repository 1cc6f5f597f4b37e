from __future__ import annotations

import datetime

import pytest
from django.utils import timezone

from certificates import leases
from certificates.models import Gateway, Issuance
from certificates.policy.issuance import State
from tests.console import make_gateway, make_issuance

SECOND = datetime.timedelta(seconds=1)


@pytest.fixture
def issuance(gateway: Gateway) -> Issuance:
    """Due now."""
    return make_issuance(gateway, State.WAITING)


def claimed(issuance: Issuance, now: datetime.datetime) -> leases.Lease:
    lease = leases.claim(issuance.pk, now)
    assert lease is not None
    return lease


def test_a_lease_is_taken_by_one_alone(issuance: Issuance) -> None:
    now = timezone.now()
    assert claimed(issuance, now).expires_at == now + leases.LEASE
    assert leases.claim(issuance.pk, now) is None
    assert leases.claim(issuance.pk, now + leases.LEASE) is None


def test_a_released_lease_can_be_taken_at_once(issuance: Issuance) -> None:
    now = timezone.now()
    claimed(issuance, now).release()
    assert leases.claim(issuance.pk, now) is not None


def test_a_lease_that_has_run_out_is_taken_over_and_its_owner_writes_no_more(
    issuance: Issuance,
) -> None:
    now = timezone.now()
    first = claimed(issuance, now)
    second = claimed(issuance, now + leases.LEASE + SECOND)
    with pytest.raises(leases.LeaseLostError):
        first.update(state=State.FAILED.value)
    issuance.refresh_from_db()
    assert (issuance.state, issuance.lease_owner) == ("waiting", second.owner)
    second.update(state=State.PREFLIGHT.value)
    issuance.refresh_from_db()
    assert issuance.state == "preflight"


def test_who_has_lost_the_lease_cannot_keep_it_nor_release_the_others(issuance: Issuance) -> None:
    long_ago = timezone.now() - 10 * leases.LEASE
    first = claimed(issuance, long_ago)
    second = claimed(issuance, timezone.now())
    with pytest.raises(leases.LeaseLostError):
        first.keep()
    first.release()
    issuance.refresh_from_db()
    assert issuance.lease_owner == second.owner
    assert issuance.lease_expires_at == second.expires_at


def test_who_has_lost_the_lease_is_told_before_writing_elsewhere(issuance: Issuance) -> None:
    now = timezone.now()
    first = claimed(issuance, now)
    first.confirm()
    claimed(issuance, now + leases.LEASE + SECOND)
    with pytest.raises(leases.LeaseLostError):
        first.confirm()


def test_a_lease_in_use_is_extended(issuance: Issuance) -> None:
    lease = claimed(issuance, timezone.now() - leases.LEASE / 2)
    lease.keep()
    issuance.refresh_from_db()
    assert issuance.lease_expires_at == lease.expires_at
    assert lease.expires_at > timezone.now() + leases.LEASE - 10 * SECOND


def test_a_fresh_lease_is_not_written_again(issuance: Issuance) -> None:
    lease = claimed(issuance, timezone.now())
    before = lease.expires_at
    lease.keep()
    assert lease.expires_at == before


def test_a_step_that_is_not_due_cannot_be_claimed(issuance: Issuance) -> None:
    now = timezone.now()
    Issuance.objects.filter(pk=issuance.pk).update(next_step_at=now + SECOND)
    assert leases.claim(issuance.pk, now) is None
    assert leases.claim(issuance.pk, now + SECOND) is not None


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.CANCELLED])
def test_what_has_ended_cannot_be_claimed(gateway: Gateway, state: State) -> None:
    issuance = make_issuance(gateway, state)
    assert leases.claim(issuance.pk, timezone.now()) is None


@pytest.mark.django_db
def test_what_does_not_exist_cannot_be_claimed() -> None:
    assert leases.claim(4711, timezone.now()) is None


def test_the_sweep_sees_what_is_due_and_free(gateway: Gateway) -> None:
    now = timezone.now()
    due = make_issuance(gateway, State.PRODUCTION, next_step_at=now)
    make_issuance(make_gateway("ended", "a.example.com"), State.FAILED)
    later = make_gateway("later", "b.example.com")
    make_issuance(later, State.PRODUCTION, next_step_at=now + SECOND)
    taken = make_gateway("taken", "c.example.com")
    make_issuance(taken, State.PRODUCTION, lease_owner="x", lease_expires_at=now + SECOND)
    crashed = make_issuance(
        make_gateway("crashed", "d.example.com"),
        State.PRODUCTION,
        lease_owner="x",
        lease_expires_at=now - SECOND,
    )
    assert set(leases.due(now).values_list("pk", flat=True)) == {due.pk, crashed.pk}


@pytest.mark.parametrize(
    ("field", "is_seen"), [("next_step_at", True), ("lease_expires_at", True), (None, False)]
)
def test_what_a_wrong_clock_has_written_stops_nothing(
    issuance: Issuance, field: str | None, is_seen: bool
) -> None:
    now = timezone.now()
    hours = datetime.timedelta(hours=20)
    # A step may wait for a day, and a lease that is kept is not older than that.
    Issuance.objects.update(next_step_at=now + hours if field is None else now)
    if field is not None:
        years = now + datetime.timedelta(days=700)
        Issuance.objects.update(**{field: years, "lease_owner": "x"})
    assert leases.due(now).exists() is is_seen
    assert (leases.claim(issuance.pk, now) is not None) is is_seen


def test_whoever_takes_over_is_told_that_somebody_died_over_it(issuance: Issuance) -> None:
    now = timezone.now()
    first = claimed(issuance, now)
    assert not first.is_inherited
    assert claimed(issuance, now + leases.LEASE + SECOND).is_inherited
    Issuance.objects.update(lease_owner="", lease_expires_at=None)
    assert not claimed(issuance, now).is_inherited


def test_without_a_next_step_a_live_one_is_due(gateway: Gateway) -> None:
    issuance = make_issuance(gateway, State.PRODUCTION, next_step_at=None)
    assert list(leases.due(timezone.now())) == [issuance]
