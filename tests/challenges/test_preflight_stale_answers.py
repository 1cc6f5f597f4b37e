"""What public DNS servers still remember is held against the names' own servers, on real ports."""

from __future__ import annotations

import ipaddress
import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from challenges.preflight import aliases, authoritative, dns, interception, resolving
from challenges.preflight.lookups import Lookup
from challenges.preflight.report import Fact, Report
from challenges.problems import Severity
from tests.challenges.surroundings import surroundings
from tests.parts.processes import free_port
from tests.parts.zones import Fault, Zone, ZoneServer

NAME, DOMAIN = "mx.shop.de", "shop.de"
RIGHT = "5.9.0.1"
HERE = (ipaddress.ip_network("127.0.0.0/8"),)
FORBIDDING = '0 issue "other.example"'


class Internet:
    """One public DNS server, and a domain's own servers at addresses of their own."""

    def __init__(self, stack: ExitStack, port: int) -> None:
        self._stack, self._port, self._count = stack, port, 1
        self.public = stack.enter_context(ZoneServer(Zone(negative_ttl=2711)))

    def own(self, domain: str = DOMAIN, *, names: int = 1) -> list[ZoneServer]:
        """Name servers of a domain, of which the public server knows."""
        hosts = [f"ns{number}.{domain}" for number in range(1, names + 1)]
        self.public.zone.records.setdefault(domain, {})["NS"] = hosts
        return [self._server(host, domain) for host in hosts]

    def _server(self, host: str, domain: str) -> ZoneServer:
        self._count += 1
        address = f"127.0.0.{self._count}"
        self.public.set(host, A=address)
        server = ZoneServer(Zone(origin=domain), host=address, port=self._port)
        return self._stack.enter_context(server)

    def check(self, *names: str, **facts: object) -> tuple[Report, tuple[Lookup, ...]]:
        chosen = {"dns_servers": (self.public.address,), "public_networks": HERE, **facts}
        return dns.check(names or (NAME,), surroundings(**chosen))


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    port = free_port()
    monkeypatch.setattr(authoritative, "PORT", port)
    with ExitStack() as stack:
        yield Internet(stack, port)


def found(report: Report) -> list[tuple[str, Severity]]:
    return [(finding.code, finding.severity) for finding in report.findings]


def test_a_name_that_is_remembered_not_to_exist_is_taken_from_its_own_servers(
    internet: Internet,
) -> None:
    (own,) = internet.own()
    own.set(NAME, A=RIGHT)
    report, (lookup,) = internet.check()
    assert found(report) == [("dns-old-answer", Severity.WARNING)]
    assert [str(address) for address in lookup.addresses] == [RIGHT]
    finding = report.findings[0]
    for text in (NAME, RIGHT, "ns1.shop.de", internet.public.address, "NXDOMAIN"):
        assert text in finding.explanation
    assert "Let's Encrypt asks the domain's own name servers" in finding.remedy[0]
    assert "up to 46 more minutes" in finding.remedy[1]
    assert report.established == ()


@pytest.mark.parametrize("remembered", ["192.168.7.9", "100.64.0.1", "192.0.2.7"])
def test_a_useless_address_that_is_remembered_is_no_error(
    internet: Internet, remembered: str
) -> None:
    (own,) = internet.own()
    own.set(NAME, A=RIGHT)
    internet.public.set(NAME, A=remembered)
    report, (lookup,) = internet.check()
    assert found(report) == [("dns-old-answer", Severity.WARNING)]
    assert remembered in report.findings[0].explanation
    assert [str(address) for address in lookup.addresses] == [RIGHT]


def test_a_target_that_is_remembered_not_to_exist_is_no_error(internet: Internet) -> None:
    (own,) = internet.own()
    own.set(NAME, CNAME="gw.shop.de")
    own.set("gw.shop.de", A=RIGHT)
    internet.public.set(NAME, CNAME="gw.shop.de")
    report, (lookup,) = internet.check()
    assert found(report) == [("dns-old-answer", Severity.WARNING)]
    assert lookup.aliases == ("gw.shop.de",)


def test_an_alias_into_another_domain_is_followed_to_that_domains_servers(
    internet: Internet,
) -> None:
    (own,), (other,) = internet.own(), internet.own("host.org")
    own.set(NAME, CNAME="gw.host.org")
    other.set("gw.host.org", A=RIGHT, CAA='0 issue "letsencrypt.org"')
    internet.public.set(NAME, CNAME="gw.host.org")
    report, (lookup,) = internet.check()
    assert found(report) == [("dns-old-answer", Severity.WARNING)]
    assert (lookup.server, lookup.aliases) == ("ns1.host.org", ("gw.host.org",))
    other.set("gw.host.org", A=RIGHT, CAA=FORBIDDING)
    assert ("caa-forbids", Severity.ERROR) in found(internet.check()[0])


def test_the_name_servers_of_an_aliass_target_do_not_speak_for_the_alias(
    internet: Internet,
) -> None:
    (own,), _other = internet.own(), internet.own("host.org")
    own.set(NAME, A=RIGHT)
    internet.public.set(NAME, CNAME="host.org")
    report, (lookup,) = internet.check()
    assert found(report) == [("dns-old-answer", Severity.WARNING)]
    assert lookup.server == "ns1.shop.de"


def test_what_the_own_servers_say_as_well_is_an_error(internet: Internet) -> None:
    (own,) = internet.own()
    assert found(internet.check()[0]) == [("dns-no-such-name", Severity.ERROR)]
    assert (NAME, "A") in own.asked
    own.set(NAME, A="192.168.7.9")
    internet.public.set(NAME, A="192.168.7.9")
    assert found(internet.check()[0]) == [("address-private", Severity.ERROR)]


def test_another_error_of_the_own_servers_takes_the_place_of_the_old_one(
    internet: Internet,
) -> None:
    (own,) = internet.own()
    own.set(NAME, A="192.168.7.9")
    report, (lookup,) = internet.check()
    assert found(report) == [("address-private", Severity.ERROR)]
    assert "192.168.7.9" in report.findings[0].explanation
    assert [str(address) for address in lookup.addresses] == ["192.168.7.9"]


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.REFUSED, Fault.SERVFAIL, Fault.GARBAGE])
def test_where_the_own_servers_say_nothing_the_error_stays(
    internet: Internet, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(resolving, "TRIES", (0.2,))
    (own,) = internet.own()
    own.fail(NAME, fault)
    assert found(internet.check()[0]) == [("dns-no-such-name", Severity.ERROR)]
    assert (NAME, "A") in own.asked


def test_who_is_not_authoritative_is_not_believed(internet: Internet) -> None:
    (own,) = internet.own()
    own.zone = Zone(records={NAME: {"A": [RIGHT]}})
    assert found(internet.check()[0]) == [("dns-no-such-name", Severity.ERROR)]
    assert (NAME, "A") in own.asked


def test_a_domain_whose_servers_are_unknown_has_its_error(internet: Internet) -> None:
    assert found(internet.check()[0]) == [("dns-no-such-name", Severity.ERROR)]


def test_own_servers_without_a_public_address_are_never_asked(internet: Internet) -> None:
    (own,) = internet.own()
    own.set(NAME, A=RIGHT)
    report, _lookups = internet.check(public_networks=())
    assert found(report) == [("dns-no-such-name", Severity.ERROR)]
    assert own.asked == []
    assert ("ns1.shop.de", "A") in internet.public.asked


def test_own_servers_are_asked_for_no_recursion_and_only_where_something_is_wrong(
    internet: Internet,
) -> None:
    (own,) = internet.own()
    own.set(NAME, A=RIGHT)
    internet.check()
    assert own.asked
    assert own.recursive == 0
    own.asked.clear()
    internet.public.set(NAME, A=RIGHT)
    assert found(internet.check()[0]) == []
    assert own.asked == []


def test_an_own_server_that_is_behind_is_named(internet: Internet) -> None:
    first, _late = internet.own(names=2)
    first.set(NAME, A=RIGHT)
    report, _lookups = internet.check()
    assert found(report) == [("dns-old-answer", Severity.WARNING)]
    assert "ns2.shop.de" in report.findings[0].remedy[0]
    assert "ns2.shop.de" not in report.findings[0].explanation


def test_an_own_server_that_is_silent_holds_up_nothing(internet: Internet) -> None:
    first, silent = internet.own(names=2)
    first.set(NAME, A=RIGHT)
    for name in (NAME, DOMAIN):
        silent.fail(name, Fault.SILENT)
    started = time.monotonic()
    report, _lookups = internet.check()
    assert found(report) == [("dns-old-answer", Severity.WARNING)]
    assert time.monotonic() - started < authoritative.SECONDS + 1


def test_caa_records_that_are_only_remembered_are_no_error(internet: Internet) -> None:
    (own,) = internet.own()
    own.set(NAME, A=RIGHT)
    internet.public.set(NAME, A=RIGHT)
    internet.public.zone.records[DOMAIN]["CAA"] = [FORBIDDING]
    report, _lookups = internet.check()
    assert found(report) == [("caa-old-answer", Severity.WARNING)]
    assert NAME in report.findings[0].explanation
    assert internet.public.address in report.findings[0].explanation
    assert "other.example" in report.findings[0].detail
    assert report.established == ()
    own.set(DOMAIN, CAA=FORBIDDING)
    assert found(internet.check()[0]) == [("caa-forbids", Severity.ERROR)]


def test_caa_records_of_a_name_that_is_known_only_by_its_own_servers_count(
    internet: Internet,
) -> None:
    (own,) = internet.own()
    own.set(NAME, A=RIGHT)
    own.set(DOMAIN, CAA=FORBIDDING)
    report, _lookups = internet.check()
    assert found(report) == [
        ("dns-old-answer", Severity.WARNING),
        ("caa-forbids", Severity.ERROR),
    ]


def test_one_name_that_is_only_remembered_hides_no_other(internet: Internet) -> None:
    (own,) = internet.own()
    own.set(NAME, A=RIGHT)
    internet.public.set("www.shop.de", A=RIGHT)
    report, lookups = internet.check("www.shop.de", NAME, "gone.shop.de")
    assert found(report) == [
        ("dns-old-answer", Severity.WARNING),
        ("dns-no-such-name", Severity.ERROR),
    ]
    assert [bool(lookup.addresses) for lookup in lookups] == [True, True, False]
    assert Fact.DNS_PUBLIC not in {known.fact for known in report.established}


def test_a_name_that_is_slow_to_fail_takes_no_other_ones_second_opinion(
    internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns, "SECONDS", authoritative.SECONDS + interception.SECONDS + 0.8)
    (own,) = internet.own()
    own.set(NAME, A=RIGHT)
    chain = [f"slow{number}.shop.de" for number in range(aliases.MOST + 2)]
    for name, target in itertools.pairwise(chain):
        internet.public.set(name, CNAME=target)
        internet.public.fail(name, Fault.SERVFAIL)
        internet.public.fail(name, f"{Fault.SLOW}0.5", kind="CNAME")
    report, (_slow, lookup) = internet.check(chain[0], NAME)
    assert found(report) == [
        ("dns-old-answer", Severity.WARNING),
        ("dns-server-failure", Severity.ERROR),
    ]
    assert [str(address) for address in lookup.addresses] == [RIGHT]
