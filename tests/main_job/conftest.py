"""Products that are configured for ACME servers of their own, and at work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Protocol

import pytest

from tests.main_job.steps import configure, name_of, start_workers
from tests.parts.dns import DnsServer
from tests.parts.pebble import (
    PebbleOptions,
    StartAuthorities,
    TestAuthorities,
    start_authorities,
)
from tests.parts.product import MakeProduct, Product


class StartProduct(Protocol):
    """What the fixture ``start_product`` is."""

    def __call__(
        self, options: PebbleOptions | None = None, *configured: str
    ) -> tuple[Product, TestAuthorities]:
        """A product at work and its ACME servers, which the test may hurt as it likes."""
        ...


@pytest.fixture
def start_product(
    make_product: MakeProduct, start_acme: StartAuthorities
) -> Iterator[StartProduct]:
    """Starts responder and worker for a gateway that is configured; stops them afterwards."""
    with ExitStack() as running:

        def start(
            options: PebbleOptions | None = None, *configured: str
        ) -> tuple[Product, TestAuthorities]:
            authorities = start_acme(options)
            product = running.enter_context(make_product(authorities.environment()))
            configure(product, authorities, *configured)
            start_workers(product, authorities)
            return product, authorities

        yield start


@dataclass(frozen=True)
class AtWork:
    """A product at work and its ACME servers, which tests leave as they were."""

    product: Product
    authorities: TestAuthorities

    def add_gateway(self, slug: str, *configured: str) -> None:
        """A gateway of the test's own, without a certificate."""
        self.product.manage(
            "configure",
            "--gateway",
            slug,
            "--hostname",
            name_of(slug),
            "--contact-email",
            "postmaster@example.com",
            "--agree-terms",
            *configured,
        )


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory, dns_server: DnsServer) -> Iterator[AtWork]:
    """One product for all tests of a module that need no more than a gateway of their own."""
    directory = tmp_path_factory.mktemp("at-work")
    with (
        closing(start_authorities(directory / "acme", dns=dns_server.address)) as authorities,
        Product(directory / "product" / "data", authorities.environment()) as product,
    ):
        configure(product, authorities)
        start_workers(product, authorities)
        yield AtWork(product, authorities)
