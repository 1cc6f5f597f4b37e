"""Which facts tick a step, and which findings speak against it."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest

from certificates.policy.acme_kinds import FAMILIES, Kind
from certificates.policy.guidance import (
    RULES,
    Judgement,
    Seen,
    Standing,
    facts_for_the_network_team,
    findings_for_the_network_team,
    holds,
    judge,
    unplaced,
)
from certificates.policy.guidance_steps import (
    BY_CODE,
    CHECKS,
    EXTERNAL,
    LAN,
    STEPS,
    Step,
    anchor_of,
    step_of,
)
from challenges.models import NetworkScenario
from challenges.preflight.report import Fact
from challenges.problems import Problem, Severity
from tests.docs.problem_codes import all_codes

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/problems.md"
LOOKED_AT = datetime.datetime(2026, 11, 23, 20, tzinfo=datetime.UTC)
LATER = LOOKED_AT + datetime.timedelta(minutes=1)
EARLIER = LOOKED_AT - datetime.timedelta(minutes=1)
STATIC = (Step.ROUTER_ADDRESS, Step.LAN_ADDRESS, Step.PUBLIC_ADDRESS)


def finding(code: str, severity: Severity = Severity.ERROR) -> Problem:
    return Problem(code, severity, f"Something about {code}.")


def seen(*facts: str, findings: tuple[Problem, ...] = (), staged: bool | None = None) -> Seen:
    """``staged``: the staging test passed after (True) or before (False) the preflight."""
    staging = None if staged is None else (LATER if staged else EARLIER)
    pairs = tuple((fact, f"Seen: {fact}.") for fact in facts)
    return Seen(pairs, findings, LOOKED_AT, staging)


def preflight_codes() -> list[str]:
    """The codes under the headings of the documentation that are about the preflight."""
    sections = DOCUMENT.read_text().split("\n## ")
    return [
        code
        for section in sections
        if section.startswith("Preflight")
        for code in re.findall(r"^\| `([a-z0-9-]+)`", section, flags=re.MULTILINE)
    ]


def test_the_scenarios_are_those_of_the_network_settings() -> None:
    assert set(STEPS) == set(NetworkScenario.values)
    assert NetworkScenario.LAN.value == LAN
    assert NetworkScenario.EXTERNAL.value == EXTERNAL


def test_every_step_has_a_rule_and_a_place() -> None:
    assert set(RULES) == set(Step)
    assert {*STEPS[LAN], *STEPS[EXTERNAL], *CHECKS} == set(Step)


def test_every_fact_of_the_preflight_is_said_at_some_step_and_no_other_is_waited_for() -> None:
    assert set().union(*(rule.facts for rule in RULES.values())) == {fact.value for fact in Fact}


@pytest.mark.parametrize("scenario", [LAN, EXTERNAL])
def test_no_anchor_stands_twice_on_a_page(scenario: str) -> None:
    anchors = [step.anchor for step in (*STEPS[scenario], *CHECKS)]
    assert len(anchors) == len(set(anchors))


@pytest.mark.parametrize("scenario", [LAN, EXTERNAL])
@pytest.mark.parametrize("code", preflight_codes())
def test_every_documented_code_of_the_preflight_is_placed(code: str, scenario: str) -> None:
    # That the preflight itself, or a part of it, failed is about no step.
    assert (step_of(code, scenario) is None) == code.startswith("preflight-")


@pytest.mark.parametrize("scenario", [LAN, EXTERNAL])
@pytest.mark.parametrize("beginning", sorted(BY_CODE))
def test_every_code_leads_to_a_step_that_the_scenario_has(beginning: str, scenario: str) -> None:
    assert step_of(f"{beginning}x", scenario) in {*STEPS[scenario], *CHECKS}


def test_every_beginning_is_that_of_a_code_which_there_is() -> None:
    codes = all_codes()
    assert [each for each in BY_CODE if not any(code.startswith(each) for code in codes)] == []


@pytest.mark.parametrize(
    ("code", "behind_router", "without"),
    [
        ("hostname-not-public", Step.NAMES, Step.NAMES),
        ("clock-differs", Step.CLOCK, Step.CLOCK),
        ("dns-no-such-name", Step.PUBLIC_DNS, Step.PUBLIC_DNS),
        ("address-private", Step.PUBLIC_DNS, Step.PUBLIC_DNS),
        ("address-carrier-nat", Step.ROUTER_ADDRESS, Step.PUBLIC_ADDRESS),
        ("caa-forbids", Step.CAA, Step.CAA),
        ("public-port-refuses", Step.PORT_FORWARDING, Step.FIREWALL),
        ("ipv6-not-reaching", Step.PORT_FORWARDING, Step.FIREWALL),
        ("challenge-listener-down", Step.CHALLENGE_PORT, Step.CHALLENGE_PORT),
        ("challenge-port-not-public", Step.CHALLENGE_PORT, Step.FIREWALL),
        ("directory-silent", Step.AUTHORITY, Step.AUTHORITY),
        ("disk-full", Step.STORAGE, Step.STORAGE),
        ("rate-budget-set", Step.ORDERS, Step.ORDERS),
        ("acme-connection", Step.PORT_FORWARDING, Step.FIREWALL),
        ("acme-dns", Step.PUBLIC_DNS, Step.PUBLIC_DNS),
        ("acme-dns-timeout", Step.PUBLIC_DNS, Step.PUBLIC_DNS),
        ("acme-caa", Step.CAA, Step.CAA),
        ("acme-caa-unreadable", Step.CAA, Step.CAA),
        ("acme-incorrect-response", Step.PORT_FORWARDING, Step.FIREWALL),
        ("acme-redirect-loop", Step.PORT_FORWARDING, Step.FIREWALL),
        ("acme-other-account", Step.PORT_FORWARDING, Step.FIREWALL),
        ("acme-too-many-redirects", Step.PORT_FORWARDING, Step.FIREWALL),
        ("acme-too-many-names", Step.NAMES, Step.NAMES),
        ("acme-name-forbidden", Step.NAMES, Step.NAMES),
        ("acme-limit-domain", Step.ORDERS, Step.ORDERS),
        ("acme-rate-limited", Step.ORDERS, Step.ORDERS),
        ("acme-paused", Step.ORDERS, Step.ORDERS),
        ("acme-busy", Step.ORDERS, Step.ORDERS),
        ("acme-bad-csr", None, None),
        ("preflight-incomplete", None, None),
        ("worker-down", None, None),
    ],
)
def test_a_problem_belongs_to_the_step_that_mends_it(
    code: str, behind_router: Step | None, without: Step | None
) -> None:
    assert step_of(code, LAN) is behind_router
    assert step_of(code, EXTERNAL) is without


@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_every_way_in_which_a_validation_can_fail_belongs_to_a_step(kind: Kind) -> None:
    assert step_of(f"acme-{kind}", LAN) in {Step.PORT_FORWARDING, Step.PUBLIC_DNS, Step.CAA}


@pytest.mark.parametrize(
    ("code", "anchor"),
    [("public-port-refuses", "way-in"), ("dns-timeout", "public-dns"), ("worker-down", "")],
)
def test_a_link_to_the_step_needs_no_scenario(code: str, anchor: str) -> None:
    assert anchor_of(code) == anchor


@pytest.mark.parametrize(
    ("step", "fact"),
    [(step, fact) for step, rule in RULES.items() for fact in sorted(rule.confirmed_by)],
)
def test_a_fact_that_confirms_ticks_its_step_with_its_sentence(step: Step, fact: str) -> None:
    judged = judge(step, seen(fact), LAN)
    assert (judged.standing, judged.at) == (Standing.VERIFIED, LOOKED_AT)
    assert judged.sentences == (f"Seen: {fact}.",)
    assert judged.standing.tone == "good"


@pytest.mark.parametrize(
    ("step", "fact"),
    [(step, fact) for step, rule in RULES.items() for fact in sorted(rule.shown_by)],
)
def test_a_fact_that_only_says_something_ticks_nothing(step: Step, fact: str) -> None:
    judged = judge(step, seen(fact), LAN)
    assert judged.standing in {Standing.UNVERIFIED, Standing.UNVERIFIABLE}
    assert judged.sentences == (f"Seen: {fact}.",)


@pytest.mark.parametrize("step", STATIC)
def test_nothing_ever_verifies_that_an_address_is_static(step: Step) -> None:
    judged = judge(step, seen(*(fact.value for fact in Fact), staged=True), LAN)
    assert judged.standing is Standing.UNVERIFIABLE


@pytest.mark.parametrize("step", [step for step in Step if step not in STATIC])
def test_nothing_is_verified_before_anything_was_looked_at(step: Step) -> None:
    assert judge(step, Seen(), LAN) == Judgement(step, Standing.UNVERIFIED)


@pytest.mark.parametrize(
    ("severity", "standing"),
    [
        (Severity.ERROR, Standing.CONTRADICTED),
        (Severity.WARNING, Standing.DOUBTFUL),
        (Severity.INFO, Standing.VERIFIED),
    ],
)
def test_a_finding_wins_over_a_fact_about_another_name(
    severity: Severity, standing: Standing
) -> None:
    problem = finding("dns-no-such-name", severity)
    judged = judge(Step.PUBLIC_DNS, seen("dns-public", findings=(problem,)), LAN)
    assert judged.standing is standing
    assert judged.findings == (problem,)
    assert judged.sentences == ("Seen: dns-public.",)


def test_what_could_not_be_told_for_one_name_leaves_the_step_open() -> None:
    unknown = finding("public-port-unknown", Severity.INFO)
    judged = judge(Step.PORT_FORWARDING, seen("port-public", findings=(unknown,)), LAN)
    assert judged.standing is Standing.UNVERIFIED


@pytest.mark.parametrize(
    ("findings", "staged", "standing"),
    [
        # The router does not let us in by its public address, but Let's Encrypt came through.
        ((finding("public-port-unknown", Severity.INFO),), False, Standing.VERIFIED),
        ((finding("public-port-refuses", Severity.WARNING),), True, Standing.VERIFIED),
        # What has been seen since then may be a new fault.
        ((finding("public-port-refuses", Severity.WARNING),), False, Standing.DOUBTFUL),
        ((finding("public-port-refuses"),), False, Standing.CONTRADICTED),
        ((), False, Standing.VERIFIED),
        ((), None, Standing.UNVERIFIED),
    ],
)
def test_the_staging_test_looks_from_outside_and_has_the_final_word(
    findings: tuple[Problem, ...], staged: bool | None, standing: Standing
) -> None:
    judged = judge(Step.PORT_FORWARDING, seen(findings=findings, staged=staged), LAN)
    assert judged.standing is standing
    assert judged.by_staging == (standing is Standing.VERIFIED)
    if judged.by_staging:
        assert judged.at == (LATER if staged else EARLIER)


def test_the_staging_test_ticks_without_any_preflight() -> None:
    only_staged = Seen(staging_passed_at=EARLIER)
    verified = {s for s in Step if judge(s, only_staged, LAN).standing is Standing.VERIFIED}
    assert verified == {
        Step.PORT_FORWARDING,
        Step.FIREWALL,
        Step.PUBLIC_DNS,
        Step.NAMES,
        Step.CAA,
    }


@pytest.mark.parametrize("scenario", [LAN, EXTERNAL])
def test_no_finding_is_lost(scenario: str) -> None:
    codes = ("preflight-incomplete", "dns-timeout", "a-code-that-is-new", "scenario-x")
    looked = seen(findings=tuple(finding(code) for code in codes))
    shown = {
        problem.code
        for step in (*STEPS[scenario], *CHECKS)
        for problem in judge(step, looked, scenario).findings
    }
    others = {problem.code for problem in unplaced(looked, scenario)}
    assert shown == {"dns-timeout", "scenario-x"}
    assert others == {"preflight-incomplete", "a-code-that-is-new"}


def test_the_network_team_is_told_first_what_it_can_act_upon() -> None:
    told = [("clock-right", "Clock."), ("port-on-lan", "Port."), ("dns-public", "DNS.")]
    assert facts_for_the_network_team(told) == ("DNS.", "Port.")


@pytest.mark.parametrize("scenario", [LAN, EXTERNAL])
def test_the_network_team_is_told_only_of_findings_that_it_can_act_upon(scenario: str) -> None:
    codes = ["public-port-refuses", "dns-local-differs", "caa-forbids", "challenge-port-taken"]
    others = ("rate-budget-set", "disk-full", "clock-differs", "hostname-not-public")
    found = [finding(code) for code in (*others, *codes, "preflight-incomplete")]
    told = findings_for_the_network_team(found, scenario)
    assert [problem.code for problem in told] == codes


@pytest.mark.parametrize(
    ("seen_at", "changed_at", "still"),
    [
        (LOOKED_AT, None, True),
        (LOOKED_AT, EARLIER, True),
        (LOOKED_AT, LOOKED_AT, True),
        (LOOKED_AT, LATER, False),
        (None, None, False),
    ],
)
def test_what_was_seen_holds_until_the_network_settings_change(
    seen_at: datetime.datetime | None, changed_at: datetime.datetime | None, still: bool
) -> None:
    assert holds(seen_at, changed_at) is still
