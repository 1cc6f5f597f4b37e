"""What the preflight says of the addresses that a name has in the public DNS."""

from __future__ import annotations

import ipaddress

import pytest

from challenges.preflight import addresses
from challenges.preflight.addresses import Kind
from challenges.preflight.lookups import Lookup
from challenges.preflight.machine import Machine
from challenges.preflight.resolving import Reply
from challenges.problems import Severity
from tests.challenges.surroundings import surroundings

DEMONSTRATION = (ipaddress.ip_network("127.0.0.0/8"),)
NAME = "mail.shop.de"


def lookup(*texts: str) -> Lookup:
    """All of them at one server, with a reply for each family."""
    found = [ipaddress.ip_address(text) for text in texts]
    return Lookup(
        NAME,
        tuple(
            Reply(tuple(each for each in found if each.version == version), kind=kind)
            for version, kind in ((4, "A"), (6, "AAAA"))
        ),
    )


def machine_with(*texts: str) -> Machine:
    return Machine(tuple(map(ipaddress.ip_address, texts)))


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("198.41.0.4", Kind.PUBLIC),
        ("2a00:1450:4001:80f::200e", Kind.PUBLIC),
        ("64:ff9b::5.9.0.1", Kind.PUBLIC),
        ("192.168.0.10", Kind.PRIVATE),
        ("10.0.0.1", Kind.PRIVATE),
        ("172.31.255.255", Kind.PRIVATE),
        ("172.32.0.1", Kind.PUBLIC),
        ("fd00::1", Kind.PRIVATE),
        ("::ffff:192.168.0.10", Kind.PRIVATE),
        ("::ffff:198.41.0.4", Kind.RESERVED),
        ("100.64.0.1", Kind.CARRIER_NAT),
        ("100.128.0.1", Kind.PUBLIC),
        ("127.0.0.1", Kind.LOOPBACK),
        ("::1", Kind.LOOPBACK),
        ("::ffff:127.0.0.1", Kind.LOOPBACK),
        ("169.254.1.1", Kind.LINK_LOCAL),
        ("fe80::1", Kind.LINK_LOCAL),
        ("192.0.2.1", Kind.DOCUMENTATION),
        ("2001:db8::1", Kind.DOCUMENTATION),
        ("3fff::1", Kind.DOCUMENTATION),
        ("0.0.0.0", Kind.RESERVED),
        ("::", Kind.RESERVED),
        ("224.0.0.1", Kind.RESERVED),
        ("ff02::1", Kind.RESERVED),
        ("255.255.255.255", Kind.RESERVED),
        ("198.18.0.1", Kind.RESERVED),
        ("192.88.99.1", Kind.RESERVED),
        ("2002:c000:204::1", Kind.RESERVED),
        ("2001::1", Kind.RESERVED),
        ("192.0.0.192", Kind.RESERVED),
        ("::7f00:1", Kind.RESERVED),
        ("::198.41.0.4", Kind.RESERVED),
        ("64:ff9b::a00:1", Kind.PRIVATE),
        ("64:ff9b::7f00:1", Kind.LOOPBACK),
        ("64:ff9b::a9fe:a9fe", Kind.LINK_LOCAL),
        ("64:ff9b:1::5.9.0.1", Kind.RESERVED),
        ("2001:4:112::1", Kind.PUBLIC),
        ("2001:200::1", Kind.PUBLIC),
    ],
)
def test_the_kind_of_an_address(address: str, kind: Kind) -> None:
    assert addresses.kind_of(ipaddress.ip_address(address), surroundings()) is kind


def test_networks_that_count_as_public_do() -> None:
    around = surroundings(public_networks=DEMONSTRATION)
    assert addresses.kind_of(ipaddress.ip_address("127.0.0.1"), around) is Kind.PUBLIC
    assert addresses.kind_of(ipaddress.ip_address("10.0.0.1"), around) is Kind.PRIVATE


@pytest.mark.parametrize("scenario", ["lan", "external"])
@pytest.mark.parametrize(
    ("texts", "code", "word"),
    [
        (["192.168.0.10"], "address-private", "private"),
        (["10.0.0.1", "fd00::1"], "address-private", "private"),
        (["::ffff:a00:1"], "address-private", "private"),
        (["100.64.0.1"], "address-carrier-nat", "carrier-grade"),
        (["127.0.0.1"], "address-reserved", "itself"),
        (["::1"], "address-reserved", "itself"),
        (["169.254.1.1"], "address-reserved", "link-local"),
        (["fe80::1"], "address-reserved", "link-local"),
        (["203.0.113.7"], "address-reserved", "documentation"),
        (["2001:db8::1"], "address-reserved", "documentation"),
        (["0.0.0.0"], "address-reserved", "does not exist"),
        (["192.0.0.192"], "address-reserved", "does not exist"),
        (["::7f00:1"], "address-reserved", "does not exist"),
        (["64:ff9b::a00:1"], "address-private", "private"),
        (["192.168.0.10", "127.0.0.1"], "address-reserved", "does not exist"),
    ],
)
def test_a_name_with_no_address_that_a_ca_can_reach(
    texts: list[str], code: str, word: str, scenario: str
) -> None:
    (problem,) = addresses.judge(lookup(*texts), surroundings(scenario=scenario))
    assert (problem.code, problem.severity) == (code, Severity.ERROR)
    for part in (NAME, word, *texts):
        assert part in problem.explanation
    assert any(NAME in step and "type A" in step for step in problem.remedy)


@pytest.mark.parametrize(
    ("text", "code", "severity"),
    [
        ("192.168.0.10", "address-private", Severity.WARNING),
        ("100.64.0.1", "address-carrier-nat", Severity.WARNING),
        ("127.0.0.1", "address-reserved", Severity.ERROR),
    ],
)
def test_a_ca_of_ones_own_may_reach_an_address_inside(
    text: str, code: str, severity: Severity
) -> None:
    around = surroundings(asks_only_lets_encrypt=False)
    (problem,) = addresses.judge(lookup(text), around)
    assert (problem.code, problem.severity) == (code, severity)
    is_own = any("your own" in step for step in problem.remedy)
    assert is_own is (severity is Severity.WARNING)
    (problem,) = addresses.judge(lookup(text), surroundings(asks_only_lets_encrypt=True))
    assert problem.severity is Severity.ERROR


def test_addresses_that_a_ca_passes_over_beside_one_that_it_takes() -> None:
    found = lookup("192.168.0.10", "5.9.0.1", "fd00::1")
    (problem,) = addresses.judge(found, surroundings())
    assert (problem.code, problem.severity) == ("addresses-partly-unusable", Severity.WARNING)
    assert "comes to 5.9.0.1" in problem.explanation
    assert [step.partition(":")[2] for step in problem.remedy] == [
        f" name {NAME}, type A, value 192.168.0.10.",
        f" name {NAME}, type AAAA, value fd00::1.",
    ]


@pytest.mark.parametrize(
    ("texts", "codes"),
    [
        (["5.9.0.1"], []),
        (["5.9.0.1", "2a01:4f8::1"], []),
        (["5.9.0.1", "5.9.0.2"], ["addresses-several"]),
        (["5.9.0.1", "2a01:4f8::1", "2a01:4f8::2"], ["addresses-several"]),
        (["5.9.0.1", "10.0.0.1"], ["addresses-partly-unusable"]),
    ],
)
def test_more_than_one_address(texts: list[str], codes: list[str]) -> None:
    found = addresses.judge(lookup(*texts), surroundings())
    assert [problem.code for problem in found] == codes
    assert not any(problem.severity is Severity.ERROR for problem in found)


def test_one_address_at_each_of_two_servers_is_not_several() -> None:
    replies = tuple(
        Reply((ipaddress.ip_address(text),), server=text) for text in ("5.9.0.1", "5.9.0.2")
    )
    assert addresses.judge(Lookup(NAME, replies), surroundings()) == []


def test_without_a_router_the_address_should_be_here() -> None:
    around = surroundings(scenario="external")
    (problem,) = addresses.judge(lookup("198.41.0.4"), around, machine_with("5.9.0.1"))
    assert (problem.code, problem.severity) == ("address-not-here", Severity.WARNING)
    assert "198.41.0.4" in problem.explanation
    own = surroundings(scenario="external", public_networks=DEMONSTRATION)
    assert addresses.judge(lookup("127.0.0.1"), own) == []


@pytest.mark.parametrize(
    ("own", "pointing_to", "severity"),
    [
        (["10.0.0.5"], ["5.9.0.1"], Severity.INFO),
        (["10.0.0.5", "2a01:4f8::1"], ["5.9.0.1"], Severity.INFO),
        (["10.0.0.5", "fd00::5"], ["5.9.0.1", "2a01:4f8::1"], Severity.INFO),
        (["10.0.0.5"], ["5.9.0.1", "2a01:4f8::1"], Severity.WARNING),
        (["10.0.0.5", "5.9.0.2"], ["5.9.0.1"], Severity.WARNING),
        (["10.0.0.5", "2a01:4f8::1"], ["2a01:4f8::2"], Severity.WARNING),
        ([], ["5.9.0.1"], Severity.WARNING),
    ],
)
def test_a_machine_with_private_addresses_alone_has_them_translated(
    own: list[str], pointing_to: list[str], severity: Severity
) -> None:
    around = surroundings(scenario="external")
    (problem,) = addresses.judge(lookup(*pointing_to), around, machine_with(*own))
    assert (problem.code, problem.severity) == ("address-not-here", severity)


def test_one_of_two_addresses_that_is_not_here_is_named_alone() -> None:
    around = surroundings(scenario="external", public_networks=DEMONSTRATION)
    (problem,) = addresses.judge(lookup("127.0.0.1", "2a01:4f8::1"), around)
    assert problem.code == "address-not-here"
    assert "127.0.0.1" not in problem.explanation
    assert "type AAAA, value 2a01:4f8::1" in problem.remedy[1]


def test_what_the_preflight_may_connect_to_is_what_a_ca_can_reach() -> None:
    found = lookup("192.168.0.10", "5.9.0.1", "fe80::1", "2a01:4f8::1")
    assert [str(each) for each in addresses.reachable(found, surroundings())] == [
        "5.9.0.1",
        "2a01:4f8::1",
    ]
