"""What a preflight is told, and whom it asks; its checks themselves: tests/challenges."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from certificates import clock, surroundings
from certificates.models import Account, Directory, Gateway
from certificates.policy.issuance import Course, Environment, environments
from challenges import preflight
from challenges.preflight.report import Report
from tests.certificates.engine import JUMPS, SmallCas


@pytest.mark.parametrize("course", [Course.TESTED, Course.REHEARSAL])
@pytest.mark.usefixtures("travel")
def test_only_the_environments_of_the_course_are_asked(
    gateway: Gateway, cas: SmallCas, monkeypatch: pytest.MonkeyPatch, course: Course
) -> None:
    asked: list[preflight.Surroundings] = []

    def run(around: preflight.Surroundings, **_: object) -> Report:
        asked.append(around)
        return Report()

    monkeypatch.setattr(preflight, "run", run)
    clock.note(timezone.now())
    surroundings.report(gateway.names, environments(course))
    both = (cas.staging.url, cas.production.url)
    assert asked[0].directory_urls == (both if course is Course.TESTED else both[:1])


@pytest.mark.usefixtures("travel", "gateway")
def test_without_a_course_both_are_asked(cas: SmallCas) -> None:
    around = surroundings.of(["mail.example.com"])
    assert around.directory_urls == (cas.staging.url, cas.production.url)
    assert around.hostnames == ("mail.example.com",)


@pytest.mark.usefixtures("cas")
def test_the_accounts_and_the_cas_own_names_of_both_environments_are_known(
    gateway: Gateway, cas: SmallCas
) -> None:
    assert surroundings.of(gateway.names).caa_identities == ("letsencrypt.org",)
    for number, ca in enumerate((cas.staging, cas.production)):
        Directory.objects.create(url=ca.url, caa_identities=["ca.example", f"ca{number}.example"])
        Account.objects.create(
            directory_url=ca.url, url=f"{ca.url}/account/{number}", thumbprint="x", sealed_key="x"
        )
    Directory.objects.create(url="https://elsewhere.example/", caa_identities=["other.example"])
    Account.objects.create(directory_url="https://elsewhere.example/", url="https://elsewhere/1")

    around = surroundings.of(gateway.names, (Environment.STAGING,))
    assert around.caa_identities == ("ca.example", "ca0.example", "ca1.example")
    assert around.account_uris == (
        f"{cas.staging.url}/account/0",
        f"{cas.production.url}/account/1",
    )


LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
OWN_CA = "https://ca.corp.internal/acme/acme/directory"


@pytest.mark.parametrize(
    ("staging", "production", "is_lets_encrypt"),
    [
        (STAGING, LETS_ENCRYPT, True),
        (OWN_CA, OWN_CA, False),
        (STAGING, OWN_CA, False),
        (OWN_CA, LETS_ENCRYPT, False),
        (STAGING, "https://acme.letsencrypt.org.evil.de/", False),
    ],
)
@pytest.mark.parametrize("asked", [tuple(Environment), (Environment.STAGING,), ()])
@pytest.mark.django_db
def test_a_ca_of_ones_own_is_one_whether_it_is_asked_this_time_or_not(
    settings: Settings,
    staging: str,
    production: str,
    is_lets_encrypt: bool,
    asked: Sequence[Environment],
) -> None:
    settings.CONFIGURATION = dataclasses.replace(
        settings.CONFIGURATION, acme_staging_url=staging, acme_production_url=production
    )
    around = surroundings.of(["gw.corp.internal"], asked)
    assert around.asks_only_lets_encrypt is is_lets_encrypt


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
    found = surroundings.report(gateway.names, asked).findings
    assert found[0].code == "clock-implausible"
    assert cas.asked == 0
    # What asks no CA is looked at all the same.
    assert len(found) > 1
