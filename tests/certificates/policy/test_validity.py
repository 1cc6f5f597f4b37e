from __future__ import annotations

import datetime

import pytest

from certificates.policy.validity import Validity, days_left, validity

BEGIN = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
END = BEGIN + datetime.timedelta(days=90)
SECOND = datetime.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (BEGIN - datetime.timedelta(hours=1) - SECOND, Validity.NOT_YET),
        (BEGIN - datetime.timedelta(hours=1), Validity.VALID),
        (BEGIN, Validity.VALID),
        (END - datetime.timedelta(days=15), Validity.VALID),
        (END - datetime.timedelta(days=15) + SECOND, Validity.EXPIRES_SOON),
        (END - SECOND, Validity.EXPIRES_SOON),
        (END, Validity.EXPIRED),
        (END + datetime.timedelta(days=400), Validity.EXPIRED),
    ],
)
def test_a_certificate_of_90_days_goes_through_its_life(
    now: datetime.datetime, expected: Validity
) -> None:
    assert validity(BEGIN, END, now) is expected


def test_a_certificate_of_6_days_does_not_expire_soon_all_its_life() -> None:
    end = BEGIN + datetime.timedelta(days=6)
    assert validity(BEGIN, end, BEGIN + datetime.timedelta(days=4)) is Validity.VALID
    assert validity(BEGIN, end, end - datetime.timedelta(hours=23)) is Validity.EXPIRES_SOON


@pytest.mark.parametrize(
    ("left", "whole"), [(36, 1), (24, 1), (23, 0), (0, 0), (-1, -1), (-24, -1), (-25, -2)]
)
def test_days_left_are_whole_days_rounded_down(left: int, whole: int) -> None:
    assert days_left(END, END - datetime.timedelta(hours=left)) == whole


def test_only_a_valid_certificate_is_drawn_as_good() -> None:
    assert {item.value: item.tone for item in Validity} == {
        "not-yet": "attention",
        "valid": "good",
        "expires-soon": "attention",
        "expired": "bad",
    }
