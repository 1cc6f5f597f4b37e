"""The steps that the tests of the main job have in common."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
from celery import Celery

from tests.parts.pebble import TestAuthorities
from tests.parts.product import CHECKOUT, Product

HOSTNAME = "mx.example.test"


def name_of(slug: str) -> str:
    """The hostname of a gateway that a test has for itself."""
    return f"mail.{slug}.test"


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


def rows(product: Product, query: str) -> list[tuple[Any, ...]]:
    """What the query finds in the product's database.

    To wait for something: a command would take a second of a processor each time it is asked.
    """
    if url := product.env.get("DATABASE_URL"):
        with psycopg.connect(url) as server:
            return server.execute(query.encode()).fetchall()
    with closing(sqlite3.connect(product.data_dir / "db.sqlite3", timeout=20)) as file:
        return file.execute(query).fetchall()


def last_state(product: Product) -> str:
    """The state of the last issuance, empty before there is any."""
    found = rows(product, "SELECT state FROM certificates_issuance ORDER BY id DESC LIMIT 1")
    return str(found[0][0]) if found else ""


def send_task(name: str, broker: str, options: Mapping[str, object] | None = None) -> None:
    """Put a message into the queue that the worker takes its work from, as beat does."""
    with Celery("test", broker=broker, set_as_current=False) as app:
        app.conf.broker_transport_options = dict(options or {})
        app.send_task(name)


def embedded_broker(product: Product) -> tuple[str, dict[str, object]]:
    """The product's own broker: its address and options."""
    folder = str(product.data_dir / "broker")
    return "filesystem://", {"data_folder_in": folder, "data_folder_out": folder}


@dataclass(frozen=True)
class Obtained:
    """What ``tests.main_job.obtaining`` said of each issuance, and all else that it wrote."""

    issuances: list[dict[str, Any]]
    log: str


def obtain(product: Product, count: int) -> Obtained:
    """Obtain a certificate for each of so many new gateways, in a process of their own."""
    results = product.log_dir / "obtained.jsonl"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.main_job.obtaining", results, str(count)],
        env=product.env,
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60 * count,
    )
    assert done.returncode == 0, done.stdout
    lines = results.read_text().splitlines()
    return Obtained([json.loads(line) for line in lines], done.stdout)
