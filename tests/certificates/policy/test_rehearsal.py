from __future__ import annotations

import datetime

from certificates.policy import rehearsal

NOW = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
SEEDS = [f"gateway-{number}" for number in range(1000)]


def test_after_a_success_it_is_two_weeks_and_up_to_a_tenth_more() -> None:
    pauses = [rehearsal.after_success(NOW, seed) - NOW for seed in SEEDS]
    assert min(pauses) >= 14 * DAY
    assert max(pauses) < 15.4 * DAY


def test_after_a_failure_it_is_a_day_and_up_to_a_tenth_more() -> None:
    pauses = [rehearsal.after_failure(NOW, seed) - NOW for seed in SEEDS]
    assert min(pauses) >= DAY
    assert max(pauses) < 1.1 * DAY


def test_gateways_are_spread_and_each_keeps_its_place() -> None:
    moments = [rehearsal.after_success(NOW, seed) for seed in SEEDS]
    assert moments == [rehearsal.after_success(NOW, seed) for seed in SEEDS]
    assert len(set(moments)) == len(SEEDS)
    early = [moment for moment in moments if moment - NOW < 14.7 * DAY]
    assert 400 < len(early) < 600
