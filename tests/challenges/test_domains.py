"""The registered domain that a CA counts certificates by, and the suffixes above it."""

from __future__ import annotations

import pytest

from challenges.domains import has_known_ending, is_suffix, registered_domain


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("example.com", "example.com"),
        ("mx.example.com", "example.com"),
        ("a.b.mx.example.com", "example.com"),
        ("mx.example.co.uk", "example.co.uk"),
        ("mx.kunde.dyndns.org", "kunde.dyndns.org"),
        ("mx.xn--bcher-kva.example.de", "example.de"),
        ("mx.gateway.duckdns.org", "gateway.duckdns.org"),
        ("duckdns.org", "duckdns.org"),
        ("co.uk", "co.uk"),
        ("mx.example.test", "example.test"),
        ("test", "test"),
    ],
)
def test_it_is_one_label_below_the_public_suffix(name: str, domain: str) -> None:
    assert registered_domain(name) == domain


def test_a_suffix_is_the_registries_and_not_a_companys() -> None:
    # The one answer does not colour the other: both come from the same list.
    assert registered_domain("mx.kunde.dyndns.org") == "kunde.dyndns.org"
    assert [is_suffix(name) for name in ("co.uk", "uk", "dyndns.org", "example.com")] == [
        *(True, True),
        *(False, False),
    ]


def test_an_ending_is_known_or_not() -> None:
    assert has_known_ending("mx.kunde.dyndns.org")
    assert not has_known_ending("mx.example.fritzbox")
