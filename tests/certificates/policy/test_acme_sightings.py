"""The same words of a CA read differently by what has arrived and what the preflight found."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.policy.acme_document import CaProblem
from certificates.policy.acme_kinds import Kind
from certificates.policy.acme_meanings import MEANINGS
from certificates.policy.acme_problems import explain
from certificates.policy.acme_steps import TRY_AGAIN
from certificates.policy.acme_words import Values
from certificates.policy.evidence import Evidence, Visit
from challenges.problems import Problem, Severity

NAME, SECOND = "mx.example.org", "smtp.example.org"
LAN = Values(NAME, 8080, behind_nat=True, names=(NAME,))
PUBLIC = Values(NAME, 80, behind_nat=False, names=(NAME,))
BOTH = dataclasses.replace(LAN, names=(NAME, SECOND))
NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
URL = f"http://{NAME}/.well-known/acme-challenge/x"
PLACES = ("23.178.112.105", "3.14.255.131", "18.144.20.8")

TIMEOUT = f"5.9.0.1: Fetching {URL}: Timeout during connect (likely firewall problem)"
TIMEOUT_6 = TIMEOUT.replace("5.9.0.1", "2a01:4f8::1")
REFUSED = f"5.9.0.1: Fetching {URL}: Connection refused"
SILENT = f"5.9.0.1: Fetching {URL}: Timeout after connect (your server may be slow or overloaded)"
RESET = f"5.9.0.1: Fetching {URL}: Connection reset by peer"
LOOP = f"5.9.0.1: Fetching {URL}: Redirect loop detected"
NOT_FOUND = f"5.9.0.1: Invalid response from {URL}: 404"
UNAVAILABLE = f"5.9.0.1: Invalid response from {URL}: 503"
PAGE = f'5.9.0.1: Invalid response from {URL}: "<html>"'
SECONDARY = f"During secondary validation: {TIMEOUT}"


def visits(*addresses: str, is_known: bool | None = True, host: str = NAME) -> tuple[Visit, ...]:
    return tuple(Visit(NOW, address, is_known, host=host) for address in addresses)


NOTHING = Evidence((), (), was_watched=True)
UNWATCHED = Evidence((), (), was_watched=False)
ANSWERED = Evidence(visits(*PLACES), (), was_watched=True)
UNPUBLISHED = Evidence(visits(*PLACES, is_known=False), (), was_watched=True)
PUT_OFF = Evidence(visits(*PLACES, is_known=None), (), was_watched=True)
CUT = Evidence(
    tuple(dataclasses.replace(visit, was_sent=False) for visit in visits(*PLACES)),
    (),
    was_watched=True,
)
STRANGERS = Evidence((), visits("45.33.32.156", is_known=False), was_watched=True)


def explained(
    detail: str,
    evidence: Evidence | None = None,
    *findings: Problem,
    values: Values = LAN,
    name: str = NAME,
) -> Problem:
    is_answer = "Invalid response" in detail
    problem = CaProblem("unauthorized" if is_answer else "connection", detail, identifier=name)
    return explain(problem, values, evidence, findings)


def has_step(problem: Problem, part: str) -> bool:
    return any(part in step for step in problem.remedy)


@pytest.mark.parametrize(
    ("detail", "evidence", "sentence", "first_step"),
    [
        # Nothing has come.
        (TIMEOUT, NOTHING, "nothing from outside has come through.", "On the router, forward TCP"),
        (REFUSED, NOTHING, "it was refused before it came there.", "On the router, forward TCP"),
        (SILENT, NOTHING, "another device took the connection, or", "On the router, forward TCP"),
        (RESET, NOTHING, "another device took the connection, or", "On the router, forward TCP"),
        (NOT_FOUND, NOTHING, "another device that answered, and not", "On the router, forward TCP"),
        (PAGE, NOTHING, "another device that answered, and not", "On the router, forward TCP"),
        (LOOP, NOTHING, "another device that answered, and not", "Find what answers on port 80 of"),
        # All that came was answered.
        (TIMEOUT, ANSWERED, "closed for others.", "In the router and in every firewall, check"),
        (REFUSED, ANSWERED, "closed for others.", "In the router and in every firewall, check"),
        (SECONDARY, ANSWERED, "closed for others.", "In the router and in every firewall, check"),
        (SILENT, ANSWERED, "have been lost on the way back.", "Look for a proxy, a content filter"),
        (RESET, ANSWERED, "have been lost on the way back.", "Look for a proxy, a content filter"),
        (NOT_FOUND, ANSWERED, "also reached another server", "At your DNS provider, check that mx"),
        (PAGE, ANSWERED, "also reached another server", "At your DNS provider, check that mx"),
        (LOOP, ANSWERED, "also reached another server", "Find what answers on port 80 of"),
        (TIMEOUT_6, ANSWERED, "over IPv6 nothing came.", "At your DNS provider, remove the AAAA"),
        # It came when there was nothing to answer.
        (NOT_FOUND, UNPUBLISHED, "when the token was not published", "Check that all challenge"),
        # Somebody came, but for nothing that we know.
        (TIMEOUT, STRANGERS, "for tokens that nobody has published", "In the router and in every"),
        (
            NOT_FOUND,
            STRANGERS,
            "for tokens that nobody has published",
            "At your DNS provider, make",
        ),
    ],
)
def test_what_has_come_changes_the_sentence_and_the_steps(
    detail: str, evidence: Evidence, sentence: str, first_step: str
) -> None:
    plain, seen = explained(detail), explained(detail, evidence)
    assert sentence in seen.explanation
    assert sentence not in plain.explanation
    assert seen.remedy[0].startswith(first_step)
    assert seen.remedy[-1] == TRY_AGAIN
    assert (seen.code, seen.retryable, seen.detail) == (plain.code, plain.retryable, plain.detail)


def test_how_many_came_from_where_is_told() -> None:
    told = explained(TIMEOUT, ANSWERED).explanation
    assert "3 requests from 3 networks arrived here and got the right answer" in told


def test_a_rule_for_certain_senders_is_named_when_some_came_and_others_not() -> None:
    assert has_step(explained(TIMEOUT, ANSWERED), "not limited to certain source addresses")
    assert has_step(explained(SECONDARY), "not limited to certain source addresses")
    assert not has_step(explained(TIMEOUT, NOTHING), "not limited to certain source addresses")


def test_name_servers_that_answer_some_places_only_are_the_first_thing_to_look_at() -> None:
    detail = f"During secondary validation: DNS problem: query timed out looking up A for {NAME}"
    problem = explain(CaProblem("dns", detail, identifier=NAME), LAN)
    assert "all name servers of the domain run and give the same answers" in problem.remedy[0]
    assert not has_step(problem, "source addresses")


def test_the_way_is_not_to_be_opened_when_it_is_open() -> None:
    assert has_step(explained(TIMEOUT), "forward TCP port 80")
    for detail in (TIMEOUT, SILENT, NOT_FOUND, LOOP):
        assert not has_step(explained(detail, ANSWERED), "forward TCP port 80")


def test_the_device_to_touch_is_that_of_the_scenario() -> None:
    hosted = explained(TIMEOUT, NOTHING, values=PUBLIC)
    assert "No request reached port 80 of this machine" in hosted.explanation
    assert hosted.remedy[0].startswith("In the firewall, allow TCP port 80")
    assert has_step(hosted, "security group")
    assert has_step(explained(TIMEOUT, NOTHING), "ask the internet provider")


# Where the visits prove nothing, the CA's word stands alone.


@pytest.mark.parametrize("detail", [TIMEOUT, REFUSED, SILENT, NOT_FOUND, PAGE, LOOP])
def test_without_a_watch_none_does_not_mean_none(detail: str) -> None:
    stranger = dataclasses.replace(STRANGERS, was_watched=False)
    assert explained(detail, UNWATCHED) == explained(detail, stranger) == explained(detail)


def test_what_came_is_a_fact_even_without_a_watch() -> None:
    seen = explained(TIMEOUT, dataclasses.replace(ANSWERED, was_watched=False))
    assert seen == explained(TIMEOUT, ANSWERED)


def test_a_primary_check_that_succeeded_belies_a_log_without_it() -> None:
    assert explained(SECONDARY, NOTHING) == explained(SECONDARY)


def test_a_challenge_service_without_its_database_can_write_nothing_down() -> None:
    assert explained(UNAVAILABLE, NOTHING) == explained(UNAVAILABLE)
    assert explained(NOT_FOUND, NOTHING) != explained(NOT_FOUND)


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("dns", f"no valid A records found for {NAME}; no valid AAAA records found for {NAME}"),
        ("dns", ""),
        ("caa", "CAA record for example.org prevents issuance"),
        ("rateLimited", "too many certificates"),
        ("malformed", "no"),
        ("serverInternal", "oops"),
        ("brandNew", ""),
    ],
)
@pytest.mark.parametrize("evidence", [NOTHING, ANSWERED, STRANGERS, UNPUBLISHED])
def test_what_fails_before_a_visit_is_not_explained_by_visits(
    kind: str, detail: str, evidence: Evidence
) -> None:
    problem = CaProblem(kind, detail, identifier=NAME)
    assert explain(problem, LAN, evidence) == explain(problem, LAN)


@pytest.mark.parametrize("kind", ["connection", "unauthorized", "incorrectResponse", "tls"])
def test_a_failure_whose_words_are_not_known_is_explained_by_visits_too(kind: str) -> None:
    problem = CaProblem(kind, "could not be validated", identifier=NAME)
    nothing = explain(problem, LAN, NOTHING)
    answered = explain(problem, LAN, ANSWERED)
    assert "No request reached port 8080" in nothing.explanation
    assert "3 requests from 3 networks arrived" in answered.explanation
    assert nothing.code == answered.code == explain(problem, LAN).code


def test_own_requests_are_no_visits_and_may_hide_some() -> None:
    """Asked for by a person here, or passed on by a proxy here, behind which the CA is hidden."""
    own = dataclasses.replace(ANSWERED, own_addresses=frozenset(PLACES))
    assert explained(TIMEOUT, own) == explained(TIMEOUT)
    strangers = dataclasses.replace(STRANGERS, own_addresses=frozenset({"45.33.32.156"}))
    assert explained(TIMEOUT, strangers) == explained(TIMEOUT, NOTHING)


def test_strangers_of_the_local_network_alone_are_nobody() -> None:
    inside = visits("192.168.1.9", "10.0.0.7", is_known=False)
    alone = dataclasses.replace(STRANGERS, unknown=inside)
    assert explained(TIMEOUT, alone) == explained(TIMEOUT, NOTHING)
    among_others = dataclasses.replace(STRANGERS, unknown=(*inside, *STRANGERS.unknown))
    assert "for tokens that nobody has published" in explained(TIMEOUT, among_others).explanation


@pytest.mark.parametrize("detail", [UNAVAILABLE, TIMEOUT, NOT_FOUND, SECONDARY])
def test_requests_that_came_while_the_database_was_away_blame_it(detail: str) -> None:
    told = explained(detail, PUT_OFF)
    assert (
        "3 requests from 3 networks arrived here, but could not be answered: the database was away."
        in told.explanation
    )
    assert "published" not in told.explanation
    assert has_step(told, "Check that the database runs")
    assert FOUND not in explained(detail, PUT_OFF, CLOSED).explanation


def test_a_503_is_not_laid_to_a_token_that_was_not_published() -> None:
    assert explained(UNAVAILABLE, UNPUBLISHED) == explained(UNAVAILABLE)


def test_connections_that_were_cut_before_the_answer_are_told() -> None:
    told = explained(SILENT, CUT)
    assert "the connection was cut before the answer could be sent." in told.explanation
    assert told.remedy[0].startswith("Look for a proxy, a content filter")


# Several names in one order


def test_requests_for_another_name_do_not_open_the_way_for_this_one() -> None:
    other = Evidence(visits(*PLACES, host=SECOND), (), was_watched=True)
    seen = explained(TIMEOUT, other, values=BOTH)
    assert "3 requests from 3 networks arrived here for other names" in seen.explanation
    assert f"none for {NAME}: its DNS record probably leads elsewhere." in seen.explanation
    assert seen.remedy[0].startswith("At your DNS provider, make the A or CNAME record")
    unwatched = dataclasses.replace(other, was_watched=False)
    assert explained(TIMEOUT, unwatched, values=BOTH) == explained(TIMEOUT, values=BOTH)


def test_requests_of_which_nobody_knows_the_name_prove_nothing() -> None:
    hidden = Evidence(visits(*PLACES, host="10.0.0.5"), (), was_watched=True)
    assert explained(TIMEOUT, hidden, values=BOTH) == explained(TIMEOUT, values=BOTH)
    assert explained(TIMEOUT, hidden) == explained(TIMEOUT, ANSWERED)


# IPv6 and other addresses


def test_an_ipv6_address_is_pointed_out() -> None:
    plain = explained(TIMEOUT_6)
    assert "It used the IPv6 address, since it tries IPv6 before IPv4." in plain.explanation
    assert "AAAA record" in plain.remedy[0]
    assert "IPv6" not in explained(TIMEOUT).explanation
    came_over_both = dataclasses.replace(ANSWERED, known=visits(*PLACES, "2600:3000::1"))
    assert "IPv6" not in explained(TIMEOUT_6, came_over_both).explanation


def test_the_address_of_a_redirect_is_not_that_of_the_name() -> None:
    redirected = explained(TIMEOUT_6.replace("http://", "https://"), ANSWERED)
    assert redirected.code == "acme-redirect-broken"
    assert "also reached another server" in redirected.explanation
    assert "IPv6" not in redirected.explanation


def test_an_address_that_the_preflight_has_not_seen_is_pointed_out() -> None:
    seen = dataclasses.replace(LAN, addresses=("5.9.0.9",))
    assert "had another address (5.9.0.9)" in explained(TIMEOUT, values=seen).explanation
    same = dataclasses.replace(LAN, addresses=("5.9.0.9", "5.9.0.1"))
    assert explained(TIMEOUT, values=same) == explained(TIMEOUT)
    redirected = TIMEOUT.replace("http://", "https://")
    assert "another address" not in explained(redirected, values=seen).explanation


# What the preflight has found

CLOSED = Problem(
    "public-port-closed",
    Severity.WARNING,
    f"Port 80 of 5.9.0.1 ({NAME}) does not answer.",
    ("Open the port as the preflight says.",),
)
PRIVATE = Problem(
    "address-private",
    Severity.ERROR,
    f"{NAME} points to 10.0.0.5.",
    ("Correct the record as the preflight says.",),
)
CLOCK = Problem("clock-differs", Severity.WARNING, "The clock is wrong.", ("Set the clock.",))
FOUND = "The preflight has already found what may be the reason: "


@pytest.mark.parametrize("evidence", [None, NOTHING, UNWATCHED])
def test_a_cause_that_the_preflight_has_named_comes_first(evidence: Evidence | None) -> None:
    problem = explained(TIMEOUT, evidence, CLOCK, CLOSED)
    assert problem.explanation.endswith(FOUND + CLOSED.explanation)
    assert problem.remedy[0] == CLOSED.remedy[0]
    assert problem.remedy[-1] == TRY_AGAIN
    assert not has_step(problem, "forward TCP port 80"), "the preflight's step says it"
    assert has_step(problem, "sudo ufw allow")


def test_a_record_that_the_preflight_has_named_is_not_named_twice() -> None:
    problem = explained(TIMEOUT, NOTHING, PRIVATE)
    assert problem.remedy[0] == PRIVATE.remedy[0]
    assert not has_step(problem, "make the A or CNAME record")
    assert has_step(problem, "forward TCP port 80")


def test_the_way_to_the_port_comes_before_the_dns() -> None:
    assert CLOSED.explanation in explained(TIMEOUT, NOTHING, PRIVATE, CLOSED).explanation
    assert PRIVATE.explanation not in explained(TIMEOUT, NOTHING, PRIVATE, CLOSED).explanation


def test_the_worst_of_several_findings_is_the_cause() -> None:
    worse = dataclasses.replace(CLOSED, severity=Severity.ERROR, explanation="It is worse.")
    assert worse.explanation in explained(TIMEOUT, NOTHING, CLOSED, worse).explanation
    assert worse.explanation in explained(TIMEOUT, NOTHING, worse, CLOSED).explanation


@pytest.mark.parametrize(
    ("code", "severity", "is_believed"),
    [
        ("challenge-port-closed", Severity.ERROR, False),
        ("challenge-listener-down", Severity.ERROR, False),
        ("challenge-port-closed", Severity.WARNING, True),
        ("public-port-closed", Severity.ERROR, True),
    ],
)
def test_none_came_is_not_said_where_our_own_port_did_not_answer_the_preflight(
    code: str, severity: Severity, is_believed: bool
) -> None:
    found = Problem(code, severity, "Port 8080 does not answer.", ("Wait.",))
    said = explained(TIMEOUT, NOTHING, found)
    assert (said != explained(TIMEOUT, UNWATCHED, found)) is is_believed
    assert ("nothing from outside" in said.explanation) is is_believed


@pytest.mark.parametrize("evidence", [ANSWERED, STRANGERS, UNPUBLISHED])
def test_a_port_that_looked_closed_from_inside_is_not_the_cause_when_requests_came(
    evidence: Evidence,
) -> None:
    assert FOUND not in explained(TIMEOUT, evidence, CLOSED).explanation
    assert PRIVATE.explanation in explained(TIMEOUT, evidence, CLOSED, PRIVATE).explanation


def test_a_stranger_inside_the_network_does_not_show_that_the_way_is_open() -> None:
    inside = dataclasses.replace(STRANGERS, unknown=visits("192.168.1.9", is_known=False))
    assert CLOSED.explanation in explained(TIMEOUT, inside, CLOSED).explanation


@pytest.mark.parametrize(
    "finding",
    [
        CLOCK,
        dataclasses.replace(CLOSED, severity=Severity.INFO),
        dataclasses.replace(CLOSED, code="dns-local-differs"),
        dataclasses.replace(CLOSED, code="directory-silent"),
        dataclasses.replace(CLOSED, code="ipv6-closed"),
        dataclasses.replace(CLOSED, explanation=f"Port 80 of 5.9.0.1 ({SECOND}) is closed."),
    ],
)
def test_a_finding_about_something_else_is_not_the_cause(finding: Problem) -> None:
    without = explained(TIMEOUT, NOTHING, values=BOTH)
    assert explained(TIMEOUT, NOTHING, finding, values=BOTH) == without


def test_ipv6_is_a_cause_where_the_ca_used_it() -> None:
    finding = dataclasses.replace(CLOSED, code="ipv6-closed")
    assert FOUND in explained(TIMEOUT_6, NOTHING, finding).explanation


def test_a_name_that_is_a_part_of_another_one_is_not_that_one() -> None:
    finding = dataclasses.replace(CLOSED, explanation="Port 80 of a.mx.example.org is closed.")
    around = dataclasses.replace(LAN, names=(NAME, "a.mx.example.org"))
    assert FOUND not in explained(TIMEOUT, None, finding, values=around).explanation


def test_the_dns_is_explained_by_findings_about_the_dns() -> None:
    problem = CaProblem("dns", f"no valid A records found for {NAME}", identifier=NAME)
    assert PRIVATE.explanation in explain(problem, LAN, None, (CLOSED, PRIVATE)).explanation
    caa = dataclasses.replace(PRIVATE, code="caa-forbids", explanation="A record forbids it.")
    forbidden = CaProblem("caa", "", identifier=NAME)
    assert caa.explanation in explain(forbidden, LAN, None, (CLOSED, PRIVATE, caa)).explanation
    assert FOUND not in explain(forbidden, LAN, None, (CLOSED, PRIVATE)).explanation


@pytest.mark.parametrize("kind", ["rateLimited", "malformed", "serverInternal", "badCSR", ""])
def test_a_refused_request_is_not_explained_by_findings(kind: str) -> None:
    problem = CaProblem(kind, "no", 400)
    assert explain(problem, LAN, None, (CLOSED, PRIVATE, CLOCK)) == explain(problem, LAN)


# Whatever comes together

WORDS = st.text(max_size=30)
VISITS = st.lists(
    st.builds(
        Visit,
        st.just(NOW),
        st.ip_addresses().map(str) | WORDS,
        st.none() | st.booleans(),
        WORDS,
        st.sampled_from([NAME, SECOND, ""]) | WORDS,
        st.booleans(),
    ),
    max_size=4,
).map(tuple)
EVIDENCE = st.none() | st.builds(Evidence, VISITS, VISITS, st.booleans())
CODES = st.sampled_from([CLOSED.code, PRIVATE.code, "caa-forbids", "dns-no-address", "x"])
FINDINGS = st.lists(
    st.builds(
        Problem, CODES, st.sampled_from(Severity), WORDS, st.lists(WORDS, max_size=3).map(tuple)
    ),
    max_size=3,
)
DETAILS = st.sampled_from(
    [TIMEOUT, TIMEOUT_6, REFUSED, SILENT, RESET, LOOP, NOT_FOUND, UNAVAILABLE, PAGE, SECONDARY, ""]
)


@given(
    st.sampled_from(
        ["connection", "unauthorized", "dns", "caa", "tls", "malformed", "rateLimited"]
    ),
    DETAILS,
    EVIDENCE,
    FINDINGS,
    st.sampled_from([LAN, PUBLIC, BOTH, Values(NAME, 8080, behind_nat=True)]),
)
def test_nothing_breaks_and_nothing_but_words_changes(
    kind: str,
    detail: str,
    evidence: Evidence | None,
    findings: list[Problem],
    values: Values,
) -> None:
    problem = CaProblem(kind, detail, identifier=NAME)
    plain = explain(problem, values)
    told = explain(problem, values, evidence, findings)
    assert told == explain(problem, values, evidence, iter(findings))
    assert (told.code, told.retryable, told.detail) == (plain.code, plain.retryable, plain.detail)
    assert told.remedy
    assert len(set(told.remedy)) == len(told.remedy) <= 11
    assert told.explanation.startswith(plain.explanation.split(". ")[0])
    assert all(step.isprintable() for step in (told.explanation, *told.remedy))
    assert "<html>" not in "".join((told.explanation, *told.remedy))


@given(EVIDENCE, st.sampled_from(sorted({*MEANINGS, *Kind})))
def test_no_visitor_puts_words_into_the_explanation(evidence: Evidence | None, kind: str) -> None:
    marked = evidence and dataclasses.replace(
        evidence,
        known=tuple(
            dataclasses.replace(each, user_agent="<b>", host=NAME) for each in evidence.known
        ),
    )
    told = explain(CaProblem(kind, "", identifier=NAME), LAN, marked)
    assert "<b>" not in "".join((told.explanation, *told.remedy))
