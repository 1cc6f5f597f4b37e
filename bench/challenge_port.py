"""The challenge port, against other servers and under slow strangers.

`python -m bench.challenge_port speed` lets wrk ask each program in turns, because machines differ
and are noisy; `steadiness` holds ten thousand slow connections open against ours while
certificates are obtained. Prints Markdown lines for RESULTS.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from bench import responders
from bench.responders import KNOWN, UNKNOWN, Responder
from bench.wrk import Load, load
from tests.challenges.conftest import get
from tests.main_job.steps import configure, obtain
from tests.parts.dns import DnsServer
from tests.parts.memory import family_pss
from tests.parts.pebble import start_authorities
from tests.parts.postgresql import PostgreSQL
from tests.parts.processes import PartError, find_program
from tests.parts.product import Product
from tests.parts.strangers import Strangers, most

PARTS = {
    "wrk": ("wrk",),
    "nginx-light": ("nginx",),
    "caddy": ("caddy",),
    "postgresql": ("postgres",),
    "pebble": ("pebble",),
}
STRANGERS = 10_000
EVERY = 0.05  # seconds between two looks at a token


@dataclass
class Measured:
    """What is asked for at one server, and what came of each turn."""

    responder: Responder
    path: str
    loads: list[Load] = field(default_factory=list)

    @property
    def name(self) -> str:
        """For the table."""
        return (
            f"{self.responder.name}, unknown token" if self.path == UNKNOWN else self.responder.name
        )

    def take(self, seconds: int, *, close: bool) -> None:
        """One turn; a published token that is refused would make every figure worthless."""
        taken = load(self.responder.url(self.path), seconds, close=close)
        if self.path == KNOWN and taken.refused:
            raise SystemExit(f"{self.name} has refused {taken.refused} requests.")
        self.loads.append(taken)

    def middle(self, figure: Callable[[Load], float]) -> float:
        """The median of the turns."""
        return statistics.median(map(figure, self.loads))


def main() -> None:
    """Measure what the arguments name, or all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "what", nargs="*", choices=[[], "speed", "steadiness"], help="default: both"
    )
    parser.add_argument("--seconds", type=int, default=10, help="of load on each server in a turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--close", action="store_true", help="a connection for each request")
    parser.add_argument("--issuances", type=int, default=100, help="while strangers are there")
    parser.add_argument("--strangers", type=int, default=STRANGERS)
    given = parser.parse_args()
    _find_parts()
    with tempfile.TemporaryDirectory(prefix="gateway-admin-bench-") as name:
        directory = Path(name)
        # nginx's workers have a user of their own.
        directory.chmod(0o755)
        for what in given.what or ("speed", "steadiness"):
            if what == "speed":
                speed(directory / what, given.turns, given.seconds, close=given.close)
            else:
                steadiness(directory / what, given.strangers, given.issuances)


def speed(directory: Path, turns: int, seconds: int, *, close: bool) -> None:
    """So many turns of so many seconds at each server, known and unknown token at ours."""
    with ExitStack() as stack:
        postgresql = stack.enter_context(closing(PostgreSQL(directory / "postgresql.log")))
        url = postgresql.create_database("challenge_port")
        ours = [
            responders.ours(directory / "sqlite"),
            responders.ours(directory / "postgresql", url),
        ]
        peers = [
            responders.nginx(directory / "nginx"),
            responders.caddy(directory / "caddy"),
            responders.standalone(directory / "standalone"),
            responders.django(directory / "django"),
        ]
        for responder in (*ours, *peers):
            stack.callback(responder.close)
        measured = [
            *(Measured(responder, path) for responder in ours for path in (KNOWN, UNKNOWN)),
            *(Measured(responder, KNOWN) for responder in peers),
        ]
        for _ in range(turns):
            for one in measured:
                one.take(seconds, close=close)
        _table(measured)


def _table(measured: Sequence[Measured]) -> None:
    print("| server | requests a second | to ours | p50 | p99 | socket errors | memory |")
    first = measured[0].middle(lambda load: load.rate)
    for one in measured:
        rate = one.middle(lambda load: load.rate)
        errors = sum(load.socket_errors for load in one.loads)
        print(
            f"| {one.name} | {rate:,.0f} ({min(load.rate for load in one.loads):,.0f}–"
            f"{max(load.rate for load in one.loads):,.0f}) | {rate / first:.2f} "
            f"| {one.middle(lambda load: load.p50):.2f} ms "
            f"| {one.middle(lambda load: load.p99):.2f} ms | {errors} "
            f"| {family_pss(one.responder.process.pid):.0f} MiB |",
            flush=True,
        )


def steadiness(directory: Path, count: int, issuances: int) -> None:
    """So many slow connections at any time, and certificates meanwhile."""
    with (
        closing(DnsServer(directory)) as dns,
        closing(start_authorities(directory / "acme", dns=dns.address)) as authorities,
        Product(
            directory / "product" / "data",
            authorities.environment_without_limits(),
        ) as product,
    ):
        configure(product, authorities)
        product.start_responder(authorities.http_port)
        pid = product.processes["challenges"].pid
        before = family_pss(pid)
        with (
            Strangers(authorities.http_port, most(count), directory / "strangers.log") as strangers,
            ThreadPoolExecutor() as pool,
        ):
            strangers.wait_until_all_are_there(timeout=60)
            held = family_pss(pid)
            obtaining = pool.submit(obtain, product, issuances)
            waits = _waits(authorities.http_port, obtaining.done)
            held = max(held, family_pss(pid))
            done = [one for one in obtaining.result().issuances if one["state"] == "done"]
            end = strangers.leave()
    print(
        "| slow connections | issuances | a token meanwhile: median, p99, slowest "
        "| memory before, with them | longest connection | turned away |"
    )
    print(
        f"| {strangers.count:,} at any time, {end.opened:,} in all | {len(done)} of {issuances} "
        f"| {_share(waits, 50):.0f} ms, {_share(waits, 99):.0f} ms, {max(waits):.0f} ms "
        f"| {before:.0f} MiB, {held:.0f} MiB | {max(end.longest.values()):.1f} s "
        f"| {end.failed} |",
        flush=True,
    )


def _waits(port: int, until: Callable[[], bool]) -> list[float]:
    """How long each look at a token took, in ms."""
    waits: list[float] = []
    while not until() or not waits:
        begin = time.monotonic()
        get(port, UNKNOWN)
        waits.append((time.monotonic() - begin) * 1000)
        time.sleep(EVERY)
    return waits


def _share(values: Sequence[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def _find_parts() -> None:
    """All that is missing, in one line each, before anything is begun."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    errors = []
    for package, names in PARTS.items():
        try:
            find_program(*names, package=package, folders=folders)
        except PartError as error:
            errors.append(str(error))
    if errors:
        raise SystemExit("\n".join(errors))


if __name__ == "__main__":
    os.umask(0o022)
    main()
