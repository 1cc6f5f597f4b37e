"""What the guidance shows: both scenarios step by step, and what is known of each step."""

from __future__ import annotations

import dataclasses
import datetime

from django.db.models import F

from certificates import evidence
from certificates.models import Gateway, Issuance, Order, OrderStatus, Preflight, StageState
from certificates.policy import dns_records
from certificates.policy import evidence as arrivals
from certificates.policy import guidance as policy
from certificates.policy.dns_records import Record, SharedAddress
from certificates.policy.guidance import Judgement, Seen
from certificates.policy.guidance_steps import CHECKS, STEPS
from certificates.policy.issuance import Environment, State
from certificates.policy.names import identifier_set
from certificates.queries.issuances import asked_to_validate, newest_first
from certificates.queries.preflights import PreflightDetails, preflight_details
from challenges.models import NetworkScenario, NetworkSettings
from challenges.preflight import advice
from challenges.preflight.processes import listeners_on_duty
from challenges.problems import Problem, worst_first
from challenges.whereabouts import elsewhere

GATEWAYS_LINKED = 10
# The running one, the last that has ended, and some that have been abandoned in between.
PREFLIGHTS_READ = 10
PROOFS_READ = 5
# More would be a second sheet of paper.
EVIDENCE_SHOWN = 8
EVIDENCE_SHOWN_WITH_MANY_RECORDS = 4
MANY_RECORDS = 6


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where the gateway stands: the configured scenario, and the one that is looked at.

    ``machine`` is the address (or else the name) of the machine that serves the challenge port.
    """

    network: NetworkSettings
    scenario: str
    machine: str

    @property
    def machine_address(self) -> str:
        """The same where it is an IPv4 address, as an A record needs one; else empty."""
        return self.machine if dns_records.is_ipv4(self.machine) else ""

    @property
    def is_configured(self) -> bool:
        """Whether the scenario that is looked at is that of the network settings."""
        return self.scenario == self.network.scenario


@dataclasses.dataclass(frozen=True, slots=True)
class Guidance:
    """One gateway's guidance.

    ``last`` is the newest preflight that has ended, ``running`` one that has not; ``is_outdated``
    says that ``last`` looked at other names or settings than the present ones, and so counts for
    nothing. Of a scenario that is not the configured one nothing has been looked at.
    ``public_address`` is an IPv4 address, or empty where none is known.
    """

    gateway: Gateway
    place: Place
    last: Preflight | None
    running: PreflightDetails | None
    is_outdated: bool
    seen: Seen
    steps: tuple[Judgement, ...]
    checks: tuple[Judgement, ...]
    others: tuple[Problem, ...]
    records: tuple[Record, ...]
    ipv6_addresses: tuple[SharedAddress, ...]
    public_address: str
    is_address_from_dns: bool


def place(scenario: str | None, now: datetime.datetime) -> Place:
    """This console's place, seen as ``scenario`` where that is one. Two queries."""
    network = NetworkSettings.load()
    known = scenario if scenario in NetworkScenario.values else network.scenario
    machine = elsewhere(listeners_on_duty(now)) or advice.this_machine()
    return Place(network, str(known), machine)


def gateways_to_guide() -> list[Gateway]:
    """A few gateways, for links to their own guidance. One query."""
    return list(Gateway.objects.order_by("hostname", "pk")[:GATEWAYS_LINKED])


def guidance(slug: str, scenario: str | None, now: datetime.datetime) -> Guidance:
    """One gateway's guidance for the scenario. Five queries. Raises Gateway.DoesNotExist."""
    gateway, around = Gateway.objects.get(slug=slug), place(scenario, now)
    last, running = _preflights(gateway, now)
    seen, is_outdated = _seen(gateway, last, around.network.changed_at)
    if not around.is_configured:
        last, seen, is_outdated = None, Seen(), False
    found = dns_records.records(gateway.names, seen.addresses)
    own_address, dns_address = _own_public_address(around), dns_records.common_address(found)
    return Guidance(
        gateway=gateway,
        place=around,
        last=last,
        running=running,
        is_outdated=is_outdated,
        seen=seen,
        steps=policy.judge_all(STEPS[around.scenario], seen, around.scenario),
        checks=policy.judge_all(CHECKS, seen, around.scenario),
        others=policy.unplaced(seen, around.scenario),
        records=found,
        ipv6_addresses=dns_records.ipv6_addresses(found),
        public_address=own_address or dns_address,
        is_address_from_dns=not own_address,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """What is written on the request as measured, of what router, firewall and DNS have a part in.

    ``left_out`` is how much of it had no room. ``is_full`` says that the records alone fill much of
    the sheet; ``arrived`` what came to the challenge port in ``issuance``, the last one that had a
    CA validate.
    """

    findings: tuple[Problem, ...]
    sentences: tuple[str, ...]
    left_out: int
    is_full: bool
    issuance: Issuance | None
    arrived: str


def measured(shown: Guidance) -> Measured:
    """The evidence for the network team, cut to what fits on one sheet. Five queries."""
    is_full = len(shown.records) + len(shown.ipv6_addresses) > MANY_RECORDS
    most = EVIDENCE_SHOWN_WITH_MANY_RECORDS if is_full else EVIDENCE_SHOWN
    # The worst first: what is right already is worth less to whoever is to change something.
    findings = worst_first(
        policy.findings_for_the_network_team(shown.seen.findings, shown.place.scenario)
    )
    sentences = policy.facts_for_the_network_team(shown.seen.established)
    found = tuple(findings[:most])
    said = sentences[: most - len(found)]
    issuance = _last_validated(shown.gateway)
    return Measured(
        findings=found,
        sentences=said,
        left_out=len(findings) + len(sentences) - len(found) - len(said),
        is_full=is_full,
        issuance=issuance,
        arrived=arrivals.sentence(evidence.of(issuance)) if issuance else "",
    )


def _preflights(
    gateway: Gateway, now: datetime.datetime
) -> tuple[Preflight | None, PreflightDetails | None]:
    """The newest that has ended, and one that is running. One query."""
    newest = list(gateway.preflights.all()[:PREFLIGHTS_READ])
    last = next((each for each in newest if each.has_ended), None)
    running = next((each for each in newest if each.is_running(now)), None)
    return last, preflight_details(running, gateway.names, now) if running else None


def _seen(
    gateway: Gateway, last: Preflight | None, changed_at: datetime.datetime | None
) -> tuple[Seen, bool]:
    """What holds for the present names and settings, and whether ``last`` does not. One query."""
    staged_at = _staging_passed_at(gateway)
    if not policy.holds(staged_at, changed_at):
        staged_at = None
    if last is None:
        return Seen(staging_passed_at=staged_at), False
    looked_at = last.taken_at or last.started_at
    if last.has_other_names(gateway.names) or not policy.holds(looked_at, changed_at):
        return Seen(staging_passed_at=staged_at), True
    established = tuple((str(fact), str(said)) for fact, said in last.established)
    return Seen(established, tuple(last.problems), looked_at, staged_at, last.addresses), False


def _staging_passed_at(gateway: Gateway) -> datetime.datetime | None:
    """When the CA's staging environment last accepted the proof for the present names."""
    passed = Order.objects.filter(
        issuance__gateway=gateway,
        issuance__identifier_set=identifier_set(gateway.names),
        issuance__stages__stage=State.STAGING_TEST.value,
        issuance__stages__state=StageState.DONE,
        environment=Environment.STAGING.value,
        status=OrderStatus.VALID,
    ).annotate(passed_at=F("issuance__stages__finished_at"))
    newest = passed.only("challenge_tokens").order_by("-passed_at")[:PROOFS_READ]
    names = len(gateway.names)
    # One in which the CA relied on an earlier proof says nothing about the way in as it is.
    return next((order.passed_at for order in newest if order.has_proved_all(names)), None)


def _last_validated(gateway: Gateway) -> Issuance | None:
    """The newest issuance that has got as far as asking a CA to validate."""
    return newest_first(gateway.issuances.filter(asked_to_validate())).first()


def _own_public_address(around: Place) -> str:
    is_own = around.scenario == NetworkScenario.EXTERNAL and dns_records.is_public(around.machine)
    return around.machine if is_own else ""
