"""What the guidance shows: both scenarios step by step, and what is known of each step."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Sequence

from django.db.models import Q

from certificates import evidence
from certificates.models import (
    Event,
    Gateway,
    Issuance,
    OrderStatus,
    Preflight,
    Stage,
    StageState,
)
from certificates.policy import dns_records
from certificates.policy import evidence as arrivals
from certificates.policy import guidance as policy
from certificates.policy.dns_records import Record
from certificates.policy.guidance import Judgement, Seen
from certificates.policy.issuance import Environment, State
from certificates.policy.names import identifier_set
from challenges.models import ChallengeListener, NetworkScenario, NetworkSettings
from challenges.preflight import advice
from challenges.problems import Problem, worst_first
from challenges.whereabouts import is_here

GATEWAYS_LINKED = 10
# The running one, the last that has ended, and some that have been abandoned in between.
PREFLIGHTS_READ = 10
PROOFS_READ = 5
# More would be a second sheet of paper.
EVIDENCE_SHOWN = 8
EVIDENCE_SHOWN_WITH_MANY_NAMES = 4
MANY_NAMES = 6


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
        """The same where it is an address; else empty."""
        return self.machine if dns_records.is_address(self.machine) else ""

    @property
    def is_configured(self) -> bool:
        """Whether the scenario that is looked at is that of the network settings."""
        return self.scenario == self.network.scenario


@dataclasses.dataclass(frozen=True, slots=True)
class Guidance:
    """One gateway's guidance.

    ``last`` is the newest preflight that has ended, ``running`` one that has not; ``is_outdated``
    says that ``last`` looked at other names or settings than the present ones, and so counts for
    nothing. ``public_address`` is empty where it is not known.
    """

    gateway: Gateway
    place: Place
    last: Preflight | None
    running: Preflight | None
    is_outdated: bool
    seen: Seen
    steps: tuple[Judgement, ...]
    checks: tuple[Judgement, ...]
    others: tuple[Problem, ...]
    records: tuple[Record, ...]
    public_address: str
    is_address_from_dns: bool


def place(scenario: str | None = None) -> Place:
    """This console's place, seen as ``scenario`` where that is one. Two queries."""
    network = NetworkSettings.load()
    known = scenario if scenario in NetworkScenario.values else network.scenario
    return Place(network, str(known), _machine(ChallengeListener.newest()))


def gateways_to_guide() -> list[Gateway]:
    """A few gateways, for links to their own guidance. One query."""
    return list(Gateway.objects.order_by("hostname", "pk")[:GATEWAYS_LINKED])


def guidance(slug: str, scenario: str | None, now: datetime.datetime) -> Guidance:
    """One gateway's guidance for the scenario. Six queries. Raises Gateway.DoesNotExist."""
    gateway, around = Gateway.objects.get(slug=slug), place(scenario)
    last, running = _preflights(gateway, now)
    seen, is_outdated = _seen(gateway, last)
    if not around.is_configured:
        seen = Seen()
    found = dns_records.records(gateway.names, seen.addresses)
    own_address, dns_address = _own_public_address(around), dns_records.common_address(found)
    return Guidance(
        gateway=gateway,
        place=around,
        last=last,
        running=running,
        is_outdated=is_outdated,
        seen=seen,
        steps=policy.judge_all(policy.STEPS[around.scenario], seen, around.scenario),
        checks=policy.judge_all(policy.CHECKS, seen, around.scenario),
        others=policy.unplaced(seen, around.scenario),
        records=found,
        public_address=own_address or dns_address,
        is_address_from_dns=not own_address,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """What is written on the request as measured; ``left_out`` is what had no room.

    ``is_full`` says that the names alone fill much of the sheet; ``arrived`` what came to the
    challenge port in ``issuance``, the last one that had a CA validate.
    """

    findings: tuple[Problem, ...]
    sentences: tuple[str, ...]
    left_out: int
    is_full: bool
    issuance: Issuance | None
    arrived: str


def measured(shown: Guidance) -> Measured:
    """The evidence for the network team, cut to what fits on one sheet. Five queries."""
    is_full = len(shown.records) > MANY_NAMES
    most = EVIDENCE_SHOWN_WITH_MANY_NAMES if is_full else EVIDENCE_SHOWN
    # The worst first: what is right already is worth less to whoever is to change something.
    findings = worst_first(shown.seen.findings)
    sentences = policy.for_the_network_team(shown.seen.established)
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
) -> tuple[Preflight | None, Preflight | None]:
    """The newest that has ended, and one that is running. One query."""
    newest = list(gateway.preflights.all()[:PREFLIGHTS_READ])
    last = next((each for each in newest if each.has_ended), None)
    return last, next((each for each in newest if each.is_running(now)), None)


def _seen(gateway: Gateway, last: Preflight | None) -> tuple[Seen, bool]:
    """What holds for the present names and settings, and whether ``last`` does not. Two queries."""
    staged_at = _staging_passed_at(gateway)
    looked_at = (last.taken_at or last.started_at) if last else None
    changed_at = _settings_changed_at([each for each in (staged_at, looked_at) if each])
    if staged_at and changed_at and changed_at > staged_at:
        staged_at = None
    if last is None or looked_at is None:
        return Seen(staging_passed_at=staged_at), False
    if set(last.names) != set(gateway.names) or (changed_at and changed_at > looked_at):
        return Seen(staging_passed_at=staged_at), True
    established = tuple((str(fact), str(said)) for fact, said in last.established)
    return Seen(established, tuple(last.problems), looked_at, staged_at, last.addresses), False


def _staging_passed_at(gateway: Gateway) -> datetime.datetime | None:
    """When the CA's staging environment last accepted the proof for the present names."""
    passed = Stage.objects.filter(
        issuance__gateway=gateway,
        issuance__identifier_set=identifier_set(gateway.names),
        issuance__orders__environment=Environment.STAGING.value,
        issuance__orders__status=OrderStatus.VALID,
        stage=State.STAGING_TEST.value,
        state=StageState.DONE,
    )
    tokens = "issuance__orders__challenge_tokens"
    newest = passed.order_by("-finished_at").values_list("finished_at", tokens)
    wanted = len(gateway.names)
    # One in which the CA relied on an earlier proof says nothing about the way in as it is.
    return next((at for at, proved in newest[:PROOFS_READ] if len(proved) >= wanted), None)


def _settings_changed_at(moments: Sequence[datetime.datetime]) -> datetime.datetime | None:
    """When scenario or challenge port last changed after the first of these moments."""
    if not moments:
        return None
    changes = Event.objects.filter(at__gt=min(moments)).filter(
        Q(code="network-settings-changed")
        | Q(code__startswith="gateway-", detail__contains="challenge_port:")
        | Q(code__startswith="gateway-", detail__contains="scenario:")
    )
    return changes.values_list("at", flat=True).first()


def _last_validated(gateway: Gateway) -> Issuance | None:
    """The newest issuance that has got as far as asking a CA to validate."""
    asked: Iterable[str] = (State.STAGING_TEST.value, State.PRODUCTION.value)
    found = gateway.issuances.filter(stages__stage__in=asked)
    return found.order_by("-started_at", "-pk").first()


def _machine(listener: ChallengeListener | None) -> str:
    if listener is None or is_here(listener):
        return advice.this_machine()
    return listener.host


def _own_public_address(around: Place) -> str:
    is_own = around.scenario == NetworkScenario.EXTERNAL and dns_records.is_public(around.machine)
    return around.machine if is_own else ""
