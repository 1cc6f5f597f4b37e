"""A worker keeps its database connections, and notices when the server has cut them."""

from __future__ import annotations

import psycopg
import pytest

from tests.main_job.steps import configure, last_state, start_workers
from tests.parts.pebble import TestAuthorities
from tests.parts.postgresql import PostgreSQL
from tests.parts.product import MakeProduct
from tests.parts.valkey import Valkey

pytestmark = pytest.mark.slow


def test_connections_that_the_server_has_cut_cost_no_issuance(
    make_product: MakeProduct,
    authorities: TestAuthorities,
    postgresql: PostgreSQL,
    valkey: Valkey,
) -> None:
    url = postgresql.create_database("gateway_admin_cut")
    backends = {"DATABASE_URL": url, "CELERY_BROKER_URL": valkey.url}
    with make_product(authorities.environment() | backends) as product:
        configure(product, authorities)
        start_workers(product, authorities)
        assert product.json("issue", "--wait")["state"] == "done"
        for _ in range(3):
            with psycopg.connect(url, autocommit=True) as connection:
                cut = connection.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                ).fetchone()
            assert cut is not None
            assert cut[0] > 0

            issuance = product.json("issue")["id"]

            product.processes["worker"].wait_until(
                lambda: last_state(product) == "done",
                "The worker has finished the issuance",
                timeout=20,
            )
            last = product.json("status")["gateways"][0]["last_issuance"]
            assert last["id"] == issuance
        assert "Traceback" not in product.processes["worker"].output()
