"""Ten thousand slow strangers at the challenge port cost no certificate and little memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.challenges.conftest import get
from tests.main_job.steps import configure, obtain
from tests.parts.memory import family_pss
from tests.parts.pebble import StartAuthorities, TestAuthorities
from tests.parts.product import MakeProduct, Product
from tests.parts.strangers import Strangers, most

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

STRANGERS = 10_000
# Seconds from a connection's begin to its end, and what this machine may be late by.
LONGEST = 10.0
LATE = 2.0
# Seconds after which all who were there at first have been replaced.
GENERATION = 6.0
MOST_MEMORY = 60  # MiB
UNKNOWN = f"/.well-known/acme-challenge/{'u' * 43}"


@pytest.fixture
def at_work(
    make_product: MakeProduct, start_acme: StartAuthorities
) -> Iterator[tuple[Product, TestAuthorities]]:
    """A product whose challenge port is served, and its CAs."""
    authorities = start_acme()
    # A hundred orders would wait for the CA's limits.
    environment = authorities.environment_without_limits()
    with make_product(environment) as product:
        configure(product, authorities)
        product.start_responder(authorities.http_port)
        yield product, authorities


def answer_times(port: int, until: Callable[[], bool]) -> list[float]:
    """How long each look at a token took, in seconds, during a generation or more."""
    times: list[float] = []
    end = time.monotonic() + GENERATION
    while time.monotonic() < end or not until():
        begin = time.monotonic()
        assert b" 404 " in get(port, UNKNOWN)[:20]
        times.append(time.monotonic() - begin)
        time.sleep(0.05)
    return sorted(times)


def test_ten_thousand_slow_connections_cost_no_issuance(
    at_work: tuple[Product, TestAuthorities],
    tmp_path: Path,
    repetitions: Callable[[int, int], int],
    record_property: Callable[[str, object], None],
) -> None:
    product, authorities = at_work
    port, count = authorities.http_port, repetitions(3, 100)
    pid = product.processes["challenges"].pid

    with (
        Strangers(port, most(STRANGERS), tmp_path / "strangers.log") as strangers,
        ThreadPoolExecutor() as pool,
    ):
        strangers.wait_until_all_are_there(timeout=60)
        obtaining = pool.submit(obtain, product, count)
        times = answer_times(port, obtaining.done)
        memory = family_pss(pid)
        held = strangers.tally().open
        issuances = obtaining.result().issuances
        end = strangers.leave()

    record_property("slowest answer (s)", times[-1])
    record_property("memory (MiB)", memory)
    record_property("longest connection (s)", max(end.longest.values()))
    assert [issuance["state"] for issuance in issuances] == ["done"] * count, issuances
    assert held >= 0.9 * strangers.count, "they were there all the time"
    assert end.failed == 0, "nobody was turned away"
    assert max(end.longest.values()) <= LONGEST + LATE, end.longest
    # A machine that runs other tests as well lets anybody wait now and then.
    assert statistics.median(times) < 1
    assert memory < MOST_MEMORY
    assert "Traceback" not in product.processes["challenges"].output()
