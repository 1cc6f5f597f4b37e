"""Renewal without anybody's hand: beat finds what is due, and only while it should."""

from __future__ import annotations

import pytest

from tests.main_job.conftest import AtWork, StartProduct
from tests.main_job.steps import rows
from tests.parts.pebble import PebbleOptions
from tests.parts.product import Product

pytestmark = pytest.mark.slow

IN_USE = "SELECT selected_certificate_id FROM certificates_gateway"


def serial_in_use(product: Product, slug: str = "default") -> str:
    """The serial of the gateway's certificate that is in use."""
    (gateway,) = (each for each in product.json("status")["gateways"] if each["slug"] == slug)
    return str(gateway["certificate"]["serial"])


def test_a_certificate_past_half_of_its_short_life_is_renewed_by_itself(
    start_product: StartProduct,
) -> None:
    product, authorities = start_product(PebbleOptions(validity_seconds=30))
    product.manage("issue", "--wait")
    first = serial_in_use(product)
    certificate = rows(product, IN_USE)

    product.processes["worker"].wait_until(
        lambda: rows(product, IN_USE) != certificate, "The renewal is done", timeout=100
    )

    assert serial_in_use(product) != first
    assert authorities.production.issued_count() >= 2
    # What has worked before goes to the production CA at once.
    assert authorities.staging.issued_count() == 1
    assert any("automatic renewal" in event["message"] for event in product.json("log")["events"])


def test_nothing_is_due_while_most_of_the_lifetime_is_left(at_work: AtWork) -> None:
    product, production = at_work.product, at_work.authorities.production
    at_work.add_gateway("fresh")
    product.manage("issue", "fresh", "--wait")
    issued = production.issued_count()

    assert product.json("renew", "--due", "--wait") == {"issuances": [], "held_back": None}
    assert production.issued_count() == issued


def test_a_renewal_by_command_puts_a_new_certificate_to_use(at_work: AtWork) -> None:
    product = at_work.product
    at_work.add_gateway("renewed")
    product.manage("issue", "renewed", "--wait")
    first = serial_in_use(product, "renewed")

    product.manage("renew", "renewed", "--wait")

    assert serial_in_use(product, "renewed") != first
