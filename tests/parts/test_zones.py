"""The zone server answers as a recursive server does, and fails as it is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from tests.parts.processes import Process, free_port, wait_until
from tests.parts.zones import Zone, ZoneServer, command

RECORDS = {
    "mx.shop.example": {
        "A": ["5.9.0.1", "5.9.0.2"],
        "AAAA": ["2a01::1"],
        "CAA": ['0 issue "letsencrypt.org"'],
    },
    "alias.example": {"CNAME": ["mx.shop.example"]},
    "dangling.example": {"CNAME": ["gone.example"]},
    "round.example": {"CNAME": ["about.example"]},
    "about.example": {"CNAME": ["round.example."]},
}


@pytest.fixture
def server() -> Iterator[ZoneServer]:
    with ZoneServer(Zone(RECORDS, {})) as running:
        yield running


def ask(
    address: str, name: str, kind: str = "A", *, flags: int = dns.flags.RD, seconds: float = 5
) -> dns.message.Message:
    host, _colon, port = address.rpartition(":")
    query = dns.message.make_query(name, kind, flags=flags)
    reply, _is_stream = dns.query.udp_with_fallback(
        query, host.strip("[]"), timeout=seconds, port=int(port)
    )
    return reply


def texts(reply: dns.message.Message) -> list[str]:
    return [text for rrset in reply.answer for text in sorted(map(str, rrset))]


@pytest.mark.parametrize(
    ("name", "kind", "code", "records"),
    [
        ("mx.shop.example", "A", "NOERROR", ["5.9.0.1", "5.9.0.2"]),
        ("MX.shop.EXAMPLE", "AAAA", "NOERROR", ["2a01::1"]),
        ("mx.shop.example", "CAA", "NOERROR", ['0 issue "letsencrypt.org"']),
        ("mx.shop.example", "TXT", "NOERROR", []),
        ("shop.example", "A", "NOERROR", []),
        ("gone.example", "A", "NXDOMAIN", []),
        ("alias.example", "A", "NOERROR", ["mx.shop.example.", "5.9.0.1", "5.9.0.2"]),
        ("alias.example", "CNAME", "NOERROR", ["mx.shop.example."]),
        ("dangling.example", "A", "NXDOMAIN", ["gone.example."]),
        ("round.example", "A", "SERVFAIL", []),
        ("round.example", "CNAME", "NOERROR", ["about.example."]),
    ],
)
def test_the_zone_is_answered(
    server: ZoneServer, name: str, kind: str, code: str, records: list[str]
) -> None:
    reply = ask(server.address, name, kind)
    assert (dns.rcode.to_text(reply.rcode()), texts(reply)) == (code, records)
    assert server.asked == [(name.lower(), kind)]


@pytest.mark.parametrize("code", ["servfail", "nxdomain", "refused", "notimp"])
def test_a_fault_is_an_rcode(server: ZoneServer, code: str) -> None:
    server.fail("mx.shop.example", code, kind="A")
    for name in ("mx.shop.example", "alias.example"):
        assert ask(server.address, name).rcode() == dns.rcode.from_text(code)
    assert ask(server.address, "mx.shop.example", "AAAA").rcode() == dns.rcode.NOERROR


def test_a_bogus_name_is_answered_when_checking_is_disabled(server: ZoneServer) -> None:
    server.fail("mx.shop.example", "servfail-unless-cd")
    assert ask(server.address, "mx.shop.example").rcode() == dns.rcode.SERVFAIL
    unchecked = ask(server.address, "mx.shop.example", flags=dns.flags.RD | dns.flags.CD)
    assert texts(unchecked) == ["5.9.0.1", "5.9.0.2"]


@pytest.mark.parametrize("fault", ["silent", "slow:20"])
def test_an_answer_that_does_not_come(server: ZoneServer, fault: str) -> None:
    server.fail("mx.shop.example", fault)
    with pytest.raises(dns.exception.Timeout):
        ask(server.address, "mx.shop.example", seconds=0.2)


def test_an_answer_that_is_no_dns_message(server: ZoneServer) -> None:
    server.fail("mx.shop.example", "garbage")
    with pytest.raises(dns.exception.DNSException):
        ask(server.address, "mx.shop.example", seconds=0.5)


def test_a_truncated_answer_is_whole_over_tcp(server: ZoneServer) -> None:
    server.fail("mx.shop.example", "truncated")
    assert texts(ask(server.address, "mx.shop.example")) == ["5.9.0.1", "5.9.0.2"]
    assert len(server.asked) == 2


def test_the_zone_can_be_changed_while_it_is_served(server: ZoneServer) -> None:
    server.set("new.example", A="5.9.0.3", AAAA=["2a01::2", "2a01::3"])
    assert texts(ask(server.address, "new.example")) == ["5.9.0.3"]
    assert len(texts(ask(server.address, "new.example", "AAAA"))) == 2


def test_the_server_listens_on_ipv6_too() -> None:
    with ZoneServer(Zone(RECORDS), host="::1") as server:
        assert texts(ask(server.address, "mx.shop.example", "AAAA")) == ["2a01::1"]


def test_the_program_serves_a_file_and_reads_it_again(tmp_path: Path) -> None:
    file = tmp_path / "zone.json"
    file.write_text(Zone(RECORDS).to_json())
    address = f"127.0.0.1:{free_port()}"
    process = Process(command(address, file), log=tmp_path / "zones.log")
    try:
        process.wait_until(lambda: "listening" in process.output(), "The zone server listens")
        assert texts(ask(address, "alias.example", "CNAME")) == ["mx.shop.example."]
        file.write_text('{"records": {"alias.example": {"CNAME": ["other.example"]}}}')
        wait_until(
            lambda: texts(ask(address, "alias.example", "CNAME")) == ["other.example."],
            "The changed file is served",
        )
        file.write_text("{ half")
        assert texts(ask(address, "alias.example", "CNAME")) == ["other.example."]
    finally:
        process.stop()


@pytest.mark.parametrize(
    ("name", "code", "is_authoritative", "records"),
    [
        ("mx.shop.example", "NOERROR", True, ["5.9.0.1", "5.9.0.2"]),
        ("gone.shop.example", "NXDOMAIN", True, []),
        ("out.shop.example", "NOERROR", True, ["alias.example."]),
        ("alias.example", "REFUSED", False, []),
    ],
)
def test_a_domains_own_server_speaks_of_that_domain_alone(
    name: str, code: str, is_authoritative: bool, records: list[str]
) -> None:
    held = RECORDS | {"out.shop.example": {"CNAME": ["alias.example"]}}
    with ZoneServer(Zone(held, origin="shop.example")) as server:
        reply = ask(server.address, name, flags=0)
        assert server.recursive == 0
    assert (dns.rcode.to_text(reply.rcode()), texts(reply)) == (code, records)
    assert bool(reply.flags & dns.flags.AA) is is_authoritative
    assert not reply.flags & dns.flags.RA


def test_the_time_for_which_there_is_nothing_is_told() -> None:
    with ZoneServer(Zone(RECORDS, negative_ttl=300)) as server:
        (record,) = ask(server.address, "gone.example").authority
    assert (record.rdtype, record.ttl) == (dns.rdatatype.SOA, 300)
