"""What is remembered of the time; the decision itself: policy/test_clock.py."""

from __future__ import annotations

import datetime
import threading

import pytest
import time_machine
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from certificates import clock, inquiring, renewing, tasks
from certificates.models import (
    Gateway,
    Issuance,
    LastSeen,
    LimitUse,
    Pause,
    Trigger,
)
from certificates.policy.issuance import State
from certificates.policy.refusal import Scope
from challenges import tokens
from challenges.models import ChallengeToken
from challenges.problems import ProblemError
from tests.certificates.engine import (
    DAY,
    HOUR,
    JUMPS,
    MINUTE,
    SmallCas,
    advanced,
    ask,
    obtained,
    use,
)

pytestmark = pytest.mark.django_db


def seen() -> object:
    return LastSeen.objects.get().seen_at


@pytest.mark.usefixtures("travel")
def test_a_first_look_is_believed_and_remembered() -> None:
    now = timezone.now()
    assert clock.problem(now) is None
    assert not LastSeen.objects.exists()
    clock.note(now)
    assert seen() == now


@pytest.mark.usefixtures("travel")
def test_a_clock_before_the_product_was_made_is_not_believed_nor_remembered(
    settings: Settings,
) -> None:
    wrong = settings.BUILT_AT - MINUTE
    clock.note(wrong)
    assert not LastSeen.objects.exists()
    assert clock.problem(wrong) is not None


def test_what_was_seen_never_goes_back(travel: time_machine.Traveller) -> None:
    now = timezone.now()
    clock.note(now)
    clock.note(now - MINUTE)
    assert seen() == now
    clock.note(now + DAY)
    assert seen() == now + DAY
    clock.note(now)
    assert seen() == now + DAY, "two hours back are not the time"


def test_a_leap_of_years_is_not_remembered_so_that_the_right_time_is_believed_again(
    travel: time_machine.Traveller,
) -> None:
    now = timezone.now()
    clock.note(now)
    clock.note(now + 700 * DAY)
    assert clock.problem(now + 700 * DAY) is not None
    assert clock.problem(now + MINUTE) is None


def test_the_owners_word_counts_for_more(travel: time_machine.Traveller) -> None:
    right = timezone.now()
    clock.note(right + 300 * DAY)
    assert clock.problem(right) is not None
    clock.accept(right)
    assert clock.problem(right) is None
    assert seen() == right


def test_nothing_is_done_at_a_wrong_time_with_a_problem_that_says_what_to_do(
    travel: time_machine.Traveller,
) -> None:
    clock.note(timezone.now())
    travel.shift(-DAY)
    with pytest.raises(ProblemError) as caught:
        clock.require_plausible()
    assert caught.value.problem.code == "clock-implausible"
    assert caught.value.problem.remedy


@pytest.mark.usefixtures("travel")
def test_what_was_read_is_good_for_a_few_seconds(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    clock.forget()
    with django_assert_num_queries(1):
        for _ in range(10):
            clock.problem(timezone.now())


def test_each_thread_has_read_for_itself() -> None:
    clock.recall(timezone.now() + DAY)
    elsewhere = []
    thread = threading.Thread(target=lambda: elsewhere.append(clock._remembered.seen_at))
    thread.start()
    thread.join()
    assert elsewhere == [None]


# What a wrong clock must not do


@pytest.mark.parametrize("jump", JUMPS)
def test_at_a_wrong_time_nothing_is_started_asked_or_deleted(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller, jump: datetime.timedelta
) -> None:
    obtained(gateway)
    Gateway.objects.update(next_rehearsal_at=timezone.now())
    use(gateway, age=70 * DAY)
    right = timezone.now()
    clock.note(right)
    tokens.publish("a-token-of-an-order-in-flight", "x.y", now=right, lifetime=HOUR)
    Pause.objects.create(
        directory_url=cas.production.url,
        scope=Scope.IDENTIFIER.value,
        subject="other.example.com",
        until=right + HOUR,
        problem_facts={},
    )
    asked, used = cas.asked, LimitUse.objects.count()
    assert used
    travel.shift(jump)
    tasks.sweep()
    tasks.inquire()
    assert renewing.request_due(timezone.now()) == []
    assert renewing.rehearse_due(timezone.now()) == []
    assert inquiring.ask_due(timezone.now()) == 0
    assert cas.asked == asked
    assert ChallengeToken.objects.count() == Pause.objects.count() == 1
    assert LimitUse.objects.count() == used
    assert not Issuance.objects.filter(finished_at__isnull=True).exists()
    travel.move_to(right + MINUTE)
    assert len(renewing.request_due(timezone.now())) == 1
    assert advanced(Issuance.objects.get(finished_at__isnull=True)).current is State.DONE
    assert LimitUse.objects.count() > used


def test_moments_that_a_wrong_clock_has_stored_stop_nothing(
    gateway: Gateway, cas: SmallCas, travel: time_machine.Traveller
) -> None:
    use(gateway, age=70 * DAY)
    issuance = ask(gateway, Trigger.RENEWAL)
    far = timezone.now() + 700 * DAY
    Issuance.objects.update(next_step_at=far, lease_owner="x", lease_expires_at=far)
    assert advanced(issuance).is_terminal
