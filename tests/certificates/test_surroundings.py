"""What a preflight is told, and whom it asks; its checks themselves: tests/challenges."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import pytest
import time_machine
from django.utils import timezone

from certificates import clock, surroundings
from certificates.models import Gateway
from certificates.policy.issuance import Course, Environment, environments
from tests.certificates.engine import JUMPS, SmallCas


@pytest.mark.parametrize("course", [Course.TESTED, Course.REHEARSAL])
@pytest.mark.usefixtures("travel")
def test_only_the_environments_of_the_course_are_asked(
    gateway: Gateway, cas: SmallCas, course: Course
) -> None:
    clock.note(timezone.now())
    surroundings.findings(gateway.names, environments(course))
    assert [each.endpoint for each in cas.staging.asked] == ["directory"]
    is_asked = course is Course.TESTED
    assert [each.endpoint for each in cas.production.asked] == ["directory"] * is_asked


@pytest.mark.usefixtures("travel", "gateway")
def test_without_a_course_both_are_asked(cas: SmallCas) -> None:
    around = surroundings.of(["mail.example.com"])
    assert around.directory_urls == (cas.staging.url, cas.production.url)
    assert around.hostnames == ("mail.example.com",)


@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("asked", [tuple(Environment), (Environment.STAGING,)])
def test_while_the_clock_is_wrong_that_comes_first_and_no_ca_is_asked(
    gateway: Gateway,
    cas: SmallCas,
    travel: time_machine.Traveller,
    jump: datetime.timedelta,
    asked: Sequence[Environment],
) -> None:
    clock.note(timezone.now())
    travel.shift(jump)
    found = surroundings.findings(gateway.names, asked)
    assert found[0].code == "clock-implausible"
    assert cas.asked == 0
    # What asks no CA is looked at all the same.
    assert len(found) > 1
