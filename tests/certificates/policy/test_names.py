"""Wildcards, as a table."""

from __future__ import annotations

import pytest

from certificates.policy.names import covers


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
