"""Which addresses the public DNS has for the names."""

from __future__ import annotations

import pytest

from certificates.policy.dns_records import Record, common_address, is_address, is_public, records

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


@pytest.mark.parametrize(
    ("text", "address", "public"),
    [
        ("8.8.8.8", True, True),
        ("2600::1", True, True),
        ("192.168.0.10", True, False),
        ("gateway", False, False),
        ("", False, False),
    ],
)
def test_names_are_no_addresses(text: str, address: bool, public: bool) -> None:
    assert is_address(text) is address
    assert is_public(text) is public
