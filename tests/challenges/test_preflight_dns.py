"""What the preflight finds in the DNS: each fault as a real DNS server has it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import ClassVar

import pytest

from challenges.preflight import dns, resolving
from challenges.preflight.report import Fact, Report
from challenges.problems import Problem, Severity
from tests.challenges.surroundings import surroundings
from tests.parts.processes import free_port
from tests.parts.zones import Zone, ZoneServer

NAME = "mx.shop.de"
RIGHT = "5.9.0.1"
StartServers = Callable[[int], list[ZoneServer]]


@pytest.fixture
def start() -> Iterator[StartServers]:
    """Starts DNS servers that know the name."""
    with ExitStack() as stack:

        def start(count: int) -> list[ZoneServer]:
            servers = [stack.enter_context(ZoneServer()) for _number in range(count)]
            for server in servers:
                server.set(NAME, A=RIGHT)
            return servers

        yield start


@pytest.fixture
def server(start: StartServers) -> ZoneServer:
    """A DNS server that knows the name."""
    return start(1)[0]


def check(*servers: ZoneServer, names: tuple[str, ...] = (NAME,), **facts: object) -> Report:
    chosen: dict[str, object] = {"dns_servers": tuple(each.address for each in servers)}
    report, lookups = dns.check(names, surroundings(**(chosen | facts)))
    assert [lookup.name for lookup in lookups] == list(names)
    return report


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def only(report: Report) -> Problem:
    (finding,) = report.findings
    return finding


def facts(report: Report) -> dict[Fact, str]:
    return {each.fact: each.sentence for each in report.established}


def test_a_name_that_is_all_right_is_established(server: ZoneServer) -> None:
    server.set(NAME, A=RIGHT, AAAA="2a01:4f8::1")
    report = check(server)
    assert report.findings == ()
    assert set(facts(report)) == {Fact.DNS_PUBLIC, Fact.CAA_ALLOWS}
    for text in (NAME, RIGHT, "2a01:4f8::1"):
        assert text in facts(report)[Fact.DNS_PUBLIC]
    assert NAME in facts(report)[Fact.CAA_ALLOWS]


def test_every_public_server_is_asked_for_everything(start: StartServers) -> None:
    servers = start(3)
    check(*servers)
    for server in servers:
        assert set(server.asked) == {
            (NAME, "A"),
            (NAME, "AAAA"),
            (NAME, "CAA"),
            ("shop.de", "CAA"),
            ("de", "CAA"),
        }


def test_a_name_that_does_not_exist(server: ZoneServer) -> None:
    del server.zone.records[NAME]
    server.set("www.shop.de", A=RIGHT)
    finding = only(check(server))
    assert (finding.code, finding.severity) == ("dns-no-such-name", Severity.ERROR)
    assert NAME in finding.explanation
    assert f"public DNS of shop.de, enter this record: name {NAME}, type A" in finding.remedy[0]
    assert "the router's public IP address" in finding.remedy[0]
    assert "NXDOMAIN" in finding.detail


def test_a_name_without_an_address(server: ZoneServer) -> None:
    server.set(NAME, TXT='"nothing"')
    finding = only(check(server))
    assert (finding.code, finding.severity) == ("dns-no-address", Severity.ERROR)


def test_an_alias_is_followed_and_shown(server: ZoneServer) -> None:
    server.set("alias.shop.de", CNAME=NAME)
    around = surroundings(dns_servers=(server.address,))
    report, (lookup,) = dns.check(["alias.shop.de"], around)
    assert report.findings == ()
    assert [str(address) for address in lookup.addresses] == [RIGHT]
    assert f"alias of {NAME}, {RIGHT}" in lookup.detail


@pytest.mark.parametrize("records", [{}, {"gone.host.de": {"TXT": ['"x"']}}])
def test_an_alias_of_a_name_without_an_address(
    server: ZoneServer, records: dict[str, dict[str, list[str]]]
) -> None:
    server.zone.records |= records
    server.set(NAME, CNAME="gone.host.de")
    finding = only(check(server))
    assert (finding.code, finding.severity) == ("dns-alias-target-missing", Severity.ERROR)
    assert "gone.host.de" in finding.explanation
    assert "public DNS of host.de, enter this record: name gone.host.de" in finding.remedy[0]


def test_aliases_that_lead_in_a_circle(server: ZoneServer) -> None:
    server.set(NAME, CNAME="a.shop.de")
    server.set("a.shop.de", CNAME="b.shop.de")
    server.set("b.shop.de", CNAME="a.shop.de")
    finding = only(check(server))
    assert (finding.code, finding.severity) == ("dns-alias-loop", Severity.ERROR)
    assert f"{NAME} → a.shop.de → b.shop.de → a.shop.de" in finding.explanation


def test_an_alias_of_itself(server: ZoneServer) -> None:
    server.set(NAME, CNAME=NAME)
    assert codes(check(server)) == ["dns-alias-loop"]


def test_more_aliases_than_servers_follow(server: ZoneServer) -> None:
    server.set(NAME, CNAME="a0.shop.de")
    for number in range(14):
        server.set(f"a{number}.shop.de", CNAME=f"a{number + 1}.shop.de")
    server.set("a14.shop.de", A=RIGHT)
    assert codes(check(server)) == ["dns-alias-chain-long"]


def test_name_servers_that_fail(server: ZoneServer) -> None:
    server.fail(NAME, "servfail")
    finding = only(check(server))
    assert (finding.code, finding.severity) == ("dns-server-failure", Severity.ERROR)
    assert "SERVFAIL" in finding.detail


def test_a_failing_target_of_an_alias_is_no_circle(server: ZoneServer) -> None:
    server.set("alias.shop.de", CNAME=NAME)
    server.fail(NAME, "servfail")
    assert codes(check(server, names=("alias.shop.de",))) == ["dns-server-failure"]


def test_signatures_that_are_not_valid(server: ZoneServer) -> None:
    server.fail(NAME, "servfail-unless-cd")
    finding = only(check(server))
    assert (finding.code, finding.severity) == ("dns-dnssec-invalid", Severity.ERROR)
    assert "registrar of shop.de" in finding.remedy[0]


def test_signatures_that_some_servers_do_not_check_are_no_certainty(start: StartServers) -> None:
    strict, careless = start(2)
    strict.fail(NAME, "servfail-unless-cd")
    finding = only(check(strict, careless))
    assert (finding.code, finding.severity) == ("dns-dnssec-invalid", Severity.WARNING)


def test_an_answer_that_only_fits_through_tcp(server: ZoneServer) -> None:
    server.fail(NAME, "truncated")
    assert check(server).findings == ()


def test_very_many_addresses_come_through_tcp(server: ZoneServer) -> None:
    server.set(NAME, A=[f"5.9.{number}.1" for number in range(200)])
    assert codes(check(server)) == ["addresses-several"]


def test_a_part_of_the_records_that_cannot_be_read(server: ZoneServer) -> None:
    server.fail(NAME, "servfail", kind="AAAA")
    finding = only(check(server))
    assert (finding.code, finding.severity) == ("dns-partly-broken", Severity.WARNING)
    assert "AAAA" in finding.explanation


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("silent", "dns-timeout"),
        ("refused", "dns-server-refuses"),
        ("garbage", "dns-server-odd"),
        ("formerr", "dns-server-odd"),
    ],
)
def test_a_server_that_says_nothing_of_use(
    start: StartServers, monkeypatch: pytest.MonkeyPatch, fault: str, code: str
) -> None:
    monkeypatch.setattr(resolving, "TRIES", (0.2, 0.3))
    useless, useful = start(2)
    for name in (NAME, "shop.de", "de"):
        useless.fail(name, fault)
    alone = only(check(useless))
    assert (alone.code, alone.severity) == (code, Severity.WARNING)
    beside = only(check(useless, useful))
    assert (beside.code, beside.severity) == (code, Severity.INFO)
    assert useless.address in beside.explanation
    assert useful.address not in beside.explanation


def test_a_name_that_is_never_answered_in_time(
    server: ZoneServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "TRIES", (0.2, 0.3))
    server.set("slow.shop.de", A=RIGHT)
    server.fail("slow.shop.de", "silent")
    finding = only(check(server, names=(NAME, "slow.shop.de")))
    assert (finding.code, finding.severity) == ("dns-name-unanswered", Severity.WARNING)
    assert "slow.shop.de" in finding.explanation


def test_an_answer_that_takes_its_time_is_waited_for(server: ZoneServer) -> None:
    server.fail(NAME, "slow:1")
    assert check(server).findings == ()


def test_a_closed_port_and_an_unknown_server_are_silence() -> None:
    for server in (f"127.0.0.1:{free_port()}", "no-such-server.invalid"):
        report, (lookup,) = dns.check([NAME], surroundings(dns_servers=(server,)))
        assert codes(report) == ["dns-timeout"]
        assert server in only(report).explanation
        assert lookup.addresses == ()


def test_without_servers_nothing_is_claimed() -> None:
    assert check().findings == ()


@pytest.mark.parametrize(
    "change",
    [
        lambda server: server.set(NAME, A="5.9.0.2"),
        lambda server: server.zone.records.pop(NAME),
        lambda server: server.set(NAME, TXT='"x"'),
        lambda server: server.fail(NAME, "servfail"),
    ],
)
def test_servers_that_do_not_agree_are_no_certainty(
    start: StartServers, change: Callable[[ZoneServer], object]
) -> None:
    first, second, third = start(3)
    change(second)
    finding = only(check(first, second, third))
    assert (finding.code, finding.severity) == ("dns-servers-differ", Severity.WARNING)
    for server in (first, second, third):
        assert server.address in finding.explanation
    assert "wait 1 minute:" in finding.remedy[0]


def test_servers_that_do_not_agree_establish_nothing(start: StartServers) -> None:
    first, second = start(2)
    second.set(NAME, A="5.9.0.2")
    assert Fact.DNS_PUBLIC not in facts(check(first, second))


class _FailingOnce(Zone):
    """Fails to answer the first question of each type, as a server does that is just starting."""

    failed: ClassVar[set[str]] = set()

    def fault(self, name: str, kind: str) -> str:
        is_first = kind not in self.failed
        self.failed.add(kind)
        return "servfail" if is_first else super().fault(name, kind)


def test_a_failure_that_goes_away_is_none(server: ZoneServer) -> None:
    server.zone = _FailingOnce(server.zone.records)
    assert check(server).findings == ()
    assert server.asked.count((NAME, "A")) == 3


def test_one_server_of_many_is_not_enough_for_certainty(
    start: StartServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "TRIES", (0.2,))
    servers = start(3)
    del servers[0].zone.records[NAME]
    for silent in servers[1:]:
        silent.fail(NAME, "silent")
    found = {finding.code: finding.severity for finding in check(*servers).findings}
    assert found["dns-no-such-name"] is Severity.WARNING


def test_the_error_of_one_name_does_not_hide_another(server: ZoneServer) -> None:
    report = check(server, names=(NAME, "gone.shop.de"))
    assert codes(report) == ["dns-no-such-name"]
    assert Fact.DNS_PUBLIC not in facts(report)


def test_a_private_address_in_the_public_dns(server: ZoneServer) -> None:
    server.set(NAME, A="192.168.7.9")
    finding = only(check(server))
    assert (finding.code, finding.severity) == ("address-private", Severity.ERROR)
    assert "192.168.7.9" in finding.explanation


@pytest.mark.parametrize("fault", ["servfail", "servfail-unless-cd"])
@pytest.mark.parametrize("owner", [NAME, "shop.de"])
def test_caa_records_that_cannot_be_read(server: ZoneServer, owner: str, fault: str) -> None:
    server.fail(owner, fault, kind="CAA")
    report = check(server)
    finding = only(report)
    assert (finding.code, finding.severity) == ("caa-unreadable", Severity.ERROR)
    assert owner in finding.explanation
    assert Fact.CAA_ALLOWS not in facts(report)


@pytest.mark.parametrize("fault", ["silent", "notimp", "refused"])
def test_caa_requests_that_are_not_answered_are_no_certainty(
    server: ZoneServer, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(resolving, "TRIES", (0.2, 0.3))
    server.fail(NAME, fault, kind="CAA")
    finding = only(check(server))
    assert (finding.code, finding.severity) == ("caa-unreadable", Severity.WARNING)
    assert finding.remedy[-1].startswith("None of the public DNS servers gives an answer")


def test_one_server_of_many_that_cannot_read_caa_is_not_enough_for_certainty(
    start: StartServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "TRIES", (0.2,))
    servers = start(3)
    servers[0].fail(NAME, "servfail", kind="CAA")
    for silent in servers[1:]:
        silent.fail(NAME, "silent", kind="CAA")
    finding = only(check(*servers))
    assert (finding.code, finding.severity) == ("caa-unreadable", Severity.WARNING)
    assert finding.remedy[-1].startswith("Not all of the public DNS servers say so")


def test_caa_records_below_those_that_cannot_be_read_count(server: ZoneServer) -> None:
    server.set(NAME, A=RIGHT, CAA='0 issue "letsencrypt.org"')
    server.fail("shop.de", "servfail", kind="CAA")
    assert check(server).findings == ()


def test_caa_records_of_the_domain_count_for_its_names(server: ZoneServer) -> None:
    server.set("shop.de", CAA='0 issue "other.example"')
    server.set("smtp.shop.de", A=RIGHT)
    finding = only(check(server, names=(NAME, "smtp.shop.de")))
    assert (finding.code, finding.severity) == ("caa-forbids", Severity.ERROR)
    assert f"{NAME} and smtp.shop.de" in finding.explanation
    assert 'name shop.de, type CAA, value 0 issue "letsencrypt.org"' in finding.remedy[0]


def test_caa_records_of_an_aliass_target_count_and_not_those_above_it(server: ZoneServer) -> None:
    server.set("alias.shop.de", CNAME="mx.host.de")
    server.set("mx.host.de", A=RIGHT)
    server.set("host.de", CAA='0 issue "other.example"')
    assert check(server, names=("alias.shop.de",)).findings == ()
    server.set("mx.host.de", A=RIGHT, CAA='0 issue "other.example"')
    assert codes(check(server, names=("alias.shop.de",))) == ["caa-forbids"]


def test_servers_that_do_not_agree_on_caa_are_no_certainty(start: StartServers) -> None:
    first, second = start(2)
    first.set(NAME, A=RIGHT, CAA='0 issue ";"')
    finding = only(check(first, second))
    assert (finding.code, finding.severity) == ("caa-forbids", Severity.WARNING)
    assert "Not all of the public DNS servers" in finding.remedy[-1]


@pytest.mark.parametrize(
    ("records", "code", "severity"),
    [
        ('0 issue "letsencrypt.org"', "", None),
        ('0 issue ";"', "caa-forbids", Severity.ERROR),
        ('128 tbs "x"', "caa-critical", Severity.ERROR),
        ('0 issue "letsencrypt.org; nonsense"', "caa-malformed", Severity.ERROR),
        ('0 issue "letsencrypt.org; validationmethods=dns-01"', "caa-method", Severity.ERROR),
        ('0 issue "letsencrypt.org; accounturi=https://ca/1"', "", None),
        ('0 issue "letsencrypt.org; accounturi=https://ca/9"', "caa-account", Severity.ERROR),
        ('0 issue "LetsEncrypt.org"', "caa-spelling", Severity.WARNING),
    ],
)
def test_what_caa_records_say_is_found(
    server: ZoneServer, records: str, code: str, severity: Severity | None
) -> None:
    server.set(NAME, A=RIGHT, CAA=records)
    report = check(server, account_uris=("https://ca/1",))
    assert codes(report) == ([code] if code else [])
    assert (Fact.CAA_ALLOWS in facts(report)) is not bool(code)
    if code:
        assert only(report).severity is severity
        assert NAME in only(report).explanation


def test_the_accounts_are_named_where_caa_asks_for_them(server: ZoneServer) -> None:
    server.set(NAME, A=RIGHT, CAA='0 issue "letsencrypt.org; accounturi=https://ca/1"')
    finding = only(check(server, account_uris=("https://ca/1", "https://staging/2")))
    assert (finding.code, finding.severity) == ("caa-account-partly", Severity.WARNING)
    assert '0 issue "letsencrypt.org; accounturi=https://staging/2"' in finding.remedy[1]
    unknown = only(check(server))
    assert (unknown.code, unknown.severity) == ("caa-account-unknown", Severity.WARNING)


def test_without_a_known_identity_of_the_ca_nothing_is_said_of_caa(server: ZoneServer) -> None:
    server.set(NAME, A=RIGHT, CAA='0 issue ";"')
    report = check(server, caa_identities=())
    assert report.findings == ()
    assert Fact.CAA_ALLOWS not in facts(report)


def test_a_hundred_names_are_looked_up_within_seconds(start: StartServers) -> None:
    servers = start(3)
    names = tuple(f"n{number}.shop.de" for number in range(100))
    for server in servers:
        for name in names:
            server.set(name, A=RIGHT)
    started = time.monotonic()
    report = check(*servers, names=names)
    # A second or two where nothing else runs; one after the other it would be minutes.
    assert time.monotonic() - started < 15
    assert report.findings == ()
    assert "97 more" in facts(report)[Fact.DNS_PUBLIC]


def test_a_hundred_names_and_servers_that_fail_in_every_way_end_in_time(
    start: StartServers,
) -> None:
    silent, broken, slow = start(3)
    names = tuple(f"n{number}.shop.de" for number in range(100))
    for name in names:
        silent.fail(name, "silent")
        broken.fail(name, "servfail")
        slow.fail(name, "slow:3")
    started = time.monotonic()
    check(silent, broken, slow, names=names)
    assert time.monotonic() - started < 15


def test_a_server_found_silent_is_not_asked_for_ever(
    server: ZoneServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "TRIES", (0.3,))
    names = tuple(f"n{number}.shop.de" for number in range(100))
    for name in (*names, "shop.de", "de"):
        server.fail(name, "silent")
    started = time.monotonic()
    assert codes(check(server, names=names)) == ["dns-timeout"]
    assert time.monotonic() - started < 6
    assert len(server.asked) <= resolving.AT_ONCE + resolving.SILENCES_ENOUGH
