"""The registered domain that a CA counts certificates by."""

from __future__ import annotations

import pytest

from certificates.domains import registered_domain


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("example.com", "example.com"),
        ("mx.example.com", "example.com"),
        ("a.b.mx.example.com", "example.com"),
        ("mx.example.co.uk", "example.co.uk"),
        ("mx.kunde.dyndns.org", "kunde.dyndns.org"),
        ("mx.xn--bcher-kva.example.de", "example.de"),
        ("co.uk", "co.uk"),
        ("mx.example.test", "example.test"),
        ("test", "test"),
    ],
)
def test_it_is_one_label_below_the_public_suffix(name: str, domain: str) -> None:
    assert registered_domain(name) == domain
