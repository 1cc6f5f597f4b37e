"""A rehearsal finds out long before the renewal that it would fail, and touches nothing in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.main_job.conftest import StartProduct
from tests.parts.pebble import Pebble, PebbleOptions, TestAuthorities
from tests.parts.processes import answers, free_port
from tests.parts.product import Product

pytestmark = pytest.mark.slow

# As Let's Encrypt does it: what was validated once is not validated again for weeks.
REUSING = PebbleOptions(authorization_reuse_percent=100)


@dataclass(frozen=True)
class InUse:
    """What a rehearsal must not change: the files in use, and what the production CA has done."""

    files: dict[str, bytes]
    orders: int
    certificates: int

    @classmethod
    def of(cls, product: Product, authorities: TestAuthorities) -> InUse:
        """As it is now."""
        live = product.data_dir / "live" / "default"
        return cls(
            {str(path.resolve()): path.read_bytes() for path in live.iterdir()},
            authorities.production.placed_count(),
            authorities.production.issued_count(),
        )


def warning_codes(product: Product) -> set[str]:
    """The codes of the warnings that hold now."""
    return {warning["code"] for warning in product.json("warnings")["warnings"]}


def answered_challenges(ca: Pebble) -> int:
    """How often the CA was told to come and validate."""
    return sum(request.startswith("POST /chalZ/") for request in ca.requests())


def move_challenge_port(product: Product, port: int) -> None:
    """The responder answers at another port from now on."""
    product.manage("configure", "--challenge-port", str(port))
    product.processes["challenges"].wait_until(
        lambda: answers(port), "The responder answers at the other port"
    )


def last_rehearsal(product: Product) -> dict[str, Any]:
    """How the gateway's last rehearsal ended."""
    (gateway,) = product.json("status")["gateways"]
    return dict(gateway["last_rehearsal"])


def test_a_challenge_port_that_is_shut_is_found_by_the_rehearsal_and_nothing_in_use_is_touched(
    start_product: StartProduct,
) -> None:
    product, authorities = start_product(REUSING)
    product.manage("issue", "--wait")
    in_use = InUse.of(product, authorities)
    validations = answered_challenges(authorities.staging)

    # The router's rule leads nowhere any more.
    move_challenge_port(product, free_port())
    refused = product.run("rehearse", "--wait")

    assert refused.returncode == 1
    assert "TCP port 80" in refused.stderr
    assert "rehearsal-failed" in warning_codes(product)
    assert last_rehearsal(product)["state"] == "failed"
    # The CA has validated the name before, and came all the same: that was given up.
    assert answered_challenges(authorities.staging) == validations + 1
    assert InUse.of(product, authorities) == in_use

    move_challenge_port(product, authorities.http_port)
    rehearsed = product.json("rehearse", "--wait")

    assert (rehearsed["state"], rehearsed["trigger"]) == ("done", "rehearsal")
    assert "rehearsal-failed" not in warning_codes(product)
    assert answered_challenges(authorities.staging) == validations + 2
    assert InUse.of(product, authorities) == in_use


def test_each_rehearsal_is_validated_anew_by_a_ca_that_would_not_ask_again(
    start_product: StartProduct,
) -> None:
    product, authorities = start_product(REUSING)
    product.manage("issue", "--wait")
    in_use = InUse.of(product, authorities)
    validations = answered_challenges(authorities.staging)

    for number in (1, 2):
        assert product.json("rehearse", "--wait")["state"] == "done"
        assert answered_challenges(authorities.staging) == validations + number

    assert authorities.staging.issued_count() == 3
    assert InUse.of(product, authorities) == in_use
