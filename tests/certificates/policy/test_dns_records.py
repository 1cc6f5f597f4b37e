"""Which addresses the public DNS has for the names."""

from __future__ import annotations

import pytest

from certificates.policy.dns_records import (
    Record,
    SharedAddress,
    common_address,
    ipv6_addresses,
    is_ipv4,
    is_public,
    records,
)

NAMES = ("mail.example.com", "smtp.example.com")


def test_a_name_that_was_not_found_has_no_address() -> None:
    found = records(NAMES, {"mail.example.com": ["203.0.113.7", "2001:db8::1"], "other": ["::1"]})
    assert found == (Record(NAMES[0], ("203.0.113.7", "2001:db8::1")), Record(NAMES[1]))


@pytest.mark.parametrize(
    ("addresses", "common"),
    [
        ([("203.0.113.7",), ("203.0.113.7", "2001:db8::1")], "203.0.113.7"),
        ([("203.0.113.7",), ()], "203.0.113.7"),
        ([("203.0.113.7",), ("203.0.113.8",)], ""),
        ([("2001:db8::1",)], ""),
        ([(), ()], ""),
    ],
)
def test_the_public_address_is_known_where_all_names_agree(
    addresses: list[tuple[str, ...]], common: str
) -> None:
    assert common_address(Record("a.example", each) for each in addresses) == common


def test_an_ipv6_address_is_no_value_of_an_a_record() -> None:
    record = Record("a.example", ("2001:db8::1", "203.0.113.7", "203.0.113.8", "2001:db8::2"))
    assert record.ipv4 == ("203.0.113.7", "203.0.113.8")
    assert record.ipv6 == ("2001:db8::1", "2001:db8::2")


def test_an_ipv6_address_that_several_names_lead_to_is_said_once() -> None:
    found = records(NAMES, {NAMES[0]: ["2001:db8::1", "::2"], NAMES[1]: ["::7", "2001:db8::1"]})
    assert ipv6_addresses(found) == (
        SharedAddress("2001:db8::1", NAMES),
        SharedAddress("::2", NAMES[:1]),
        SharedAddress("::7", NAMES[1:]),
    )


@pytest.mark.parametrize(
    ("text", "address", "public"),
    [
        ("8.8.8.8", True, True),
        ("2600::1", False, False),
        ("192.168.0.10", True, False),
        ("gateway", False, False),
        ("", False, False),
    ],
)
def test_names_and_ipv6_addresses_are_no_ipv4_addresses(
    text: str, address: bool, public: bool
) -> None:
    assert is_ipv4(text) is address
    assert is_public(text) is public
