"""What the preflight says when the local DNS and the public one do not give the same."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from challenges.preflight import dns, resolvers, resolving, split_horizon
from challenges.preflight.lookups import Lookup
from challenges.preflight.report import Fact, Report
from challenges.preflight.resolving import Failure, Reply
from challenges.preflight.surroundings import Address
from challenges.problems import Severity
from tests.challenges.surroundings import surroundings
from tests.parts.zones import ZoneServer

NAME = "mx.shop.de"
PUBLIC = "5.9.0.1"
OWN = "192.168.7.9"


def is_own(address: Address) -> bool:
    return str(address) == OWN


def lookup(answer: str | Failure | None, name: str = NAME) -> Lookup:
    if isinstance(answer, Failure):
        return Lookup(name, (Reply(failure=answer, server="10.0.0.53"),))
    found = tuple(ipaddress.ip_address(text) for text in (answer or "").split())
    return Lookup(name, (Reply(found, server="10.0.0.53"),))


@pytest.mark.parametrize(
    ("local", "public", "behind_router", "outside"),
    [
        (OWN, PUBLIC, "", "dns-local-differs"),
        ("192.168.7.1", PUBLIC, "dns-local-elsewhere", "dns-local-differs"),
        (PUBLIC, PUBLIC, "dns-local-public", ""),
        (PUBLIC, f"{PUBLIC} 2a01:4f8::1", "dns-local-public", ""),
        ("5.9.0.2", PUBLIC, "dns-local-differs", "dns-local-differs"),
        (f"{PUBLIC} 5.9.0.2", PUBLIC, "dns-local-differs", "dns-local-differs"),
        (None, PUBLIC, "dns-local-missing", "dns-local-missing"),
        (Failure.NO_SUCH_NAME, PUBLIC, "dns-local-missing", "dns-local-missing"),
        (Failure.SILENCE, PUBLIC, "dns-local-unanswered", "dns-local-unanswered"),
        (Failure.BROKEN, PUBLIC, "dns-local-unanswered", "dns-local-unanswered"),
        (Failure.REFUSED, PUBLIC, "dns-local-unanswered", "dns-local-unanswered"),
        (OWN, None, "dns-only-local", "dns-only-local"),
        (OWN, Failure.NO_SUCH_NAME, "dns-only-local", "dns-only-local"),
        (OWN, OWN, "", ""),
        ("127.0.0.1", "127.0.0.1", "", ""),
        (f"{PUBLIC} {OWN}", f"{PUBLIC} {OWN}", "dns-local-public", ""),
        (OWN, Failure.SILENCE, "", ""),
        (OWN, Failure.REFUSED, "", ""),
        (PUBLIC, Failure.BROKEN, "", ""),
        (None, None, "", ""),
    ],
)
def test_two_views_of_a_name(
    local: str | Failure | None, public: str | Failure | None, behind_router: str, outside: str
) -> None:
    for scenario, code in (("lan", behind_router), ("external", outside)):
        report = split_horizon.check(
            [lookup(local)], [lookup(public)], surroundings(scenario=scenario), is_own
        )
        assert [finding.code for finding in report.findings] == ([code] if code else [])
        assert not report.is_fatal
        if code:
            assert NAME in report.findings[0].explanation


@pytest.mark.parametrize(("scenario", "local"), [("lan", OWN), ("external", PUBLIC)])
def test_what_is_wanted_is_established(scenario: str, local: str) -> None:
    report = split_horizon.check(
        [lookup(local)], [lookup(PUBLIC)], surroundings(scenario=scenario), is_own
    )
    (established,) = report.established
    assert established.fact is Fact.DNS_LOCAL
    for part in (NAME, local, "10.0.0.53"):
        assert part in established.sentence


def test_the_same_about_many_names_is_one_finding() -> None:
    names = [f"n{number}.shop.de" for number in range(100)]
    report = split_horizon.check(
        [lookup(PUBLIC, name) for name in names],
        [lookup(PUBLIC, name) for name in names],
        surroundings(),
        is_own,
    )
    (finding,) = report.findings
    assert "n0.shop.de, n1.shop.de, n2.shop.de and 97 more names" in finding.explanation


@pytest.fixture
def zones() -> Iterator[tuple[ZoneServer, ZoneServer]]:
    """A public and a local DNS server that know the same of the name."""
    with ExitStack() as stack:
        public, local = (stack.enter_context(ZoneServer()) for _number in range(2))
        public.set(NAME, A=PUBLIC)
        local.set(NAME, A=PUBLIC)
        yield public, local


def check(public: ZoneServer, *resolvers: str, scenario: str = "lan") -> Report:
    around = surroundings(
        scenario=scenario, dns_servers=(public.address,), system_resolvers=resolvers
    )
    return dns.check([NAME], around)[0]


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def test_the_resolvers_of_the_machine_are_asked_for_addresses_alone(
    zones: tuple[ZoneServer, ZoneServer],
) -> None:
    public, local = zones
    assert codes(check(public, local.address)) == ["dns-local-public"]
    assert set(local.asked) == {(NAME, "A"), (NAME, "AAAA")}
    assert codes(check(public, local.address, scenario="external")) == ["address-not-here"]


def test_a_loopback_address_from_the_local_dns_leads_here(
    zones: tuple[ZoneServer, ZoneServer],
) -> None:
    public, local = zones
    local.set(NAME, A="127.0.0.1")
    report = check(public, local.address)
    assert codes(report) == []
    assert Fact.DNS_LOCAL in {each.fact for each in report.established}


def test_a_local_dns_that_fails_is_never_more_than_an_information(
    zones: tuple[ZoneServer, ZoneServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "TRIES", (0.2,))
    public, local = zones
    for fault in ("silent", "servfail", "garbage", "refused", "servfail-unless-cd"):
        local.fail(NAME, fault)
        report = check(public, local.address)
        assert [(each.code, each.severity) for each in report.findings] == [
            ("dns-local-unanswered", Severity.INFO)
        ]


def test_a_second_resolver_answers_for_the_first(
    zones: tuple[ZoneServer, ZoneServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "TRIES", (0.2,))
    public, local = zones
    with ZoneServer() as silent:
        silent.fail(NAME, "silent")
        report = check(public, silent.address, local.address)
    assert codes(report) == ["dns-local-public"]
    assert local.address in report.findings[0].explanation


def test_a_resolver_that_is_a_public_server_is_not_compared_with_itself(
    zones: tuple[ZoneServer, ZoneServer],
) -> None:
    public, _local = zones
    assert codes(check(public, public.address)) == []
    assert len(public.asked) == len(set(public.asked))


def test_the_machines_own_configuration_is_read_unless_told_otherwise() -> None:
    demonstration = (ipaddress.ip_network("127.0.0.0/8"),)
    assert resolvers.system(surroundings(system_resolvers=()), ()) == ()
    around = surroundings(system_resolvers=None, public_networks=demonstration)
    assert resolvers.system(around, ()) == ()
    own = resolvers.system(surroundings(system_resolvers=None), ())
    assert len(own) <= resolvers.MOST_SYSTEM_RESOLVERS


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
    assert resolvers.endpoint_of(server) == endpoint
