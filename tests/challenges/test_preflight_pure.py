"""What the preflight concludes from what it has seen; nobody is asked here."""

from __future__ import annotations

import ipaddress
import socket
from datetime import datetime, timedelta
from email.utils import format_datetime

import pytest

from challenges.models import ChallengeListener
from challenges.preflight import addresses, clock, directory, dns, names, reach, responder
from challenges.preflight.addresses import Kind
from challenges.preflight.dns import Failure, Lookup, Reply
from challenges.preflight.fetching import Answer, Outcome
from challenges.preflight.reach import Target
from challenges.preflight.responder import Probe
from challenges.problems import Problem, Severity
from tests.challenges.surroundings import BUILT, NOW, surroundings

DEMONSTRATION = (ipaddress.ip_network("127.0.0.0/8"),)
PROBE = Probe("token", "token.authorization")
ADDRESS = ipaddress.ip_address("198.41.0.4")


def code_of(problem: Problem | None) -> str:
    return problem.code if problem else ""


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("mail.example.de", ""),
        ("mail.xn--bcher-kva.de", ""),
        ("mail.example.com", "hostname-not-public"),
        ("mail.corp.local", "hostname-not-public"),
        ("mail.internal", "hostname-not-public"),
        ("mail.invalid", "hostname-not-public"),
        ("gateway.test", "hostname-not-public"),
        ("mail.home.arpa", "hostname-not-public"),
        ("mail.onion", "hostname-not-public"),
        ("localhost", "hostname-single-label"),
        ("*.example.de", "hostname-wildcard"),
    ],
)
def test_names_that_cannot_be_public_are_found(name: str, code: str) -> None:
    assert code_of(names.judge(name, is_demonstration=False)) == code


def test_reserved_names_are_the_point_of_a_demonstration() -> None:
    around = surroundings(hostnames=("gateway.test",), public_networks=DEMONSTRATION)
    assert names.check(around) == []


def test_one_name_that_cannot_be_public_stops_the_look_up_of_all() -> None:
    around = surroundings(hostnames=("mail.example.de", "mail.local"))
    assert names.usable(around.hostnames, names.check(around)) == ()
    assert names.usable(around.hostnames, []) == around.hostnames


@pytest.mark.parametrize(
    ("now", "codes"),
    [
        (BUILT, []),
        (NOW, []),
        (BUILT - timedelta(seconds=1), ["clock-before-build"]),
        (BUILT.replace(year=1970), ["clock-before-build"]),
    ],
)
def test_a_clock_before_the_build_is_wrong(now: datetime, codes: list[str]) -> None:
    assert [problem.code for problem in clock.check(surroundings(now=now))] == codes


@pytest.mark.parametrize(
    ("off", "code"),
    [
        (timedelta(), ""),
        (timedelta(minutes=10), ""),
        (timedelta(minutes=-10), ""),
        (timedelta(minutes=11), "clock-differs"),
        (timedelta(minutes=-11), "clock-differs"),
        (timedelta(days=-3650), "clock-differs"),
    ],
)
def test_a_clock_that_differs_from_the_authoritys_is_found(off: timedelta, code: str) -> None:
    header = format_datetime(NOW + off, usegmt=True)
    assert code_of(clock.compare(NOW, header, "ca.test")) == code


@pytest.mark.parametrize("header", ["", "yesterday", "Mon, 99 Foo 2026 99:99:99 GMT"])
def test_a_date_that_cannot_be_read_says_nothing(header: str) -> None:
    assert clock.compare(NOW, header, "ca.test") is None


def lookup(*replies: Reply) -> Lookup:
    return Lookup("mail.example.de", replies)


FOUND = Reply((ADDRESS,))
EMPTY = Reply()
UNKNOWN = Reply(failure=Failure.NO_SUCH_NAME)
BROKEN = Reply(failure=Failure.BROKEN)
SILENT = Reply(failure=Failure.SILENCE)


@pytest.mark.parametrize(
    ("looked_up", "codes"),
    [
        (lookup(FOUND, EMPTY), []),
        (lookup(EMPTY, FOUND), []),
        (lookup(UNKNOWN, UNKNOWN), ["dns-no-such-name"]),
        (lookup(EMPTY, EMPTY), ["dns-no-address"]),
        (lookup(BROKEN, BROKEN), ["dns-server-failure"]),
        (lookup(EMPTY, BROKEN), ["dns-server-failure"]),
        (lookup(SILENT, SILENT), ["dns-timeout"]),
        (lookup(FOUND, BROKEN), ["dns-partly-broken"]),
        (lookup(FOUND, SILENT), ["dns-partly-broken"]),
    ],
)
def test_what_the_dns_says_about_a_name(looked_up: Lookup, codes: list[str]) -> None:
    assert [problem.code for problem in dns.findings([looked_up], surroundings())] == codes


def test_silence_about_many_names_is_one_finding() -> None:
    many = [Lookup(f"n{number}.example.de", (SILENT, SILENT)) for number in range(100)]
    assert [problem.code for problem in dns.findings(many, surroundings())] == ["dns-timeout"]


@pytest.mark.parametrize(
    ("server", "endpoint"),
    [
        ("127.0.0.1", ("127.0.0.1", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("::1", ("::1", 53)),
        ("[::1]", ("::1", 53)),
        ("[::1]:5353", ("::1", 5353)),
        ("localhost:53x", None),
    ],
)
def test_a_dns_server_is_an_address_with_or_without_a_port(
    server: str, endpoint: tuple[str, int] | None
) -> None:
    assert dns.endpoint_of(server) == endpoint


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("198.41.0.4", Kind.PUBLIC),
        ("2a00:1450:4001:80f::200e", Kind.PUBLIC),
        ("192.168.0.10", Kind.PRIVATE),
        ("10.0.0.1", Kind.PRIVATE),
        ("172.31.255.255", Kind.PRIVATE),
        ("172.32.0.1", Kind.PUBLIC),
        ("fd00::1", Kind.PRIVATE),
        ("::ffff:192.168.0.10", Kind.PRIVATE),
        ("100.64.0.1", Kind.CARRIER_NAT),
        ("100.128.0.1", Kind.PUBLIC),
        ("127.0.0.1", Kind.RESERVED),
        ("::1", Kind.RESERVED),
        ("0.0.0.0", Kind.RESERVED),
        ("169.254.1.1", Kind.RESERVED),
        ("fe80::1", Kind.RESERVED),
        ("192.0.2.1", Kind.RESERVED),
        ("2001:db8::1", Kind.RESERVED),
        ("224.0.0.1", Kind.RESERVED),
        ("255.255.255.255", Kind.RESERVED),
        ("::ffff:127.0.0.1", Kind.RESERVED),
    ],
)
def test_the_kind_of_an_address(address: str, kind: Kind) -> None:
    assert addresses.kind_of(ipaddress.ip_address(address), surroundings()) is kind


def test_networks_that_count_as_public_do() -> None:
    around = surroundings(public_networks=DEMONSTRATION)
    assert addresses.kind_of(ipaddress.ip_address("127.0.0.1"), around) is Kind.PUBLIC
    assert addresses.kind_of(ipaddress.ip_address("10.0.0.1"), around) is Kind.PRIVATE


@pytest.mark.parametrize(
    ("address", "scenario", "code"),
    [
        ("198.41.0.4", "lan", ""),
        ("198.41.0.4", "external", "address-not-here"),
        ("192.168.0.10", "lan", "address-private"),
        ("192.168.0.10", "external", "address-private"),
        ("100.64.0.1", "lan", "address-carrier-nat"),
        ("169.254.1.1", "lan", "address-reserved"),
    ],
)
def test_an_address_is_judged_by_the_scenario(address: str, scenario: str, code: str) -> None:
    around = surroundings(scenario=scenario)
    found = addresses.judge("mail.example.de", ipaddress.ip_address(address), around)
    assert code_of(found) == code
    if found:
        assert address in found.explanation


def test_an_address_of_this_machine_is_right_without_a_router() -> None:
    around = surroundings(scenario="external", public_networks=DEMONSTRATION)
    assert addresses.judge("gateway.test", ipaddress.ip_address("127.0.0.1"), around) is None


def listener(**facts: object) -> ChallengeListener:
    chosen: dict[str, object] = {"host": "other", "addresses": "0.0.0.0,[::]", "error": ""}
    return ChallengeListener(**(chosen | facts))


OURS = Answer(Outcome.ANSWERED, 200, b"token.authorization\n")
STRANGE = Answer(Outcome.ANSWERED, 200, b"<html>")
MISSING = Answer(Outcome.ANSWERED, 404, b"")
REDIRECT = Answer(Outcome.ANSWERED, 301, b"", "https://mail.example.de/")
REFUSED = Answer(Outcome.REFUSED)
CUT_OFF = Answer(Outcome.CUT_OFF)
NOTHING = Answer(Outcome.SILENT)


@pytest.mark.parametrize(
    ("answer", "known", "code"),
    [
        (OURS, None, ""),
        (OURS, listener(), ""),
        (STRANGE, listener(), "challenge-port-answers-otherwise"),
        (MISSING, None, "challenge-port-answers-otherwise"),
        (REFUSED, None, "challenge-listener-down"),
        (NOTHING, None, "challenge-listener-down"),
        (REFUSED, listener(), "challenge-port-closed"),
    ],
)
def test_what_our_own_port_answers(
    answer: Answer, known: ChallengeListener | None, code: str
) -> None:
    assert code_of(responder.judge(answer, PROBE, known, surroundings())) == code


def test_the_listeners_own_reason_is_the_explanation() -> None:
    known = listener(error="Port 8080 is already in use by nginx (process 812).")
    problem = responder.judge(REFUSED, PROBE, known, surroundings())
    assert problem is not None
    assert problem.explanation == known.error


@pytest.mark.parametrize(
    ("host", "bound", "address"),
    [
        ("", "0.0.0.0,[::]", "127.0.0.1"),
        ("", "[::]", "::1"),
        ("", "192.168.0.10", "192.168.0.10"),
        ("", "", "127.0.0.1"),
        ("responder", "0.0.0.0,[::]", "responder"),
    ],
)
def test_where_our_own_port_is_asked(host: str, bound: str, address: str) -> None:
    assert (
        responder.address_of(listener(host=host or socket.gethostname(), addresses=bound))
        == address
    )
    assert responder.address_of(None) == "127.0.0.1"


@pytest.mark.parametrize(
    ("answer", "scenario", "code", "severity"),
    [
        (OURS, "lan", "", None),
        (OURS, "external", "", None),
        (STRANGE, "lan", "public-port-answers-otherwise", Severity.WARNING),
        (MISSING, "external", "public-port-answers-otherwise", Severity.WARNING),
        (REDIRECT, "lan", "public-port-redirects", Severity.WARNING),
        (REFUSED, "lan", "public-port-refuses", Severity.WARNING),
        (CUT_OFF, "lan", "public-port-hangs-up", Severity.WARNING),
        (NOTHING, "lan", "public-port-unknown", Severity.INFO),
        (None, "lan", "public-port-unknown", Severity.INFO),
        (REFUSED, "external", "public-port-closed", Severity.WARNING),
        (NOTHING, "external", "public-port-closed", Severity.WARNING),
    ],
)
def test_what_the_public_port_answers(
    answer: Answer | None, scenario: str, code: str, severity: Severity | None
) -> None:
    target = Target("mail.example.de", str(ADDRESS))
    problem = reach.judge(target, answer, PROBE, surroundings(scenario=scenario))
    assert code_of(problem) == code
    assert (problem.severity if problem else None) == severity


def test_the_router_rule_is_spelled_out_with_this_gateways_port() -> None:
    around = surroundings(challenge_port=8123)
    problem = reach.judge(Target("mail.example.de", str(ADDRESS)), REFUSED, PROBE, around)
    assert problem is not None
    assert "forward TCP port 80 of its public address to port 8123" in problem.remedy[0]


def test_without_a_router_the_port_itself_must_be_80() -> None:
    around = surroundings(scenario="external", challenge_port=8123)
    problem = reach.judge(Target("mail.example.de", str(ADDRESS)), REFUSED, PROBE, around)
    assert problem is not None
    assert "Set the challenge port to 80" in problem.remedy[0]


def test_only_public_addresses_are_connected_to() -> None:
    mixed = [ADDRESS, *map(ipaddress.ip_address, ("127.0.0.1", "10.0.0.1", "169.254.169.254"))]
    looked_up = [lookup(Reply(tuple(mixed)))]
    assert reach.targets(looked_up, surroundings()) == [Target("mail.example.de", str(ADDRESS))]


def test_port_80_of_a_network_that_plays_the_public_one_is_left_alone() -> None:
    looked_up = [lookup(Reply((ipaddress.ip_address("127.0.0.1"),)))]
    assert reach.targets(looked_up, surroundings(public_networks=DEMONSTRATION)) == []
    told = surroundings(public_networks=DEMONSTRATION, public_port=8123)
    assert reach.targets(looked_up, told) == [Target("mail.example.de", "127.0.0.1")]


def test_a_hundred_names_are_not_all_asked() -> None:
    many = [Lookup(f"n{number}.example.de", (FOUND,)) for number in range(100)]
    assert len(reach.targets(many, surroundings())) == reach.MOST_TARGETS


@pytest.mark.parametrize("outcome", [o for o in directory.Outcome if o.value != "found"])
def test_every_failure_of_a_directory_has_its_code_and_its_words(
    outcome: directory.Outcome,
) -> None:
    url = "https://ca.example.de/dir"
    problem = directory.judge(url, directory.Answer(outcome, detail="why"))
    assert problem is not None
    assert problem.code == f"directory-{outcome.value}"
    assert problem.severity == Severity.ERROR
    assert "%(" not in problem.explanation + problem.remedy[0]


def test_a_directory_that_was_found_is_no_problem() -> None:
    answer = directory.Answer(directory.Outcome.FOUND)
    assert directory.judge("https://ca.example.de/dir", answer) is None
