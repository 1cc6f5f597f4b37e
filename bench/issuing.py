"""One certificate, one with many names, and a thousand renewals: `python -m bench.issuing`.

Ours against the acme library with polling of its own, certbot and uacme, in turns at ACME servers
of the same kind, because machines differ and are noisy. Prints Markdown lines for RESULTS.md.
"""

from __future__ import annotations

import argparse
import datetime
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from bench.clients import Certbot, Client, Uacme
from bench.peer import Peer, Responder
from tests.parts.dns import DnsServer
from tests.parts.pebble import TestAuthorities, start_authorities
from tests.parts.postgresql import PostgreSQL
from tests.parts.processes import free_port, wait_until
from tests.parts.product import CHECKOUT, Product
from tests.parts.valkey import Valkey

TIMES = 7
MANY_NAMES = 100


class Ours:
    """The product at work; timed are its production orders alone, as the others have no other."""

    name = "Gateway Admin"

    def __init__(self, product: Product, authorities: TestAuthorities) -> None:
        self._product = product
        self.last = 0.0
        product.manage("configure", "--challenge-port", str(authorities.http_port))
        product.start(challenge_port=authorities.http_port)

    def obtain(self, names: Sequence[str]) -> None:
        """Through the worker, as the button does; ``last`` is its production stage."""
        self._product.manage(
            *("configure", "--hostname", names[0], "--agree-terms"),
            *("--additional-hostnames", ",".join(names[1:])),
        )
        issued = self._product.json("issue", "--wait", timeout=300)
        stage = next(each for each in issued["stages"] if each["stage"] == "production")
        self.last = _seconds(stage)


def main() -> None:
    """Measure what the arguments name, or all of it."""
    kinds: dict[str, Callable[[Path], None]] = {"clients": clients, "renewals": renewals}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", choices=[[], *kinds], help="default: both")
    parser.add_argument("--count", type=int, default=1000, help="of renewals")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-admin-bench-") as directory:
        for what in given.what or kinds:
            if what == "renewals":
                renewals(Path(directory), given.count)
            else:
                kinds[what](Path(directory))


def clients(directory: Path) -> None:
    """Each client in turns: one name, and a hundred."""
    with ExitStack() as stack:
        dns = stack.enter_context(closing(DnsServer(directory)))
        webroot = directory / "webroot"
        webroot.mkdir()
        responder = Responder(free_port(), webroot)
        theirs = stack.enter_context(
            closing(
                start_authorities(
                    directory / "theirs", dns=dns.address, http_port=responder.server_port
                )
            )
        )
        standalone = stack.enter_context(
            closing(start_authorities(directory / "standalone", dns=dns.address))
        )
        own = stack.enter_context(closing(start_authorities(directory / "ours", dns=dns.address)))
        product = stack.enter_context(
            Product(directory / "product" / "data", own.environment_without_limits())
        )
        measured: list[tuple[Client, TestAuthorities]] = [
            (Ours(product, own), own),
            (
                Peer(theirs.production.directory_url, theirs.https.bundle, responder),
                theirs,
            ),
            (_uacme(directory, theirs, webroot), theirs),
            (_certbot(directory, standalone), standalone),
        ]
        _compare(measured, lambda number: [f"n{number}.example.test"], TIMES, "one name")
        many = [f"m{number}.example.test" for number in range(MANY_NAMES)]
        _compare(measured, lambda _: many, 2, f"{MANY_NAMES} names")


def _uacme(directory: Path, authorities: TestAuthorities, webroot: Path) -> Client:
    place = directory / "uacme"
    place.mkdir()
    return Uacme(place, authorities.production.directory_url, authorities.https.bundle, webroot)


def _certbot(directory: Path, authorities: TestAuthorities) -> Client:
    place = directory / "certbot"
    place.mkdir()
    return Certbot(
        place,
        authorities.production.directory_url,
        authorities.https.bundle,
        authorities.http_port,
    )


def _compare(
    measured: Sequence[tuple[Client, TestAuthorities]],
    names: Callable[[int], Sequence[str]],
    times: int,
    what: str,
) -> None:
    seconds: dict[str, list[float]] = {client.name: [] for client, _ in measured}
    requests: dict[str, list[int]] = {client.name: [] for client, _ in measured}
    for number in range(times):
        for client, authorities in measured:
            before = len(authorities.production.requests())
            begin = time.monotonic()
            client.obtain(names(number))
            took = time.monotonic() - begin
            seconds[client.name].append(client.last if isinstance(client, Ours) else took)
            requests[client.name].append(len(authorities.production.requests()) - before)
    for client, _ in measured:
        taken = seconds[client.name]
        print(
            f"| {what} | {client.name} | {statistics.median(taken):.3f} "
            f"({min(taken):.3f}–{max(taken):.3f}) s | "
            f"{statistics.median(requests[client.name]):.0f} requests |",
            flush=True,
        )


def renewals(directory: Path, count: int = 1000) -> None:
    """So many renewals that are due at once, with one worker process and with two."""
    with ExitStack() as stack:
        dns = stack.enter_context(closing(DnsServer(directory / "renewals-dns")))
        postgresql = stack.enter_context(closing(PostgreSQL(directory / "postgresql.log")))
        valkey = stack.enter_context(closing(Valkey(directory / "valkey", password="measure")))
        for workers in (1, 2):
            valkey.flush()
            backends = {
                "DATABASE_URL": postgresql.create_database(f"renewals{workers}"),
                "CELERY_BROKER_URL": valkey.url,
            }
            _renew(directory / f"workers{workers}", dns, backends, count, workers)
        _renew(directory / "embedded", dns, {}, count, 1)


def _renew(
    directory: Path, dns: DnsServer, backends: Mapping[str, str], count: int, workers: int
) -> None:
    with (
        closing(start_authorities(directory / "acme", dns=dns.address)) as authorities,
        Product(
            directory / "data", authorities.environment_without_limits() | dict(backends)
        ) as product,
    ):
        product.manage("configure", "--challenge-port", str(authorities.http_port))
        _helper(product, "prepare", str(count))
        product.start_responder(authorities.http_port)
        for number in range(workers):
            product.start_command(f"worker{number}", [sys.executable, "-m", "gateway_admin.worker"])
        wait_until(lambda: _ended(product) >= count, "All are renewed", timeout=1200, every=2)
        done, failed, seconds = _helper(product, "done").split()
    backend = "PostgreSQL and Valkey" if backends else "embedded"
    print(
        f"| {backend} | {workers} worker(s) | {done} renewed, {failed} failed | "
        f"{float(seconds):.1f} s | {60 * int(done) / float(seconds):.0f} a minute |",
        flush=True,
    )


def _ended(product: Product) -> int:
    done, failed, _ = _helper(product, "done").split()
    return int(done) + int(failed)


def _helper(product: Product, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "bench.renewals", *arguments],
        env=product.env,
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def _seconds(stage: Mapping[str, str]) -> float:
    started, finished = (
        datetime.datetime.fromisoformat(stage[key]) for key in ("started_at", "finished_at")
    )
    return (finished - started).total_seconds()


if __name__ == "__main__":
    main()
