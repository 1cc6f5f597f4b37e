"""Weeks of trouble with the real engine, whose clock jumps from one thing that is due to the next.

The decisions alone, over years and thousands of certificates: policy/test_three_years.py.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from collections.abc import Iterator, Sequence

import pytest
import time_machine
from django.utils import timezone

from certificates import clock, inquiring, issuing, leases, plans, renewing, store
from certificates.models import (
    Certificate,
    Directory,
    Event,
    Gateway,
    Issuance,
    RenewalInformation,
    Trigger,
)
from certificates.policy.issuance import State
from tests.certificates.engine import DAY, HOUR, MINUTE, SmallCas, obtained
from tests.parts.small_ca import SmallCa

# Hundreds of looks for an absent CA take their time where others work as well.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
LIFETIMES = [90, 45, 6]
# How long nothing may happen before somebody looks nevertheless, as the sweep would.
LONGEST_NAP = 6 * HOUR


@dataclasses.dataclass
class Journey:
    """A gateway, its CAs and the time."""

    gateway: Gateway
    cas: SmallCas
    travel: time_machine.Traveller
    probes: dict[str, list[datetime.datetime]]

    def until(self, end: datetime.datetime) -> Iterator[datetime.datetime]:
        """Each moment at which something was due, after it was done."""
        while timezone.now() < end:
            self._sweep()
            self.gateway.refresh_from_db()
            yield timezone.now()
            self.travel.move_to(min(self._next(), end))

    def to_the_renewal(self) -> None:
        """Until a minute before the renewal is due, which is when the CA has suggested."""
        inquiring.ask_due(timezone.now())
        certificate = self._in_use()
        assert plans.window(certificate) is not None
        assert certificate.renewal_at is not None
        self.travel.move_to(certificate.renewal_at - MINUTE)

    def _sweep(self) -> None:
        now = timezone.now()
        assert clock.problem(now) is None
        clock.note(now)
        renewing.request_due(now)
        renewing.rehearse_due(now)
        for pk in list(leases.due(now).values_list("pk", flat=True)):
            issuing.advance(pk)
        away = Directory.objects.filter(away_since__isnull=False).values_list("url", flat=True)
        absent = [(ca, len(ca.knocks)) for ca in self._cas() if ca.url in set(away)]
        inquiring.ask_due(timezone.now())
        for ca, before in absent:
            self.probes.setdefault(ca.url, []).extend(ca.knocks[before:])

    def _cas(self) -> Sequence[SmallCa]:
        return (self.cas.staging, self.cas.production)

    def _next(self) -> datetime.datetime:
        now = timezone.now()
        plan = plans.plan(self.gateway, self._in_use(), plans.circumstances([self.gateway]), now)
        moments = [
            plan.at if plan else None,
            self.gateway.next_rehearsal_at,
            *Issuance.objects.filter(finished_at=None).values_list("next_step_at", flat=True),
            *Directory.objects.values_list("next_probe_at", flat=True),
            *RenewalInformation.objects.values_list("next_check_at", flat=True),
        ]
        ahead = [moment for moment in moments if moment is not None and moment > now]
        return min([*ahead, now + LONGEST_NAP])

    def _in_use(self) -> Certificate:
        return Certificate.objects.select_related("renewal_information").get(
            selected_by=self.gateway
        )


def lifetimes(*usual: int) -> pytest.MarkDecorator:
    """The journey of certificates with these lifetimes in days; of the others in a soak."""
    return pytest.mark.parametrize(
        "journey",
        [
            pytest.param(days, id=f"{days}-days", marks=() if days in usual else pytest.mark.soak)
            for days in LIFETIMES
        ],
        indirect=True,
    )


@pytest.fixture
def journey(
    request: pytest.FixtureRequest,
    gateway: Gateway,
    cas: SmallCas,
    travel: time_machine.Traveller,
) -> Journey:
    """A minute before the first renewal of a certificate with that lifetime."""
    for ca in (cas.staging, cas.production):
        ca.lifetime, ca.ask_again = request.param * DAY, DAY
    obtained(gateway)
    begun = Journey(gateway, cas, travel, {})
    begun.to_the_renewal()
    return begun


def attempts() -> list[datetime.datetime]:
    """When each attempt to renew began."""
    renewals = Issuance.objects.filter(trigger=Trigger.RENEWAL, state__in=[State.FAILED])
    return list(renewals.order_by("started_at").values_list("started_at", flat=True))


def most_within(moments: Sequence[datetime.datetime], span: datetime.timedelta) -> int:
    """How many of them at most lie in one such span."""
    return max(
        (sum(begin <= moment < begin + span for moment in moments) for begin in moments), default=0
    )


def assert_in_use(journey: Journey, certificate: Certificate) -> None:
    """It is what the row says and what the services read."""
    assert journey.gateway.selected_certificate_id == certificate.pk
    assert store.is_live(journey.gateway, certificate)


@lifetimes(6)
def test_a_ca_that_is_away_for_a_week_is_left_alone_and_then_asked_within_a_day(
    journey: Journey,
) -> None:
    old = Certificate.objects.get(selected_by=journey.gateway)
    journey.cas.go()
    back = timezone.now() + 7 * DAY
    for _ in journey.until(back):
        assert_in_use(journey, old)
    assert len(attempts()) == 1, "from then on only its directory is looked at"
    for moments in journey.probes.values():
        gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
        assert min(gaps, default=DAY) >= 15 * MINUTE
    # It is looked for all the time, so that its return is noticed.
    assert len(journey.probes[journey.cas.production.url]) > 500
    journey.cas.come_back()
    for _ in journey.until(back + DAY):
        if journey.gateway.selected_certificate_id != old.pk:
            break
    new = Certificate.objects.get(selected_by=journey.gateway)
    assert_in_use(journey, new)
    assert new.pk != old.pk
    assert new.not_before < back + DAY
    assert len(attempts()) == 1
    assert not Directory.objects.filter(away_since__isnull=False).exists()


@lifetimes(90)
def test_a_validation_that_fails_for_a_month_is_tried_daily_and_then_succeeds(
    journey: Journey,
) -> None:
    old = Certificate.objects.get(selected_by=journey.gateway)
    for ca in (journey.cas.staging, journey.cas.production):
        ca.failing = "connection"
        ca.asked.clear()
    mended = timezone.now() + 30 * DAY
    for _ in journey.until(mended):
        assert_in_use(journey, old)
    failed = attempts()
    lifetime = old.not_after - old.not_before
    # A daily attempt is too seldom for a certificate of six days.
    pause = min(DAY, max(lifetime / 20 / 1.1, 100 * MINUTE))
    assert len(failed) <= 30 * DAY / pause + 3
    assert len(failed) <= 33 or lifetime < 10 * DAY
    assert len(failed) >= 25
    assert most_within(failed, HOUR) < 5
    for ca in (journey.cas.staging, journey.cas.production):
        assert most_within([each.at for each in ca.requests_for("challenge")], HOUR) < 5
    for ca in (journey.cas.staging, journey.cas.production):
        ca.failing = ""
    for _ in journey.until(mended + 1.2 * DAY):
        if journey.gateway.selected_certificate_id != old.pk:
            break
    assert journey.gateway.selected_certificate_id != old.pk


@pytest.mark.parametrize("journey", [90], indirect=True)
def test_a_staging_ca_that_is_away_for_a_month_does_not_keep_from_renewing(
    journey: Journey,
) -> None:
    old = Certificate.objects.get(selected_by=journey.gateway)
    journey.cas.staging.away = True
    for _ in journey.until(timezone.now() + 2 * HOUR):
        if journey.gateway.selected_certificate_id != old.pk:
            break
    assert journey.gateway.selected_certificate_id != old.pk
    assert attempts() == []


@pytest.mark.parametrize("journey", [6], indirect=True)
def test_nothing_is_lost_by_weeks_in_which_nothing_is_wrong(journey: Journey) -> None:
    lifetime = journey.cas.production.lifetime
    orders = journey.cas.production.counts["new-order"]
    for now in journey.until(timezone.now() + 2 * lifetime):
        in_use = Certificate.objects.get(selected_by=journey.gateway)
        assert in_use.not_after - now > lifetime / 4
    assert attempts() == []
    assert journey.cas.production.counts["new-order"] - orders in {3, 4}
    assert not Event.objects.exclude(level="info").exists()
