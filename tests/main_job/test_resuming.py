"""Killed after any request, the issuance is finished by whoever comes next."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from tests.main_job.steps import configure
from tests.parts.pebble import StartAuthorities
from tests.parts.product import CHECKOUT, MakeProduct, Product

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

KILLED = 9


def issue_and_die(product: Product, after: int) -> int:
    """The exit status of an issuance that is to die after so many signed requests."""
    return subprocess.run(
        [sys.executable, "-m", "tests.main_job.killed", str(after)],
        env=product.env,
        cwd=CHECKOUT,
        capture_output=True,
        check=False,
        timeout=60,
    ).returncode


def let_the_lease_run_out(product: Product) -> None:
    """What 45 seconds would do."""
    with sqlite3.connect(product.data_dir / "db.sqlite3") as database:
        database.execute(
            "UPDATE certificates_issuance SET lease_expires_at = '2001-01-01 00:00:00' "
            "WHERE finished_at IS NULL"
        )


def test_killed_after_any_request_it_costs_no_second_certificate(
    make_product: MakeProduct, start_acme: StartAuthorities
) -> None:
    authorities = start_acme()
    with make_product(authorities.environment()) as product:
        configure(product, authorities)
        product.start_responder(authorities.http_port)
        deaths = 0
        while issue_and_die(product, after=deaths % 16 + 1) == KILLED:
            deaths += 1
            let_the_lease_run_out(product)
            resumed = product.run("issue", "--wait", "--json")
            assert '"state": "done"' in resumed.stdout, (deaths, resumed.stdout, resumed.stderr)
            assert authorities.production.issued_count() == deaths
            assert authorities.staging.issued_count() == deaths
        # Two registrations on the first run and seven requests for each of the two orders.
        assert deaths >= 14
