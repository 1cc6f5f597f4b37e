"""The engine with a CA in this process, on a clock that the test moves."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from certificates import clock, issuing, plans, requesting
from certificates.models import Certificate, Gateway, Issuance, Trigger
from certificates.policy.issuance import Environment, State
from tests.certificates.chains import make_chain, store_leaf
from tests.parts.small_ca import SmallCa

SECOND = datetime.timedelta(seconds=1)
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
# By which a clock that cannot be believed is wrong, in both directions.
JUMPS = (-3650 * DAY, -2 * DAY, 700 * DAY, 3650 * DAY)
# After the day on which this version was made, whenever the tests are run.
START = datetime.datetime(2027, 1, 4, 9, 30, tzinfo=datetime.UTC)


@dataclasses.dataclass(frozen=True)
class SmallCas:
    """The two environments."""

    staging: SmallCa
    production: SmallCa

    def at(self, environment: Environment) -> SmallCa:
        """That environment's."""
        return self.staging if environment is Environment.STAGING else self.production

    def go(self) -> None:
        """Both are out of reach from now on."""
        self.staging.away = self.production.away = True

    def come_back(self) -> None:
        """Both answer again."""
        self.staging.away = self.production.away = False

    @property
    def asked(self) -> int:
        """How many requests have reached them, heard or not."""
        return sum(len(ca.asked) + len(ca.knocks) for ca in (self.staging, self.production))


@pytest.fixture(scope="session")
def serving_cas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCas]:
    """The servers; tests take ``cas``."""
    directory = tmp_path_factory.mktemp("small-cas")
    with (
        SmallCa(directory, name="(STAGING) Small CA") as staging,
        SmallCa(directory, name="Small CA") as production,
    ):
        yield SmallCas(staging, production)


@pytest.fixture
def cas(serving_cas: SmallCas, data_dir: Path, settings: Settings) -> SmallCas:
    """Both CAs, untouched, and configured; the preflight has no DNS server to wait for."""
    for ca in (serving_cas.staging, serving_cas.production):
        ca.reset()
    settings.CONFIGURATION = dataclasses.replace(
        settings.CONFIGURATION,
        data_dir=data_dir,
        acme_staging_url=serving_cas.staging.url,
        acme_production_url=serving_cas.production.url,
        acme_ca_bundle=serving_cas.production.bundle,
        dns_servers=(),
    )
    return serving_cas


@pytest.fixture(autouse=True)
def forgetful_clock() -> Iterator[None]:
    """What one test has taken for the time is nothing to the next."""
    clock.forget()
    yield
    clock.forget()


@pytest.fixture
def travel(monkeypatch: pytest.MonkeyPatch) -> Iterator[time_machine.Traveller]:
    """A clock that stands until the test moves it; whoever sleeps moves it as well."""
    with time_machine.travel(START, tick=False) as traveller:
        monkeypatch.setattr(time, "sleep", traveller.shift)
        yield traveller


def use(gateway: Gateway, *, age: datetime.timedelta, lifetime: float = 90) -> Certificate:
    """Put a certificate of that age into use; ``lifetime`` in days."""
    leaf = make_chain(*gateway.names, begin=timezone.now() - age, lifetime=lifetime * DAY)
    certificate = store_leaf(gateway, leaf)
    plans.schedule(certificate)
    Gateway.objects.filter(pk=gateway.pk).update(selected_certificate=certificate)
    gateway.refresh_from_db()
    return certificate


def ask(gateway: Gateway, trigger: Trigger = Trigger.MANUAL) -> Issuance:
    """An issuance that somebody, or the sweep, asks for now."""
    return requesting.request(gateway, trigger=trigger, now=timezone.now())


def renew(gateway: Gateway) -> Issuance:
    """A renewal, which goes straight to production, worked on once."""
    return advanced(ask(gateway, Trigger.RENEWAL))


def advanced(issuance: Issuance) -> Issuance:
    """After a worker has looked at it."""
    issuing.advance(issuance.pk)
    issuance.refresh_from_db()
    return issuance


def at_the_end(issuance: Issuance, travel: time_machine.Traveller) -> Issuance:
    """Worked on, whenever it is due, until it has ended."""
    for _ in range(400):
        advanced(issuance)
        if issuance.is_terminal:
            return issuance
        assert issuance.next_step_at is not None
        travel.move_to(max(issuance.next_step_at, timezone.now()))
    raise AssertionError(f"it goes on and on: {issuance.problem}")


def obtained(gateway: Gateway) -> Certificate:
    """A certificate that the production CA has issued, in use."""
    # Something has to be there already, or the staging test would come first.
    use(gateway, age=70 * DAY)
    issuance = renew(gateway)
    assert issuance.current is State.DONE, issuance.problem
    gateway.refresh_from_db()
    assert gateway.selected_certificate is not None
    return gateway.selected_certificate


def code_of(issuance: Issuance) -> str:
    """What it has failed by, or waits for."""
    return issuance.problem.code if issuance.problem else ""
