"""Measures what the product promises: `python -m bench.measure starts|issuing|memory`.

Each figure is taken on real parts, and where there is a peer in the same run and in turns with
it, because machines differ and are noisy. Prints Markdown lines for RESULTS.md.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from bench.peer import Peer, Responder
from tests.parts.dns import DnsServer
from tests.parts.memory import command, family, pss
from tests.parts.pebble import TestAuthorities, start_authorities
from tests.parts.postgresql import PostgreSQL
from tests.parts.processes import Process, free_port
from tests.parts.product import CHECKOUT, PASSWORD, Product, clean_environment
from tests.parts.valkey import Valkey

NAME = "mx.example.test"
SETTLE = 20  # seconds until a started product counts as idle
TIMES = 10
LOOK_EVERY = 1.0  # seconds, as the page itself does


def main() -> None:
    """Measure one thing."""
    kinds: dict[str, Callable[[Path], None]] = {
        "starts": starts,
        "issuing": issuing,
        "memory": memory,
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=sorted(kinds))
    what = parser.parse_args().what
    with tempfile.TemporaryDirectory(prefix="gateway-admin-bench-") as directory:
        kinds[what](Path(directory))


def starts(directory: Path) -> None:
    """A fresh clone to ready, a second start to its first byte and to ready."""
    clone = _clone(directory)
    for what in ("fresh clone", "second start", "third start"):
        first_byte, ready = _start_once(clone, directory / "data")
        print(f"| {what} | first byte {first_byte:.1f} s | ready {ready:.1f} s |")


def _clone(directory: Path) -> Path:
    """What a user has: the checkout without the packages that only the tests need."""
    clone = directory / "clone"
    subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(clone)], check=True)
    return clone


def _start_once(clone: Path, data_dir: Path) -> tuple[float, float]:
    port = free_port()
    begin = time.monotonic()
    run = Process(
        [clone / "scripts" / "run", "--data-dir", data_dir, "--port", str(port)],
        log=data_dir.parent / f"run-{port}.log",
        env=clean_environment(),
    )
    with closing(_Stopping(run)):
        run.wait_until(lambda: _status(port) > 0, "The console answers", timeout=300)
        first_byte = time.monotonic() - begin
        run.wait_until(lambda: "Gateway Admin is ready" in run.output(), "It is ready", timeout=300)
        return first_byte, time.monotonic() - begin


class _Stopping:
    def __init__(self, process: Process) -> None:
        self.process = process

    def close(self) -> None:
        """Stop it."""
        self.process.stop()


def _status(port: int) -> int:
    try:
        return requests.get(f"http://127.0.0.1:{port}/sign-in/", timeout=5).status_code
    except requests.ConnectionError:
        return 0


def issuing(directory: Path) -> None:
    """Request to Done on both sets of backends; one production order against the peer."""
    with (
        closing(DnsServer(directory)) as dns,
        closing(start_authorities(directory / "acme", dns=dns.address)) as authorities,
    ):
        _issue(directory, "embedded", authorities, {})
        with (
            closing(PostgreSQL(directory / "postgresql.log")) as postgresql,
            closing(Valkey(directory / "valkey", password="measure")) as valkey,
        ):
            _issue(
                directory,
                "PostgreSQL and Valkey",
                authorities,
                {
                    "DATABASE_URL": postgresql.create_database("measure"),
                    "CELERY_BROKER_URL": valkey.url,
                },
            )


def _issue(
    directory: Path, what: str, authorities: TestAuthorities, backends: dict[str, str]
) -> None:
    responder = Responder(free_port())
    with (
        closing(DnsServer(directory / f"dns {what}")) as dns,
        closing(
            start_authorities(
                directory / f"peer {what}", dns=dns.address, http_port=responder.server_port
            )
        ) as peers,
        Product(
            directory / what / "data", authorities.environment_without_limits() | backends
        ) as product,
    ):
        product.manage(
            *("configure", "--hostname", NAME, "--agree-terms"),
            *("--challenge-port", str(authorities.http_port)),
        )
        product.start(challenge_port=authorities.http_port)
        peer = Peer(peers.production.directory_url, peers.https.bundle, responder)
        product.manage("issue", "--wait")
        peer.obtain([NAME])
        administrator = _signed_in(product)
        totals = [_press_the_button(administrator, product) for _ in range(TIMES)]
        productions, bare = [], []
        before = len(authorities.production.requests())
        for _ in range(TIMES):
            issued = product.json("issue", "--wait")
            productions.append(_seconds(issued["stages"][2]))
            begin = time.monotonic()
            peer.obtain([NAME])
            bare.append(time.monotonic() - begin)
        posts = [r for r in authorities.production.requests()[before:] if r.startswith("POST")]
    print(
        f"| {what} | button to Done {_spread(totals)} s | production stage "
        f"{_spread(productions)} s | bare acme library {_spread(bare)} s | ratio "
        f"{statistics.median(productions) / statistics.median(bare):.1f} | "
        f"{len(posts) / TIMES:.1f} signed requests an order |"
    )


def _signed_in(product: Product) -> requests.Session:
    product.create_administrator()
    session = requests.Session()
    _post(session, f"{product.url}/sign-in/", "/sign-in/", username="admin", password=PASSWORD)
    return session


def _press_the_button(session: requests.Session, product: Product) -> float:
    """Seconds from the row that the button makes to Done, by the row's own times."""
    page = f"{product.url}/gateways/default/"
    answer = _post(session, page, "/gateways/default/issue/")
    while b'hx-trigger="every' in session.get(answer.url, timeout=10).content:
        time.sleep(LOOK_EVERY)
    (gateway,) = product.json("status")["gateways"]
    if gateway["last_issuance"]["state"] != "done":
        raise SystemExit("The issuance failed.")
    return _seconds(gateway["last_issuance"])


def _post(session: requests.Session, page: str, action: str, **fields: str) -> requests.Response:
    """Submit the form of a page as a browser would."""
    shown = session.get(page, timeout=10)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', shown.text)
    if token is None:
        raise SystemExit(f"There is no form on {page}.")
    answer = session.post(
        urljoin(page, action), {"csrfmiddlewaretoken": token[1], **fields}, timeout=10
    )
    answer.raise_for_status()
    return answer


def _seconds(document: dict[str, Any]) -> float:
    started, finished = (
        datetime.datetime.fromisoformat(document[key]) for key in ("started_at", "finished_at")
    )
    return (finished - started).total_seconds()


def _spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.3f} ({min(seconds):.3f}–{max(seconds):.3f})"


def memory(directory: Path) -> None:
    """Proportional set size of every process of an idle product, in MiB."""
    with _running(_clone(directory), directory / "data") as run:
        time.sleep(SETTLE)
        sizes = {pid: pss(pid) for pid in family(run.pid)}
        for pid, size in sizes.items():
            print(f"| {pid} | {command(pid)} | {size:.1f} MiB |", file=sys.stderr)
        print(f"| idle product, {len(sizes)} processes | {sum(sizes.values()):.0f} MiB PSS |")


@contextmanager
def _running(checkout: Path, data_dir: Path) -> Iterator[Process]:
    port = free_port()
    run = Process(
        [checkout / "scripts" / "run", "--data-dir", data_dir, "--port", str(port)],
        log=data_dir.parent / "run.log",
        env=clean_environment(),
    )
    with closing(_Stopping(run)):
        run.wait_until(lambda: "Gateway Admin is ready" in run.output(), "Ready", timeout=120)
        # A page, so that what the console loads on demand is counted.
        _status(port)
        yield run


if __name__ == "__main__":
    os.umask(0o077)
    if not shutil.which("git"):
        raise SystemExit("git is missing.")
    main()
