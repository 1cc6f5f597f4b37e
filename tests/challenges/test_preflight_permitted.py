"""Where the preflight may connect to, and that nothing leads it elsewhere."""

from __future__ import annotations

import ipaddress
from operator import attrgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenges.preflight.permitted import may_ask_process, may_connect
from challenges.preflight.surroundings import Address
from tests.challenges.surroundings import surroundings

LAN, EXTERNAL = surroundings(), surroundings(scenario="external")
DEMONSTRATION = surroundings(public_networks=(ipaddress.ip_network("127.0.0.0/8"),))
IPV4 = st.ip_addresses(v=4)
SPECIAL = tuple(
    attrgetter(f"is_{kind}")
    for kind in ("loopback", "link_local", "multicast", "unspecified", "reserved", "private")
)


def in_6to4(inner: ipaddress.IPv4Address) -> Address:
    return ipaddress.IPv6Address((0x2002 << 112) | (int(inner) << 80) | 1)


def in_teredo(inner: ipaddress.IPv4Address) -> Address:
    # RFC 4380 §4: the client's address is inverted.
    return ipaddress.IPv6Address(
        (0x20010000 << 96) | (0x41000001 << 64) | (~int(inner) & 2**32 - 1)
    )


def in_isatap(inner: ipaddress.IPv4Address) -> Address:
    return ipaddress.IPv6Address((0x2A0104F8 << 96) | (0x5EFE << 32) | int(inner))


def mapped(inner: ipaddress.IPv4Address) -> Address:
    return ipaddress.IPv6Address((0xFFFF << 32) | int(inner))


def compatible(inner: ipaddress.IPv4Address) -> Address:
    return ipaddress.IPv6Address(int(inner))


def in_nat64(inner: ipaddress.IPv4Address) -> Address:
    return ipaddress.IPv6Address((0x0064FF9B << 96) | int(inner))


@pytest.mark.parametrize(
    ("address", "is_permitted"),
    [
        ("198.41.0.4", True),
        ("2a01:4f8::1", True),
        ("192.168.0.10", False),
        ("10.0.0.1", False),
        ("172.31.255.255", False),
        ("fd12:3456::1", False),
        ("172.32.0.1", True),
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("::1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("169.254.169.254", False),
        ("169.254.170.2", False),
        ("fe80::1", False),
        ("fe80::a9fe:a9fe", False),
        ("fd00:ec2::254", False),
        ("fd20:ce::254", False),
        ("100.100.100.200", False),
        ("168.63.129.16", False),
        ("192.0.0.192", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("ff02::1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("2001:db8::1", False),
        ("fec0::1", False),
        ("64:ff9b:1::a9fe:a9fe", False),
        ("::ffff:198.41.0.4", False),
        ("fe80::1%eth0", False),
        ("2a01:4f8::1%eth0", False),
        ("fd12::1%eth0", False),
    ],
)
def test_whether_an_address_may_be_connected_to(address: str, is_permitted: bool) -> None:
    for around in (LAN, EXTERNAL):
        assert may_connect(ipaddress.ip_address(address), around) is is_permitted


def test_what_counts_as_public_may_be_connected_to_and_nothing_beside_it() -> None:
    assert may_connect(ipaddress.ip_address("127.0.0.1"), DEMONSTRATION)
    assert not may_connect(ipaddress.ip_address("::1"), DEMONSTRATION)
    everything = surroundings(public_networks=(ipaddress.ip_network("0.0.0.0/0"),))
    assert not may_connect(ipaddress.ip_address("169.254.169.254"), everything)


@pytest.mark.parametrize(
    ("address", "is_permitted"),
    [
        ("172.18.0.4", True),
        ("192.168.0.10", True),
        ("100.64.0.1", True),
        ("198.41.0.4", True),
        ("fd12:3456::1", True),
        ("2a01:4f8::1", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:172.18.0.4", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::1", False),
        ("2a01:4f8::5efe:a9fe:a9fe", False),
        ("169.254.169.254", False),
        ("fe80::1", False),
        ("fd12::1%eth0", False),
        ("fd00:ec2::254", False),
        ("100.100.100.200", False),
        ("168.63.129.16", False),
        ("0.0.0.0", False),
        ("0.1.2.3", False),
        ("::", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
    ],
)
def test_where_a_challenge_process_of_another_machine_may_be_asked(
    address: str, is_permitted: bool
) -> None:
    for around in (LAN, EXTERNAL):
        assert may_ask_process(ipaddress.ip_address(address), around) is is_permitted


@pytest.mark.parametrize("wrap", [in_6to4, in_teredo, in_isatap, mapped, compatible, in_nat64])
@given(inner=IPV4)
def test_wrapping_an_address_into_ipv6_never_permits_more(
    wrap: object, inner: ipaddress.IPv4Address
) -> None:
    assert callable(wrap)
    if not may_connect(inner, LAN):
        assert not may_connect(wrap(inner), LAN)


@given(address=st.ip_addresses())
def test_nothing_special_is_ever_permitted(address: Address) -> None:
    for around in (LAN, EXTERNAL):
        if may_connect(address, around):
            assert address.is_global
            assert not any(is_special(address) for is_special in SPECIAL)
