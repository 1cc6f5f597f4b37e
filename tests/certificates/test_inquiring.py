"""Asking the CA when to renew (RFC 9773); what follows from it: policy/test_renewal_info.py."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest
import time_machine
from django.utils import timezone

from certificates import inquiring, plans
from certificates.models import (
    Certificate,
    CertificateSource,
    Directory,
    Event,
    Gateway,
    Level,
    Order,
    Origin,
    RenewalInformation,
)
from certificates.policy import renewal_info
from tests.certificates.authority.ca import Reply, Seen, refusal
from tests.certificates.engine import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    START,
    SmallCas,
    obtained,
)
from tests.console import make_certificate, make_gateway

pytestmark = pytest.mark.usefixtures("travel")
WINDOW = renewal_info.Window(START + 20 * DAY, START + 22 * DAY)


def ask() -> int:
    return inquiring.ask_due(timezone.now())


def information() -> RenewalInformation:
    return RenewalInformation.objects.get()


def asked(cas: SmallCas) -> int:
    return cas.production.counts["renewal-info"]


def say(cas: SmallCas, reply: Reply | Callable[[Seen], Reply | None]) -> None:
    """What the CA answers from now on."""
    cas.production.instead["renewal-info"] = reply


def say_window(cas: SmallCas, window: renewal_info.Window, retry_after: str = "21600") -> None:
    reply = cas.production.window(window.start, window.end)
    say(cas, Reply(reply.body, headers={"Retry-After": retry_after}))


def reloaded(certificate: Certificate) -> Certificate:
    return Certificate.objects.select_related("renewal_information").get(pk=certificate.pk)


def test_the_window_is_stored_and_moves_the_renewal_into_it(
    gateway: Gateway, cas: SmallCas
) -> None:
    certificate = obtained(gateway)
    say_window(cas, WINDOW)
    assert ask() == 1
    row = information()
    assert (row.window_start, row.window_end) == (WINDOW.start, WINDOW.end)
    assert (row.checked_at, row.failures) == (timezone.now(), 0)
    assert 6 * HOUR <= row.next_check_at - timezone.now() < 6.6 * HOUR
    renewal_at = reloaded(certificate).renewal_at
    assert renewal_at is not None
    assert WINDOW.start <= renewal_at < WINDOW.end


def test_the_same_window_is_the_same_moment_however_often_it_is_asked_for(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    certificate = obtained(gateway)
    say_window(cas, WINDOW)
    moments = set()
    for _ in range(10):
        assert ask() == 1
        moments.add(reloaded(certificate).renewal_at)
        travel.move_to(information().next_check_at)
    assert len(moments) == 1
    assert Event.objects.filter(code="renewal-brought-forward").count() == 1


def test_it_is_asked_when_it_is_due_and_not_before(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    obtained(gateway)
    assert ask() == 1
    travel.move_to(information().next_check_at - SECOND)
    assert ask() == 0
    assert asked(cas) == 1
    travel.shift(SECOND)
    assert ask() == 1


@pytest.mark.parametrize(
    "answer",
    [
        refusal("malformed", 404),
        Reply(b"<html>"),
        Reply({}),
        Reply({"suggestedWindow": {"start": "yesterday", "end": "tomorrow"}}),
        Reply(
            {"suggestedWindow": {"start": "2027-03-01T00:00:00Z", "end": "2027-02-01T00:00:00Z"}}
        ),
        Reply(
            {"suggestedWindow": {"start": "2027-01-01T00:00:00Z", "end": "2099-02-01T00:00:00Z"}}
        ),
    ],
)
def test_an_answer_without_a_window_leaves_the_lifetimes_rule(
    gateway: Gateway, cas: SmallCas, answer: Reply
) -> None:
    certificate = obtained(gateway)
    usual = certificate.renewal_at
    assert usual is not None
    say_window(cas, WINDOW)
    ask()
    assert reloaded(certificate).renewal_at != usual
    RenewalInformation.objects.update(next_check_at=timezone.now())
    say(cas, answer)
    ask()
    row = information()
    assert (row.window_start, row.window_end) == (None, None)
    assert reloaded(certificate).renewal_at == usual
    # Asking again soon would bring the same.
    assert row.next_check_at - timezone.now() >= 6 * HOUR


@pytest.mark.parametrize("status", [429, 500, 503])
def test_while_the_ca_is_in_trouble_its_window_stands_and_it_is_asked_ever_less(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller, status: int
) -> None:
    certificate = obtained(gateway)
    say_window(cas, WINDOW)
    ask()
    moment = reloaded(certificate).renewal_at
    say(cas, refusal("serverInternal", status))
    pauses = []
    for _ in range(12):
        travel.move_to(max(information().next_check_at, timezone.now()))
        ask()
        pauses.append(information().next_check_at - timezone.now())
    assert reloaded(certificate).renewal_at == moment
    assert information().failures == 12
    assert MINUTE <= pauses[0] < 1.1 * MINUTE
    assert 2 * MINUTE <= pauses[1] < 2.2 * MINUTE
    assert 6 * HOUR <= pauses[-1] < 6.6 * HOUR
    say_window(cas, WINDOW)
    travel.move_to(information().next_check_at)
    ask()
    assert information().failures == 0


def test_a_ca_that_does_not_answer_is_asked_once_a_round(gateway: Gateway, cas: SmallCas) -> None:
    for number in range(3):
        obtained(make_gateway(f"g{number}", f"g{number}.example.com"))

    def break_off(_: Seen) -> Reply | None:
        raise ConnectionError

    say(cas, break_off)
    assert ask() == 0
    assert asked(cas) == 1
    assert Directory.objects.get().away_since is None, "it says nothing about orders"


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [
        ("0", MINUTE, 1.1 * MINUTE),
        ("30", MINUTE, 1.1 * MINUTE),
        ("3600", HOUR, 1.1 * HOUR),
        ("864000", DAY, DAY),
        ("soon", 6 * HOUR, 6.6 * HOUR),
    ],
)
def test_the_next_question_is_when_the_ca_says_within_a_minute_and_a_day(
    gateway: Gateway,
    cas: SmallCas,
    retry_after: str,
    least: datetime.timedelta,
    most: datetime.timedelta,
) -> None:
    obtained(gateway)
    say_window(cas, WINDOW, retry_after)
    ask()
    assert least <= information().next_check_at - timezone.now() <= most


def test_a_moment_that_a_wrong_clock_has_stored_does_not_end_the_questions(
    gateway: Gateway, cas: SmallCas
) -> None:
    obtained(gateway)
    ask()
    RenewalInformation.objects.update(next_check_at=timezone.now() + 700 * DAY)
    assert ask() == 1


# Which are asked about


def test_an_expired_certificate_is_not_asked_about(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    certificate = obtained(gateway)
    ask()
    travel.move_to(certificate.not_after)
    assert ask() == 0
    assert asked(cas) == 1


def test_a_certificate_that_is_not_in_use_is_not_asked_about(
    gateway: Gateway, cas: SmallCas
) -> None:
    obtained(gateway)
    ask()
    RenewalInformation.objects.update(next_check_at=timezone.now())
    make_certificate(gateway, Origin.IMPORTED, select=True)
    assert ask() == 0


def test_while_the_source_is_manual_nothing_is_asked(gateway: Gateway, cas: SmallCas) -> None:
    obtained(gateway)
    Gateway.objects.update(certificate_source=CertificateSource.MANUAL)
    assert ask() == 0
    assert not RenewalInformation.objects.exists()


def test_a_certificate_of_another_ca_is_not_asked_about(gateway: Gateway, cas: SmallCas) -> None:
    obtained(gateway)
    order = Order.objects.get()
    order.account.directory_url = "https://another.example/directory"
    order.account.save()
    assert ask() == 0
    assert not RenewalInformation.objects.exists()


def test_a_certificate_from_elsewhere_is_not_asked_about(gateway: Gateway, cas: SmallCas) -> None:
    Directory.objects.create(url=cas.production.url, has_renewal_information=True)
    make_certificate(gateway, Origin.LETS_ENCRYPT, select=True)
    assert ask() == 0
    assert asked(cas) == 0


def test_a_ca_that_offers_no_such_information_is_not_asked(gateway: Gateway, cas: SmallCas) -> None:
    obtained(gateway)
    Directory.objects.update(has_renewal_information=False)
    assert ask() == 0
    assert asked(cas) == 0


def test_an_absent_ca_is_not_asked(gateway: Gateway, cas: SmallCas) -> None:
    obtained(gateway)
    later = timezone.now() + 10 * MINUTE
    Directory.objects.update(away_since=timezone.now(), next_probe_at=later)
    assert ask() == 0
    assert asked(cas) == 0


def test_what_another_worker_has_taken_is_not_asked_twice(gateway: Gateway, cas: SmallCas) -> None:
    obtained(gateway)
    inquiring._begin_watching(cas.production.url, timezone.now())
    first, second = information(), information()
    assert inquiring._claim(first, timezone.now())
    assert not inquiring._claim(second, timezone.now())


# What people are told


def test_a_renewal_that_is_brought_forward_by_days_is_told_with_the_cas_reason(
    gateway: Gateway, cas: SmallCas
) -> None:
    certificate = obtained(gateway)
    reply = cas.production.window(timezone.now() - HOUR, timezone.now())
    assert isinstance(reply.body, dict)
    say(cas, Reply({**reply.body, "explanationURL": "https://ca.example/incident"}))
    ask()
    event = Event.objects.get(code="renewal-brought-forward")
    assert event.level == Level.WARNING
    assert event.gateway == gateway
    assert "mail.example.com earlier: on 2027-01-04" in event.message
    assert "https://ca.example/incident" in event.detail
    plan = plans.plan(
        gateway, reloaded(certificate), plans.circumstances([gateway]), timezone.now()
    )
    assert plan is not None
    assert plan.at <= timezone.now()
    RenewalInformation.objects.update(next_check_at=timezone.now())
    ask()
    assert Event.objects.filter(code="renewal-brought-forward").count() == 1


def test_a_window_of_the_usual_kind_is_no_news(gateway: Gateway, cas: SmallCas) -> None:
    obtained(gateway)
    assert ask() == 1
    assert not Event.objects.filter(code="renewal-brought-forward").exists()
