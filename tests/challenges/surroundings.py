"""Surroundings of a gateway for the preflight's tests: all well unless a test says otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from challenges.preflight import Surroundings

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def surroundings(**facts: Any) -> Surroundings:
    """A gateway behind a router, challenge port 8080, no networks but the internet's."""
    chosen: dict[str, Any] = {
        "hostnames": ("mail.example.de",),
        "scenario": "lan",
        "challenge_port": 8080,
        "dns_servers": (),
        "public_networks": (),
        "directory_urls": (),
        "ca_bundle": None,
        "now": NOW,
        "system_resolvers": (),
    }
    return Surroundings(**(chosen | facts))
