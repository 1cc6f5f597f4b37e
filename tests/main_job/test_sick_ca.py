"""A CA that is sick at three of ten requests costs patience, and no certificate."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from tests.main_job.steps import Obtained, configure, obtain
from tests.parts.faulty_ca import (
    Endpoint,
    Fault,
    FaultyAuthorities,
    StartFaultyAuthorities,
)
from tests.parts.product import MakeProduct

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SICK = 0.3
# Requests of one issuance at one CA, on average. Seven are needed; three of ten fail and are
# repeated, and where a connection was lost the directory and a nonce are asked for as well.
MOST_REQUESTS = 30

REFUSALS = [Fault.status(500), Fault.status(502), Fault.status(503), Fault.status(504)]
BUSY = [
    Fault.status(503, retry_after="1"),
    Fault.problem("rateLimited", status=429, retry_after="1"),
    Fault.status(429),
]
LOST = [
    Fault.reset_before(),
    Fault.reset_after(),
    Fault.close_after(),
    Fault.stall(seconds=0.5),
    Fault.stall(seconds=0.5, after_ca=True),
]
MANGLED = [
    Fault.truncate(),
    Fault.body(b""),
    Fault.body(b"{"),
    Fault.body(b"null"),
    Fault.body(b"\xff" * 100),
    Fault.huge(),
    Fault.html(),
    Fault.html(502),
]


@pytest.fixture
def fall_ill(
    make_product: MakeProduct,
    start_faulty_acme: StartFaultyAuthorities,
    repetitions: Callable[[int, int], int],
) -> Callable[[Sequence[Fault], int], None]:
    """Obtains so many certificates, or 100, from CAs with such faults; all must succeed."""

    def obtain_from(faults: Sequence[Fault], usual_count: int) -> None:
        authorities, count = start_faulty_acme(), repetitions(usual_count, 100)
        for ca in authorities.both:
            ca.rules.add(faults, probability=SICK)
        with make_product(authorities.environment()) as product:
            configure(product, authorities.behind)
            product.start_responder(authorities.http_port)
            obtained = obtain(product, count)
        assert_all_is_well(obtained, authorities, count)

    return obtain_from


def assert_all_is_well(obtained: Obtained, authorities: FaultyAuthorities, count: int) -> None:
    """Every certificate was obtained, none twice, and the CA was not annoyed."""
    assert [issuance for issuance in obtained.issuances if issuance["state"] != "done"] == []
    assert len(obtained.issuances) == count
    assert "Traceback" not in obtained.log
    for ca in authorities.both:
        assert ca.log.certificates_issued == count
        assert sum(ca.counts.values()) <= MOST_REQUESTS * count
        # One whose answer did not arrive cannot be found again (RFC 8555 §7.4).
        unheard = [seen for seen in ca.requests(Endpoint.NEW_ORDER) if seen.answered_by != "ca"]
        assert ca.log.orders_placed <= count + len(unheard)


@pytest.mark.parametrize(
    ("faults", "usual_count"),
    [
        pytest.param(REFUSALS, 2, id="errors of its own", marks=pytest.mark.soak),
        pytest.param(BUSY, 2, id="busy", marks=pytest.mark.soak),
        pytest.param(LOST, 2, id="connections lost", marks=pytest.mark.soak),
        pytest.param(MANGLED, 2, id="bodies mangled", marks=pytest.mark.soak),
        pytest.param([*REFUSALS, *BUSY, *LOST, *MANGLED], 5, id="everything"),
    ],
)
def test_every_issuance_succeeds_at_a_ca_that_is_sick_at_three_of_ten_requests(
    fall_ill: Callable[[Sequence[Fault], int], None], faults: Sequence[Fault], usual_count: int
) -> None:
    fall_ill(faults, usual_count)
