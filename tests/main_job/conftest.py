"""Products that are configured for ACME servers of their own, and at work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest

from tests.main_job.steps import configure, start_workers
from tests.parts.pebble import PebbleOptions, StartAuthorities, TestAuthorities
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
