"""What the preflight concludes from who answers by the public name, or that nobody does."""

from __future__ import annotations

import dataclasses
import ipaddress
import socket

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from challenges.models import ChallengeListener
from challenges.preflight import addresses, machine, reach
from challenges.preflight.addresses import reachable
from challenges.preflight.advice import Asked
from challenges.preflight.classify import Kind, Seen
from challenges.preflight.fetching import Answer, Outcome
from challenges.preflight.lookups import Lookup
from challenges.preflight.own_port import Probe
from challenges.preflight.reach import Target
from challenges.preflight.report import Fact, Report
from challenges.preflight.resolving import Reply
from challenges.preflight.strangers import problem
from challenges.preflight.surroundings import Address, Network, Surroundings
from challenges.problems import Problem, Severity
from tests.challenges.surroundings import surroundings

DEMONSTRATION = (ipaddress.ip_network("127.0.0.0/8"),)
PROBE = Probe("token", "token.authorization")
NAME = "mail.example.de"
HERE = socket.gethostname()
CONTAINER = (ChallengeListener(host="challenges", port=8080, addresses="0.0.0.0"),)
PUBLIC = ipaddress.ip_address("198.41.0.4")
PUBLIC_6 = ipaddress.ip_address("2a01:4f8::1")
OWN = ipaddress.ip_address("127.0.0.1")
OWN_6 = ipaddress.ip_address("::1")

OURS = Answer(Outcome.ANSWERED, 200, b"token.authorization\n")
STRANGE = Answer(Outcome.ANSWERED, 200, b"<html>")
REDIRECT = Answer(Outcome.ANSWERED, 301, b"", (("location", f"https://{NAME}/"),))
REFUSED, CUT_OFF, NOTHING, NO_ROUTE = (
    Answer(outcome)
    for outcome in (Outcome.REFUSED, Outcome.CUT_OFF, Outcome.SILENT, Outcome.NO_ROUTE)
)


def lookup(name: str, *addresses: str) -> Lookup:
    return Lookup(name, (Reply(tuple(map(ipaddress.ip_address, addresses))),))


def judged(
    around: Surroundings,
    *answers: tuple[str, Answer],
    names: int = 1,
    listeners: tuple[ChallengeListener, ...] = (),
) -> Report:
    """What is concluded when these addresses of one name or more answered so."""
    asked = [
        (Target(f"n{number}.example.de" if names > 1 else NAME, ipaddress.ip_address(text)), answer)
        for text, answer in answers
        for number in range(names)
    ]
    return reach.judge(asked, PROBE, listeners, around)


def only(report: Report) -> Problem:
    (found,) = report.findings
    return found


def words(found: Problem) -> str:
    return " ".join((found.explanation, *found.remedy))


@pytest.mark.parametrize(
    ("answer", "scenario", "code", "severity"),
    [
        (STRANGE, "lan", "public-port-answers-otherwise", Severity.WARNING),
        (STRANGE, "external", "public-port-answers-otherwise", Severity.WARNING),
        (REDIRECT, "lan", "public-port-redirects-to-https", Severity.WARNING),
        (REFUSED, "lan", "public-port-refuses", Severity.INFO),
        (CUT_OFF, "lan", "public-port-hangs-up", Severity.INFO),
        (NOTHING, "lan", "public-port-unknown", Severity.INFO),
        (NO_ROUTE, "lan", "public-port-unknown", Severity.INFO),
        (Answer(Outcome.MUTE), "lan", "public-port-unknown", Severity.INFO),
        (REFUSED, "external", "public-port-refuses", Severity.WARNING),
        (CUT_OFF, "external", "public-port-hangs-up", Severity.WARNING),
        (NOTHING, "external", "public-port-closed", Severity.WARNING),
        (Answer(Outcome.UNREACHABLE), "external", "public-port-closed", Severity.WARNING),
        (NO_ROUTE, "external", "public-port-unknown", Severity.INFO),
    ],
)
def test_what_the_public_port_answers(
    answer: Answer, scenario: str, code: str, severity: Severity
) -> None:
    found = only(judged(surroundings(scenario=scenario, challenge_port=80), (str(PUBLIC), answer)))
    assert (found.code, found.severity) == (code, severity)
    assert NAME in found.explanation
    assert str(PUBLIC) in found.explanation
    assert "%(" not in words(found)


def test_our_own_answer_is_established_and_nothing_is_found() -> None:
    report = judged(surroundings(), (str(PUBLIC), OURS))
    assert report.findings == ()
    (known,) = report.established
    assert known.fact is Fact.PORT_PUBLIC
    assert NAME in known.sentence
    assert str(PUBLIC) in known.sentence


@pytest.mark.parametrize("port", [80, 8123])
def test_an_address_of_our_own_says_nothing_about_a_firewall_in_front(port: int) -> None:
    around = surroundings(scenario="external", challenge_port=port)
    (known,) = judged(around, (str(OWN), OURS)).established
    assert known.fact is Fact.PORT_SERVED
    assert "cannot be seen from here" in known.sentence


def test_an_address_that_only_plays_a_public_one_is_taken_for_it() -> None:
    around = surroundings(public_networks=DEMONSTRATION, public_port=8081)
    (known,) = judged(around, (str(OWN), OURS)).established
    assert known.fact is Fact.PORT_PUBLIC


def test_behind_a_router_no_silence_is_a_certainty() -> None:
    for answer in (REFUSED, CUT_OFF, NOTHING):
        found = only(judged(surroundings(challenge_port=8123), (str(PUBLIC), answer)))
        assert "unknown" in found.explanation
        assert "forward TCP port 80 of its public address to port 8123" in found.remedy[0]
        assert f"If {PUBLIC} is not the router's public IP address" in found.remedy[-2]
        assert "go on" in found.remedy[-1]
        is_silent = answer is NOTHING
        assert any("own firewall" in step for step in found.remedy) is is_silent


def test_without_a_router_the_port_itself_must_be_80() -> None:
    around = surroundings(scenario="external", challenge_port=8123)
    found = only(judged(around, (str(PUBLIC), REFUSED)))
    assert found.code == "challenge-port-not-public"
    assert "Set the challenge port to 80" in found.remedy[0]
    assert "to port 8123" in found.remedy[1]
    assert "load balancer" in found.remedy[2]
    own = only(judged(around, (str(OWN), REFUSED)))
    assert "firewall rule of this machine" in own.remedy[2]


@pytest.mark.parametrize("answer", [REFUSED, CUT_OFF, NOTHING])
def test_a_published_port_that_is_not_seen_from_inside_is_left_as_it_is(answer: Answer) -> None:
    around = surroundings(scenario="external", challenge_port=8080)
    found = only(judged(around, (str(PUBLIC), answer), listeners=CONTAINER))
    assert (found.code, found.severity) == ("public-port-unknown", Severity.INFO)
    assert "unknown" in found.explanation
    assert "publish 80:8080" in found.remedy[0]
    assert "go on" in found.remedy[-1]
    assert "Set the challenge port" not in words(found)


@pytest.mark.parametrize("port", [80, 8080])
def test_without_a_route_the_challenge_port_is_not_blamed(port: int) -> None:
    around = surroundings(scenario="external", challenge_port=port)
    found = only(judged(around, (str(PUBLIC), NO_ROUTE)))
    assert (found.code, found.severity) == ("public-port-unknown", Severity.INFO)
    assert "Set the challenge port" not in words(found)


@pytest.mark.parametrize("scenario", ["lan", "external"])
@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_6])
@pytest.mark.parametrize("answer", [REFUSED, NOTHING, NO_ROUTE, STRANGE])
def test_no_rule_is_to_lead_to_the_address_of_a_workers_container(
    answer: Answer, address: Address, scenario: str
) -> None:
    around = surroundings(scenario=scenario, challenge_port=8080)
    found = only(judged(around, (str(address), answer), listeners=CONTAINER))
    assert not any(str(own) in words(found) for own in machine.look().addresses)
    assert "this machine (" not in words(found)
    assert "challenges" in words(found)
    one_is_here = (*CONTAINER, ChallengeListener(host=HERE, addresses="0.0.0.0,[::]"))
    assert "(challenges)" not in words(
        only(judged(around, (str(address), answer), listeners=one_is_here))
    )


def test_a_refusal_of_our_own_address_has_its_cause_here() -> None:
    around = surroundings(scenario="external", challenge_port=80)
    assert "the cause is here" in only(judged(around, (str(OWN), REFUSED))).explanation
    assert "From outside it may" in only(judged(around, (str(PUBLIC), REFUSED))).explanation


def test_names_at_one_address_are_said_once() -> None:
    found = only(judged(surroundings(), (str(PUBLIC), NOTHING), names=5))
    assert "n0.example.de, n1.example.de, n2.example.de and 2 more names" in found.explanation


def test_the_families_are_told_apart() -> None:
    report = judged(surroundings(), (str(PUBLIC), OURS), (str(PUBLIC_6), NOTHING))
    found = only(report)
    assert (found.code, found.severity) == ("ipv6-not-reaching", Severity.WARNING)
    assert "Over IPv4 this gateway is reached." in found.explanation
    assert "tries IPv6 first" in found.explanation
    assert "remove the AAAA record" in found.remedy[-1]
    assert [known.fact for known in report.established] == [Fact.PORT_PUBLIC]


def test_after_an_answer_over_ipv6_nobody_tries_ipv4() -> None:
    hung_up = only(judged(surroundings(), (str(PUBLIC_6), CUT_OFF)))
    assert "does not go on to IPv4" in hung_up.explanation
    silent = only(judged(surroundings(), (str(PUBLIC_6), NOTHING)))
    assert "does not go on" not in silent.explanation
    stranger = only(judged(surroundings(), (str(PUBLIC_6), STRANGE)))
    assert "remove the AAAA record" in stranger.remedy[-1]


def test_without_ipv6_on_this_machine_nothing_is_claimed_about_it() -> None:
    found = only(judged(surroundings(), (str(PUBLIC_6), NO_ROUTE)))
    assert (found.code, found.severity) == ("ipv6-unknown", Severity.INFO)
    assert "tries IPv6 first" in found.explanation


def test_over_ipv6_no_router_translates_the_port() -> None:
    found = only(judged(surroundings(challenge_port=8123), (str(OWN_6), REFUSED)))
    assert found.code == "ipv6-not-reaching"
    assert "the challenge port is 8123" in found.remedy[0]


def test_a_challenge_service_on_ipv4_alone_is_named() -> None:
    asked = [(Target(NAME, OWN_6), REFUSED)]
    served = ChallengeListener(host=HERE, addresses="0.0.0.0,[::]")
    left_out = ChallengeListener(host=HERE, addresses="0.0.0.0")
    elsewhere = ChallengeListener(host="challenges", addresses="0.0.0.0")
    assert only(reach.judge(asked, PROBE, [served], surroundings())).code == "ipv6-not-reaching"
    found = only(reach.judge(asked, PROBE, [left_out], surroundings()))
    assert found.code == "ipv6-not-served"
    other = only(reach.judge(asked, PROBE, [elsewhere], surroundings()))
    assert other.code == "ipv6-not-reaching", "what another machine binds says nothing of this one"
    assert "(challenges)" in other.remedy[0]
    assert "GATEWAY_ADMIN_CHALLENGE_HOST" in found.remedy[0]


@pytest.mark.parametrize("scenario", ["lan", "external"])
@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.OURS])
def test_every_stranger_has_its_code_and_its_words(kind: Kind, scenario: str) -> None:
    around = surroundings(scenario=scenario, challenge_port=8123)
    for address in (PUBLIC, PUBLIC_6):
        found = problem(Asked(NAME, address), Seen(kind, "100%(x)s “odd” 5%"), "why", around)
        assert found.code == f"public-port-{kind.value}"
        assert found.severity in {Severity.INFO, Severity.WARNING}
        assert NAME in found.explanation
        assert scenario == "external" or "8123" in words(found)
        assert "%%" not in words(found)
        assert ("AAAA" in words(found)) == (address.version == 6)


def test_a_routers_page_is_no_certainty_from_inside() -> None:
    seen = Seen(Kind.ROUTER, "“FRITZ!Box”")
    found = problem(Asked(NAME, PUBLIC), seen, "", surroundings())
    assert found.severity is Severity.INFO
    assert "cannot be known from here" in found.remedy[1]
    outside = problem(Asked(NAME, PUBLIC), seen, "", surroundings(scenario="external"))
    assert outside.severity is Severity.WARNING


def test_only_addresses_that_may_be_connected_to_are() -> None:
    mixed = lookup(NAME, str(PUBLIC), "127.0.0.1", "10.0.0.1", "169.254.169.254", "2002:7f00:1::1")
    assert reach.targets([mixed], surroundings()) == [Target(NAME, PUBLIC)]


@pytest.mark.parametrize("scenario", ["lan", "external"])
@pytest.mark.parametrize(
    "address", ["168.63.129.16", "64:ff9b::5.9.0.1", "2a01:4f8::5efe:a9fe:a9fe", "4000::1"]
)
def test_what_a_ca_may_ask_and_this_machine_does_not_is_said(address: str, scenario: str) -> None:
    around = surroundings(scenario=scenario)
    found = only(reach.check([lookup(NAME, address)], PROBE, (), around))
    assert (found.code, found.severity) == ("public-port-not-asked", Severity.INFO)
    assert NAME in found.explanation
    assert str(ipaddress.ip_address(address)) in found.explanation
    assert "%(" not in words(found)


PLAYED = (ipaddress.ip_network("0.0.0.0/1"),)


@pytest.mark.parametrize("networks", [(), PLAYED])
@settings(deadline=None)
@given(address=st.ip_addresses())
def test_no_address_is_passed_over_in_silence(
    networks: tuple[Network, ...], address: Address
) -> None:
    around = surroundings(scenario="external", public_networks=networks)
    found = [lookup(NAME, str(address))]
    is_unusable = not reachable(found[0], around)
    is_left_out = bool(reach.not_asked(found, around).findings)
    assert [is_unusable, is_left_out, bool(reach.targets(found, around))].count(True) == 1
    assert networks or addresses.judge(found[0], around)


def test_a_sign_in_page_may_be_where_the_port_leads_to() -> None:
    seen = Seen(Kind.CAPTIVE, "https://login.hotel.example/")
    found = problem(Asked(NAME, PUBLIC), seen, "", surroundings())
    assert "or the port leads to that page" in found.explanation
    assert found.remedy[0].startswith("If this machine has to sign in")
    assert "forward TCP port 80" in found.remedy[1]


def test_port_80_of_a_network_that_plays_the_public_one_is_left_alone() -> None:
    looked_up = [lookup(NAME, "127.0.0.1")]
    told = surroundings(public_networks=DEMONSTRATION)
    assert reach.targets(looked_up, told) == []
    (found,) = reach.not_asked(looked_up, told).findings
    assert found.code == "public-port-not-asked"
    assert f"{NAME} leads to 127.0.0.1" in found.explanation
    told = dataclasses.replace(told, public_port=8123)
    assert reach.targets(looked_up, told) == [Target(NAME, OWN)]
    assert reach.not_asked(looked_up, told) == Report()


def test_a_hundred_names_are_not_all_asked_but_every_address_is() -> None:
    many = [lookup(f"n{number}.example.de", str(PUBLIC)) for number in range(100)]
    many.append(lookup("last.example.de", str(PUBLIC_6)))
    found = reach.targets(many, surroundings())
    assert len(found) == reach.MOST_TARGETS
    assert Target("last.example.de", PUBLIC_6) in found
    assert len(set(found)) == len(found)
    (said,) = reach.not_asked(many, surroundings()).findings
    assert (said.code, said.severity) == ("public-port-not-all-asked", Severity.INFO)
    assert "asked 16 of them at port 80" in said.explanation
    assert "the other 85" in said.explanation
    assert reach.not_asked(many[:16], surroundings()) == Report()


def test_what_belongs_to_this_machine_is_known_without_binding_it() -> None:
    own = machine.look()
    assert all(machine.is_own(address) for address in own.addresses)
    assert not any(address.is_loopback or address.is_link_local for address in own.addresses)
    assert machine.is_own(ipaddress.ip_address("127.8.8.8"))
    assert not machine.is_own(PUBLIC)
    assert machine.source_for(OWN) == OWN


@pytest.mark.parametrize("refusal", [PermissionError(1, "no"), psutil.AccessDenied()])
def test_a_machine_whose_interfaces_may_not_be_listed_is_looked_at_all_the_same(
    monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    def refused() -> None:
        raise refusal

    own = machine.look().addresses
    monkeypatch.setattr(psutil, "net_if_addrs", refused)
    assert set(machine.look().addresses) <= set(own)
    assert all(machine.is_own(address) for address in own)
    assert not machine.is_own(PUBLIC)
