"""What is known of each step of the guidance: which facts confirm it, which findings do not. Pure.

Facts come by their codes, which are those of ``challenges.preflight.report.Fact``.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Iterable, Mapping, Sequence

from certificates.policy.guidance_steps import CHECKS, STEPS, Step, step_of
from challenges.problems import Problem, Severity


class Standing(enum.StrEnum):
    """What is known of a step. ``UNVERIFIABLE``: no look from here can ever tell."""

    VERIFIED = "verified"
    CONTRADICTED = "contradicted"
    DOUBTFUL = "doubtful"
    UNVERIFIED = "unverified"
    UNVERIFIABLE = "unverifiable"

    @property
    def tone(self) -> str:
        """Good, bad, attention or neutral."""
        return _TONES.get(self, "neutral")


_TONES = {
    Standing.VERIFIED: "good",
    Standing.CONTRADICTED: "bad",
    Standing.DOUBTFUL: "attention",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """What tells about a step.

    ``confirmed_by`` are facts of which one is enough, ``shown_by`` facts that say something
    about it and prove nothing. ``by_staging``: a passed staging test, which looks from outside,
    proves it whatever a look from here has said before.
    """

    confirmed_by: frozenset[str] = frozenset()
    shown_by: frozenset[str] = frozenset()
    by_staging: bool = False

    @property
    def facts(self) -> frozenset[str]:
        """Every fact that is worth saying at this step."""
        return self.confirmed_by | self.shown_by


# An address that is the same today may be another one tomorrow: nothing confirms a static one.
RULES = {
    Step.ROUTER_ADDRESS: Rule(),
    Step.LAN_ADDRESS: Rule(shown_by=frozenset({"machine-address"})),
    Step.PUBLIC_ADDRESS: Rule(shown_by=frozenset({"machine-address"})),
    Step.PORT_FORWARDING: Rule(
        frozenset({"port-public"}), frozenset({"port-on-lan"}), by_staging=True
    ),
    Step.FIREWALL: Rule(frozenset({"port-public"}), frozenset({"port-served"}), by_staging=True),
    Step.PUBLIC_DNS: Rule(frozenset({"dns-public"}), by_staging=True),
    Step.LOCAL_DNS: Rule(frozenset({"dns-local"})),
    Step.NAMES: Rule(frozenset({"names-usable"}), by_staging=True),
    Step.CHALLENGE_PORT: Rule(frozenset({"port-served"}), frozenset({"port-on-lan"})),
    Step.CAA: Rule(frozenset({"caa-allows"}), by_staging=True),
    Step.AUTHORITY: Rule(frozenset({"ca-reachable"})),
    Step.CLOCK: Rule(frozenset({"clock-right"})),
    Step.STORAGE: Rule(frozenset({"storage-ready"})),
    Step.ORDERS: Rule(frozenset({"order-allowed"})),
}


def holds(seen_at: datetime.datetime | None, changed_at: datetime.datetime | None) -> bool:
    """Whether what was seen then still counts: the network settings last changed no later.

    ``changed_at`` is None where they never have.
    """
    return seen_at is not None and (changed_at is None or changed_at <= seen_at)


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """What has been observed of the present names and settings.

    ``established`` are pairs of a fact's code and a sentence, ``looked_at`` when the preflight
    began that found them; ``staging_passed_at`` when the staging test of these names passed last;
    ``addresses`` those of each name in the public DNS.
    """

    established: tuple[tuple[str, str], ...] = ()
    findings: tuple[Problem, ...] = ()
    looked_at: datetime.datetime | None = None
    staging_passed_at: datetime.datetime | None = None
    addresses: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)

    @property
    def is_staging_newer(self) -> bool:
        """Whether the CA's own look is the later one."""
        if self.staging_passed_at is None:
            return False
        return self.looked_at is None or self.staging_passed_at > self.looked_at


@dataclasses.dataclass(frozen=True, slots=True)
class Judgement:
    """A step, what is known of it and since when, and what has been seen for and against it."""

    step: Step
    standing: Standing
    at: datetime.datetime | None = None
    by_staging: bool = False
    sentences: tuple[str, ...] = ()
    findings: tuple[Problem, ...] = ()


def judge(step: Step, seen: Seen, scenario: str) -> Judgement:
    """What is known of one step.

    What speaks against it wins over what speaks for it: other names or addresses may be well. A
    staging test that has passed later wins over both, and stands where the preflight is silent.
    """
    rule = RULES[step]
    findings = tuple(each for each in seen.findings if step_of(each.code, scenario) is step)
    sentences = tuple(said for fact, said in seen.established if fact in rule.facts)
    staged = rule.by_staging and seen.staging_passed_at is not None
    if staged and seen.is_staging_newer:
        return Judgement(step, Standing.VERIFIED, seen.staging_passed_at, True, sentences)
    severities = {finding.severity for finding in findings}
    if Severity.ERROR in severities:
        return Judgement(step, Standing.CONTRADICTED, seen.looked_at, False, sentences, findings)
    if Severity.WARNING in severities:
        return Judgement(step, Standing.DOUBTFUL, seen.looked_at, False, sentences, findings)
    if staged:
        return Judgement(step, Standing.VERIFIED, seen.staging_passed_at, True, sentences, findings)
    standing = _without_objection(rule, seen, findings)
    return Judgement(step, standing, seen.looked_at, False, sentences, findings)


def _without_objection(rule: Rule, seen: Seen, findings: Sequence[Problem]) -> Standing:
    if not rule.confirmed_by:
        return Standing.UNVERIFIABLE
    # What could not be told for one name leaves the whole step open.
    is_open = any(finding.code.endswith("-unknown") for finding in findings)
    is_confirmed = any(fact in rule.confirmed_by for fact, _said in seen.established)
    return Standing.VERIFIED if is_confirmed and not is_open else Standing.UNVERIFIED


def judge_all(steps: Iterable[Step], seen: Seen, scenario: str) -> tuple[Judgement, ...]:
    """All of these steps, in their order."""
    return tuple(judge(step, seen, scenario) for step in steps)


def unplaced(seen: Seen, scenario: str) -> tuple[Problem, ...]:
    """The findings that are about none of that scenario's steps and checks."""
    shown = {*STEPS[scenario], *CHECKS}
    return tuple(each for each in seen.findings if step_of(each.code, scenario) not in shown)


# Beside the steps of the scenario, what router, firewall and DNS have a part in.
_ALSO_FOR_THE_NETWORK_TEAM = (Step.CAA, Step.CHALLENGE_PORT)
# What they can act upon comes first.
_FOR_THE_NETWORK_TEAM = (
    "dns-public",
    "port-public",
    "port-on-lan",
    "port-served",
    "dns-local",
    "machine-address",
    "caa-allows",
    "ca-reachable",
)


def facts_for_the_network_team(established: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The sentences that concern whoever runs router, firewall and DNS, in order of use."""
    return tuple(
        said for wanted in _FOR_THE_NETWORK_TEAM for fact, said in established if fact == wanted
    )


def findings_for_the_network_team(
    findings: Iterable[Problem], scenario: str
) -> tuple[Problem, ...]:
    """Those that whoever runs router, firewall and DNS can do something about."""
    theirs = {*STEPS[scenario], *_ALSO_FOR_THE_NETWORK_TEAM}
    return tuple(each for each in findings if step_of(each.code, scenario) in theirs)
