"""Staging and production, each behind a faulty CA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tests.parts.faulty_ca.server import FaultyCa
from tests.parts.pebble import PebbleOptions, TestAuthorities


@dataclass(frozen=True)
class FaultyAuthorities:
    """Two faulty CAs; ``behind`` are the servers that they stand in front of."""

    staging: FaultyCa
    production: FaultyCa
    behind: TestAuthorities

    @classmethod
    def before(cls, behind: TestAuthorities, *, seed: int = 0) -> FaultyAuthorities:
        """Put one in front of each; ``close()`` ends them, and not what is behind."""
        staging, production = (
            FaultyCa(pebble, behind.https, seed=seed + number)
            for number, pebble in enumerate((behind.staging, behind.production))
        )
        return cls(staging, production, behind)

    @property
    def both(self) -> tuple[FaultyCa, FaultyCa]:
        """Staging, then production."""
        return self.staging, self.production

    @property
    def http_port(self) -> int:
        """Where both validate HTTP-01."""
        return self.behind.http_port

    def environment(self) -> dict[str, str]:
        """The product's environment variables for these CAs."""
        return self.behind.environment() | {
            "GATEWAY_ADMIN_ACME_STAGING_URL": self.staging.directory_url,
            "GATEWAY_ADMIN_ACME_PRODUCTION_URL": self.production.directory_url,
        }

    def close(self) -> None:
        """End both."""
        for ca in self.both:
            ca.close()


class StartFaultyAuthorities(Protocol):
    """What the fixture ``start_faulty_acme`` is."""

    def __call__(
        self,
        options: PebbleOptions | None = None,
        *,
        http_port: int | None = None,
        seed: int = 0,
    ) -> FaultyAuthorities:
        """Start a pair; ``seed`` decides what happens by chance."""
        ...
