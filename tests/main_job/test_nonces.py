"""A CA that refuses nonces, however many, costs no issuance (RFC 8555 §6.5)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.main_job.steps import configure, obtain
from tests.parts.pebble import PebbleOptions, StartAuthorities
from tests.parts.product import MakeProduct

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.mark.parametrize(
    "percent", [*(pytest.param(each, marks=pytest.mark.soak) for each in (0, 5, 20)), 50, 90]
)
def test_every_issuance_succeeds_however_many_nonces_are_refused(
    make_product: MakeProduct,
    start_acme: StartAuthorities,
    repetitions: Callable[[int, int], int],
    percent: int,
) -> None:
    authorities, count = (
        start_acme(PebbleOptions(nonce_reject_percent=percent)),
        repetitions(3, 100),
    )
    with make_product(authorities.environment()) as product:
        configure(product, authorities)
        product.start_responder(authorities.http_port)
        obtained = obtain(product, count)
    assert [issuance for issuance in obtained.issuances if issuance["state"] != "done"] == []
    assert len(obtained.issuances) == count
    assert "Traceback" not in obtained.log
    for authority in (authorities.staging, authorities.production):
        assert authority.issued_count() == count
