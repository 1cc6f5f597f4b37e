"""What is kept of challenge processes that are gone."""

from __future__ import annotations

import datetime

import pytest
from django.utils import timezone

from challenges import whereabouts
from challenges.models import ChallengeListener

pytestmark = pytest.mark.django_db
NOW = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


def listener(place: str, silent_for: datetime.timedelta) -> ChallengeListener:
    """A process that was last heard of so long ago."""
    seen = NOW - silent_for
    return ChallengeListener.objects.create(
        host="mx", place=place, pid=1, port=80, wanted_port=80, started_at=seen, seen_at=seen
    )


def test_processes_that_are_gone_for_a_week_are_forgotten() -> None:
    kept = [listener("now", DAY / 86400), listener("lately", 6.9 * DAY)]
    listener("gone", 7.1 * DAY)
    assert whereabouts.forget_gone(NOW) == 1
    assert list(ChallengeListener.objects.order_by("-seen_at")) == kept


def test_the_last_one_of_all_is_kept_however_long_it_is_silent() -> None:
    last = listener("last", 70 * DAY)
    listener("older", 80 * DAY)
    assert whereabouts.forget_gone(NOW) == 1
    assert ChallengeListener.objects.get() == last


def test_where_none_ever_ran_there_is_nothing_to_forget() -> None:
    assert whereabouts.forget_gone(timezone.now()) == 0
