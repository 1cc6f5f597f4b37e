"""The database's choice of gateways that may have a warning leaves none out that has one."""

from __future__ import annotations

import datetime
import random

import pytest
from django.utils import timezone

from certificates import backoffs, plans, queries
from certificates.models import Certificate, Gateway, Issuance, Origin
from certificates.policy.issuance import Course, State
from certificates.policy.names import identifier_set
from certificates.queries.warnings import attempts
from challenges.problems import Problem, Severity
from tests.console import make_certificate, make_gateway, make_issuance

DAY = datetime.timedelta(days=1)
PASSING = Problem("acme-connection", Severity.ERROR, "Refused.", ("Open it.",), retryable=True)
PERMANENT = Problem("acme-caa", Severity.ERROR, "Never.", ("Edit.",))

pytestmark = pytest.mark.django_db


def make_any(number: int, chance: random.Random) -> Gateway:
    """A gateway in one of very many situations."""
    now = timezone.now()
    gateway = make_gateway(f"g{number}", f"g{number}.example.com")
    for _ in range(chance.randrange(4)):
        make_any_issuance(gateway, chance)
    if chance.random() < 0.8:
        lifetime = chance.choice([6, 45, 90]) * DAY
        names = gateway.names if chance.random() < 0.8 else ["other.example.com"]
        origin = chance.choice([Origin.LETS_ENCRYPT, Origin.LETS_ENCRYPT, Origin.IMPORTED])
        certificate = make_certificate(gateway, origin, names=names, lifetime=lifetime)
        begin = now - chance.uniform(-0.1, 1.2) * lifetime
        Certificate.objects.filter(pk=certificate.pk).update(
            not_before=begin, not_after=begin + lifetime, created_at=begin
        )
        certificate.refresh_from_db()
        plans.schedule(certificate)
        Gateway.objects.filter(pk=gateway.pk).update(
            selected_certificate=certificate,
            certificate_source=chance.choice(["lets-encrypt", "lets-encrypt", "manual"]),
            updated_at=begin + chance.uniform(-5, 5) * DAY,
        )
    if chance.random() < 0.1:
        Gateway.objects.filter(pk=gateway.pk).update(files_problem=PASSING.to_json())
    if chance.random() < 0.2:
        problem = chance.choice([PASSING, PERMANENT])
        backoffs.failed(identifier_set(gateway.names), problem, now, lifetime=90 * DAY)
        make_issuance(gateway, State.FAILED, problem_facts=problem.to_json(), started_at=now)
    return gateway


def make_any_issuance(gateway: Gateway, chance: random.Random) -> Issuance:
    """One that has ended, some time before."""
    state = chance.choice([State.DONE, State.FAILED, State.CANCELLED])
    return make_issuance(
        gateway,
        state,
        course=chance.choice(list(Course)),
        problem_facts=PASSING.to_json() if state is State.FAILED else None,
        started_at=timezone.now() - chance.uniform(0.1, 30) * DAY,
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_warnings_are_those_of_each_gateway_looked_at_by_itself(seed: int) -> None:
    chance, now = random.Random(seed), timezone.now()
    for number in range(60):
        make_any(number, chance)
    # A certificate from Let's Encrypt holds what its gateway was called when it was asked for.
    for gateway in Gateway.objects.filter(selected_certificate__origin=Origin.LETS_ENCRYPT):
        in_use = gateway.selected_certificate
        if in_use is not None and in_use.names != gateway.names:
            Gateway.objects.filter(pk=gateway.pk).update(updated_at=in_use.created_at + DAY)
    everybody = list(Gateway.objects.select_related("selected_certificate__renewal_information"))
    found = attempts(everybody)
    expected = {
        (gateway.slug, problem.code)
        for gateway in everybody
        for problem in queries.warnings_of(
            gateway, gateway.selected_certificate, found.of(gateway), now
        )
    }
    current = queries.current_warnings(now, queries.console(now), most=10_000)
    told = {
        (placed.gateway.slug, placed.problem.code)
        for placed in current.problems
        if placed.gateway is not None
    }

    assert len({code for _, code in expected}) >= 8
    assert told == expected


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        ("files", "acme-connection"),
        ("rehearsal", "rehearsal-failed"),
        ("failure", "acme-connection"),
        ("waiting", "acme-connection"),
        ("overdue", "renewal-overdue"),
        ("early", "certificate-not-yet-valid"),
        ("name", "names-not-covered"),
    ],
)
def test_one_trouble_alone_is_enough(trouble: str, code: str) -> None:
    gateway, now = make_gateway("g", "g.example.com"), timezone.now()
    certificate = make_certificate(gateway, select=True)
    plans.schedule(certificate)
    Gateway.objects.update(updated_at=now - 9 * DAY)
    make_issuance(gateway, State.DONE, started_at=now - DAY)
    assert _codes(now) == []
    problem, course = PASSING.to_json(), Course.REHEARSAL
    begin, end = now - 80 * DAY, now + 30 * DAY
    match trouble:
        case "files":
            Gateway.objects.update(files_problem=problem)
        case "rehearsal":
            make_issuance(gateway, State.FAILED, course=course, problem_facts=problem)
        case "failure":
            make_issuance(gateway, State.FAILED, problem_facts=problem)
        case "waiting":
            make_issuance(gateway, State.INSTALLING, problem_facts=problem)
        case "overdue":
            Certificate.objects.update(not_before=begin, not_after=end, renewal_at=now - DAY)
        case "early":
            Certificate.objects.update(not_before=now + DAY)
        case _:
            Gateway.objects.update(hostname="new.example.com", updated_at=timezone.now())
    assert code in _codes(now)


def _codes(now: datetime.datetime) -> list[str]:
    placed = queries.current_warnings(now, queries.console(now)).problems
    return [each.problem.code for each in placed if each.gateway is not None]


def test_an_imported_certificate_that_never_held_every_name_is_found() -> None:
    gateway = make_gateway("g", "g.example.com", additional_hostnames=["mx.example.com"])
    make_certificate(gateway, Origin.IMPORTED, names=["g.example.com"], select=True)
    Gateway.objects.update(certificate_source="manual")
    current = queries.current_warnings(timezone.now(), queries.console(timezone.now()))

    assert "names-not-covered" in [placed.problem.code for placed in current.problems]
