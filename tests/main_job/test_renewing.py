"""Renewal without anybody's hand: beat finds what is due, and only while it should."""

from __future__ import annotations

import pytest

from tests.main_job.conftest import StartProduct
from tests.parts.pebble import PebbleOptions
from tests.parts.product import Product

pytestmark = pytest.mark.slow


def serial_in_use(product: Product) -> str:
    """The serial of the certificate that is in use."""
    (gateway,) = product.json("status")["gateways"]
    return str(gateway["certificate"]["serial"])


def test_a_certificate_past_half_of_its_short_life_is_renewed_by_itself(
    start_product: StartProduct,
) -> None:
    product, authorities = start_product(PebbleOptions(validity_seconds=30))
    product.manage("issue", "--wait")
    first = serial_in_use(product)

    product.processes["worker"].wait_until(
        lambda: serial_in_use(product) != first, "The renewal is done", timeout=100
    )

    assert authorities.production.issued_count() >= 2
    # What has worked before goes to the production CA at once.
    assert authorities.staging.issued_count() == 1
    assert any("automatic renewal" in event["message"] for event in product.json("log")["events"])


def test_nothing_is_due_while_most_of_the_lifetime_is_left(
    start_product: StartProduct,
) -> None:
    product, authorities = start_product()
    product.manage("issue", "--wait")

    assert product.json("renew", "--due", "--wait") == {"issuances": [], "held_back": None}
    assert authorities.production.issued_count() == 1


def test_a_renewal_by_command_puts_a_new_certificate_to_use(
    start_product: StartProduct,
) -> None:
    product, _ = start_product()
    product.manage("issue", "--wait")
    first = serial_in_use(product)

    product.manage("renew", "default", "--wait")

    assert serial_in_use(product) != first
