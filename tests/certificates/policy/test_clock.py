from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.policy.clock import implausible, remembered

BUILT = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
SEEN = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)
HOUR = datetime.timedelta(hours=1)
DAY = 24 * HOUR
MOMENTS = st.timedeltas(-9999 * DAY, 9999 * DAY).map(lambda span: SEEN + span)


@pytest.mark.parametrize(
    ("now", "last_seen", "plausible"),
    [
        (BUILT, None, True),
        (BUILT - SECOND, None, False),
        (BUILT - 3650 * DAY, None, False),
        (BUILT + 3650 * DAY, None, True),
        (SEEN, SEEN, True),
        (SEEN - HOUR, SEEN, True),
        (SEEN - HOUR - SECOND, SEEN, False),
        (SEEN + 366 * DAY, SEEN, True),
        (SEEN + 366 * DAY + SECOND, SEEN, False),
        (SEEN + 3650 * DAY, SEEN, False),
        (BUILT - SECOND, BUILT - DAY, False),
    ],
)
def test_a_clock_is_believed_from_the_build_on_and_near_the_time_last_seen(
    now: datetime.datetime, last_seen: datetime.datetime | None, plausible: bool
) -> None:
    assert (implausible(now, built_at=BUILT, last_seen=last_seen) is None) is plausible


@pytest.mark.parametrize(
    ("now", "last_seen", "both"),
    [
        (BUILT - DAY, SEEN, ("2026-10-31 00:00:00 UTC", "2026-11-01 00:00:00 UTC")),
        (SEEN - DAY, SEEN, ("2026-11-22 12:00:00 UTC", "2026-11-23 12:00:00 UTC")),
        (SEEN + 400 * DAY, SEEN, ("2027-12-28 12:00:00 UTC", "2026-11-23 12:00:00 UTC")),
    ],
)
def test_an_implausible_clock_is_told_with_both_times_and_the_way_out(
    now: datetime.datetime, last_seen: datetime.datetime, both: tuple[str, str]
) -> None:
    found = implausible(now, built_at=BUILT, last_seen=last_seen)
    assert found is not None
    assert found.code == "clock-implausible"
    assert all(moment in found.explanation for moment in both)
    assert "timedatectl" in found.remedy[0]
    assert "manage.py accept_clock" in found.remedy[1]
    assert found.retryable


@given(MOMENTS, st.one_of(st.none(), MOMENTS))
def test_what_is_remembered_never_goes_back(
    now: datetime.datetime, last_seen: datetime.datetime | None
) -> None:
    assert remembered(now, last_seen) >= (last_seen or now)


@given(MOMENTS)
def test_a_clock_that_cannot_be_believed_does_not_poison_what_is_remembered(
    now: datetime.datetime,
) -> None:
    moment = remembered(now, SEEN)
    if implausible(now, built_at=BUILT, last_seen=SEEN) is not None:
        assert moment == SEEN
    assert implausible(SEEN, built_at=BUILT, last_seen=SEEN) is None


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (SEEN + SECOND, SEEN + SECOND),
        (SEEN + 366 * DAY, SEEN + 366 * DAY),
        (SEEN + 367 * DAY, SEEN),
        (SEEN - SECOND, SEEN),
    ],
)
def test_time_that_passes_is_remembered(
    now: datetime.datetime, expected: datetime.datetime
) -> None:
    assert remembered(now, SEEN) == expected


def test_the_first_time_is_remembered() -> None:
    assert remembered(SEEN, None) == SEEN
