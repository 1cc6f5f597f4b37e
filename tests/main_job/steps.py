"""The steps that the tests of the main job have in common."""

from __future__ import annotations

from tests.parts.pebble import TestAuthorities
from tests.parts.product import Product

HOSTNAME = "mx.example.test"


def configure(product: Product, authorities: TestAuthorities, *more: str) -> None:
    """The default gateway, with its challenge port where the CA looks."""
    product.manage(
        "configure",
        "--hostname",
        HOSTNAME,
        "--contact-email",
        "postmaster@example.com",
        "--challenge-port",
        str(authorities.http_port),
        "--agree-terms",
        *more,
    )


def start_workers(product: Product, authorities: TestAuthorities) -> None:
    """Responder and worker, both at work."""
    product.start_responder(authorities.http_port)
    product.start_worker()
