"""The circuit breaker and the pace afterwards; its decisions: policy/test_ca_health.py."""

from __future__ import annotations

import datetime
import itertools

import pytest
import time_machine
from django.utils import timezone

from certificates import clock, directories, inquiring, renewing
from certificates.models import Backoff, Directory, Gateway, Issuance, Trigger
from certificates.policy.issuance import Environment, State
from challenges.problems import ProblemError
from tests.certificates.authority.ca import Reply, refusal
from tests.certificates.engine import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    SmallCas,
    advanced,
    ask,
    at_the_end,
    use,
)
from tests.console import make_gateway

NOW = datetime.datetime(2026, 12, 1, 12, tzinfo=datetime.UTC)
URL = "https://ca.example/directory"


def row() -> Directory:
    return Directory.objects.get()


# What a CA offers


@pytest.mark.django_db
def test_what_the_ca_offers_is_kept_for_the_pages(cas: SmallCas) -> None:
    ca = cas.production
    meta = {
        "termsOfService": "https://ca.example/terms",
        "profiles": {"shortlived": "Six days."},
        "caaIdentities": ["ca.example"],
    }
    ca.instead["directory"] = Reply(ca.directory(meta=meta))
    found = directories.ask(ca.url, NOW)
    assert found.terms_of_service == "https://ca.example/terms"
    assert row().profiles == {"shortlived": "Six days."}
    assert row().caa_identities == ["ca.example"]
    assert row().has_renewal_information
    assert row().read_at == NOW
    ca.instead["directory"] = Reply(ca.directory(renewalInfo=None))
    directories.ask(ca.url, NOW + DAY)
    assert (row().profiles, row().has_renewal_information) == ({}, False)
    assert row().read_at == NOW + DAY


@pytest.mark.django_db
def test_nobody_is_asked_while_the_clock_cannot_be_believed(cas: SmallCas) -> None:
    clock.accept(timezone.now() + DAY)
    with pytest.raises(ProblemError):
        directories.ask(cas.production.url, timezone.now())
    assert cas.asked == 0


# The breaker


def away(gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller) -> None:
    """A renewal has found the production CA out of reach."""
    use(gateway, age=70 * DAY)
    cas.production.away = True
    assert at_the_end(ask(gateway, Trigger.RENEWAL), travel).current is State.FAILED
    assert directories.is_away(Environment.PRODUCTION)


def test_while_the_ca_is_away_nothing_starts_by_itself(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    away(gateway, cas, travel)
    other = make_gateway("other", "other.example.com")
    use(other, age=70 * DAY)
    knocks = len(cas.production.knocks)
    for _ in range(14):
        assert renewing.request_due(timezone.now()) == []
        travel.shift(MINUTE)
    assert len(cas.production.knocks) == knocks


def test_an_absent_ca_is_looked_for_every_quarter_of_an_hour(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    away(gateway, cas, travel)
    cas.production.knocks.clear()
    for _ in range(6 * 60):
        inquiring.ask_due(timezone.now())
        travel.shift(MINUTE)
    moments = cas.production.knocks
    assert 20 <= len(moments) <= 24
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert min(gaps) >= 15 * MINUTE
    directory = Directory.objects.get(url=cas.production.url)
    assert directory.failed_probes == len(moments)
    assert directory.detail


def test_a_person_may_try_all_the_same_and_a_success_closes_the_breaker(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    away(gateway, cas, travel)
    cas.come_back()
    assert advanced(ask(gateway)).current is State.DONE
    assert not directories.is_away(Environment.PRODUCTION)
    # Nobody but the failed attempt has said that it was away.
    assert Directory.objects.get(url=cas.production.url).returned_at is None


def test_a_look_that_finds_the_ca_closes_the_breaker_and_the_renewal_follows(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    away(gateway, cas, travel)
    for _ in range(4):
        travel.shift(17 * MINUTE)
        inquiring.ask_due(timezone.now())
    cas.come_back()
    travel.shift(17 * MINUTE)
    inquiring.ask_due(timezone.now())
    directory = Directory.objects.get(url=cas.production.url)
    assert (directory.away_since, directory.returned_at) == (None, timezone.now())
    assert len(renewing.request_due(timezone.now())) == 1


@pytest.mark.parametrize("answer", [refusal("serverInternal", 500), Reply(b"<html>")])
def test_a_directory_that_makes_no_sense_is_no_return(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller, answer: Reply
) -> None:
    away(gateway, cas, travel)
    cas.come_back()
    cas.production.instead["directory"] = answer
    travel.shift(17 * MINUTE)
    inquiring.ask_due(timezone.now())
    assert directories.is_away(Environment.PRODUCTION)


@pytest.mark.django_db
def test_a_moment_that_a_wrong_clock_has_written_does_not_end_the_looking(
    cas: SmallCas,
) -> None:
    now = timezone.now()
    Directory.objects.create(
        url=cas.production.url, away_since=now, next_probe_at=now + 700 * DAY, failed_probes=3
    )
    inquiring.ask_due(now)
    assert not directories.is_away(Environment.PRODUCTION)


@pytest.mark.django_db
def test_of_two_who_have_looked_the_slower_does_not_undo_what_the_faster_found() -> None:
    directories.went_away(URL, NOW, "no route")
    slow, fast = row(), row()
    later = NOW + 20 * MINUTE
    directories._still_away(fast, later, "no route")
    directories._store(slow, directories._health(slow))
    assert row().failed_probes == 1


# The pace after a return


@pytest.mark.django_db
def test_usually_orders_need_no_slot() -> None:
    directory = Directory.objects.create(url=URL)
    assert directories.order_slot(directory, NOW) is None
    assert row().next_order_at is None


@pytest.mark.django_db
def test_after_a_return_there_is_one_order_a_second() -> None:
    Directory.objects.create(url=URL, returned_at=NOW - HOUR)
    assert directories.order_slot(row(), NOW) is None
    assert row().next_order_at == NOW + SECOND
    assert directories.order_slot(row(), NOW + SECOND / 4) == NOW + SECOND
    assert directories.order_slot(row(), NOW + SECOND) is None
    assert row().next_order_at == NOW + 2 * SECOND


@pytest.mark.django_db
def test_of_two_who_want_the_same_second_one_gets_it() -> None:
    Directory.objects.create(url=URL, returned_at=NOW - HOUR)
    first, second = row(), row()
    assert directories.order_slot(first, NOW) is None
    assert directories.order_slot(second, NOW) == NOW + SECOND


@pytest.mark.django_db
def test_hours_later_the_pace_is_the_usual_one() -> None:
    Directory.objects.create(url=URL, returned_at=NOW - 3 * HOUR, next_order_at=NOW + HOUR)
    assert directories.order_slot(row(), NOW) is None


def test_renewals_after_a_return_follow_one_another_by_a_second(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    Directory.objects.create(url=cas.production.url, returned_at=timezone.now())
    for number in range(5):
        use(make_gateway(f"g{number}", f"g{number}.example.com"), age=70 * DAY)
    begin = timezone.now()
    waiting = renewing.request_due(begin)
    assert len(waiting) == 5
    for pk in waiting:
        at_the_end(Issuance.objects.get(pk=pk), travel)
    moments = [each.at for each in cas.production.requests_for("new-order")]
    assert [round((moment - begin).total_seconds()) for moment in moments] == [0, 1, 2, 3, 4]
    assert not Backoff.objects.exists()
