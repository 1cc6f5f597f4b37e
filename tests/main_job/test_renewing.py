"""Renewal without anybody's hand: beat finds what is due, and only while it should."""

from __future__ import annotations

import pytest

from tests.main_job.steps import configure, start_workers
from tests.parts.pebble import PebbleOptions, StartAuthorities
from tests.parts.product import MakeProduct, Product

pytestmark = pytest.mark.slow


def serial_in_use(product: Product) -> str:
    """The serial of the certificate that is in use."""
    (gateway,) = product.json("status")["gateways"]
    return str(gateway["certificate"]["serial"])


def test_a_certificate_past_half_of_its_short_life_is_renewed_by_itself(
    make_product: MakeProduct, start_acme: StartAuthorities
) -> None:
    authorities = start_acme(PebbleOptions(validity_seconds=30))
    with make_product(authorities.environment()) as product:
        configure(product, authorities)
        start_workers(product, authorities)
        product.manage("issue", "--wait")
        first = serial_in_use(product)

        product.processes["worker"].wait_until(
            lambda: serial_in_use(product) != first, "The renewal is done", timeout=100
        )

        assert authorities.staging.issued_count() >= 2
        assert any(
            "automatic renewal" in event["message"] for event in product.json("log")["events"]
        )


def test_nothing_is_due_while_most_of_the_lifetime_is_left(
    make_product: MakeProduct, start_acme: StartAuthorities
) -> None:
    authorities = start_acme()
    with make_product(authorities.environment()) as product:
        configure(product, authorities)
        start_workers(product, authorities)
        product.manage("issue", "--wait")

        assert product.json("renew", "--due", "--wait") == {"issuances": []}
        assert authorities.production.issued_count() == 1


def test_a_renewal_by_command_puts_a_new_certificate_to_use(
    make_product: MakeProduct, start_acme: StartAuthorities
) -> None:
    authorities = start_acme()
    with make_product(authorities.environment()) as product:
        configure(product, authorities)
        start_workers(product, authorities)
        product.manage("issue", "--wait")
        first = serial_in_use(product)

        product.manage("renew", "default", "--wait")

        assert serial_in_use(product) != first
