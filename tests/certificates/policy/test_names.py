"""Wildcards as a table, and what makes two sets of names the same."""

from __future__ import annotations

import pytest

from certificates.policy.names import covers, identifier_set


@pytest.mark.parametrize(
    ("held", "hostname", "covered"),
    [
        (("mx.example.org",), "mx.example.org", True),
        (("mx.example.org",), "example.org", False),
        (("example.org",), "mx.example.org", False),
        (("*.example.org",), "mx.example.org", True),
        (("*.example.org",), "a.mx.example.org", False),
        (("*.example.org",), "example.org", False),
        (("*.example.org",), "mx.example.com", False),
        (("*.org",), "mx.example.org", False),
        (("m*.example.org",), "mx.example.org", False),
        (("*",), "localhost", False),
        ((), "mx.example.org", False),
    ],
)
def test_a_wildcard_stands_for_one_label(
    held: tuple[str, ...], hostname: str, covered: bool
) -> None:
    assert covers(held, hostname) == covered


def test_the_same_names_in_any_order_are_the_same_set() -> None:
    names = ["mx.example.org", "a.example.org", "b.example.org"]
    assert identifier_set(names) == identifier_set(reversed(names)) == identifier_set(names * 2)


def test_different_sets_are_different() -> None:
    sets = [["a.example"], ["b.example"], ["a.example", "b.example"], ["a.exampleb.example"], []]
    assert len({identifier_set(names) for names in sets}) == len(sets)


def test_a_fingerprint_fits_its_column() -> None:
    assert len(identifier_set(["mx.example.org"])) == 64
