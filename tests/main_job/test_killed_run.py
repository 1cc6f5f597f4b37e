"""The whole product as `run` starts it, killed and started again, with the lease's real 45 seconds.

In one run several issuances are stopped, each at another milestone, and then every process is
killed. CI does so for a few milestones on the embedded parts; ``--soak`` for all that a worker
passes, on PostgreSQL and Valkey as well.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from certificates import milestones
from tests.launch.running import Run
from tests.main_job.killing import Case, Killing
from tests.parts.pebble import StartAuthorities
from tests.parts.postgresql import PostgreSQL
from tests.parts.processes import wait_until
from tests.parts.product import CHECKOUT, MakeProduct
from tests.parts.valkey import Valkey

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

LIMIT = 90.0  # seconds
STOPPING = CHECKOUT / "tests" / "main_job" / "stopping_worker"
# Within a transaction, so that on SQLite no other worker gets further.
HOLDING = ("files-written", "files-in-use")
# Not in the worker; and once in the life of an account.
ELSEWHERE = ("requested", "registration-answered", "account-registered")
USUAL = (
    "staging:tokens-published",
    "production:new-order-answered",
    "production:finalize-answered",
    "files-written",
)


def groups() -> Iterator[tuple[str, ...]]:
    """Every milestone, as many at a time as the worker has threads; who holds others comes last."""
    free = [name for name in milestones.ALL if name.split(":")[-1] not in (*ELSEWHERE, *HOLDING)]
    last = list(HOLDING)
    for start in range(0, len(free), 3):
        yield (*free[start : start + 3], *([last.pop()] if last else []))


@pytest.fixture
def environments(
    request: pytest.FixtureRequest, soak: bool
) -> Iterator[tuple[str, dict[str, str]]]:
    """The databases and brokers that this run of the tests tries."""

    def wanted() -> Iterator[tuple[str, dict[str, str]]]:
        yield "embedded", {}
        if soak:
            database: PostgreSQL = request.getfixturevalue("postgresql")
            broker: Valkey = request.getfixturevalue("valkey")
            yield (
                "postgresql",
                {
                    "DATABASE_URL": database.create_database("killed_run"),
                    "CELERY_BROKER_URL": broker.url,
                },
            )

    return wanted()


def test_killed_with_everything_it_has_its_certificate_within_90_seconds_of_the_restart(
    make_product: MakeProduct,
    start_acme: StartAuthorities,
    environments: Iterator[tuple[str, dict[str, str]]],
    soak: bool,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    orders = tmp_path / "orders"
    orders.mkdir()
    for name, env in environments:
        authorities = start_acme()
        product = make_product(authorities.environment() | env, name=name)
        with closing(Killing(product, authorities, has_responder=False)) as killing:
            for group in list(groups()) if soak else [USUAL]:
                before = killing.done()
                started, cases = kill_everything_at(group, killing, orders)
                worst = finish(started, cases)
                record_property("seconds from restart to done", round(worst, 1))
                for environment, done in killing.done().items():
                    since = done.since(before[environment])
                    assert since.certificates == len(cases)
                    assert since.orders == len(cases) + (
                        f"{environment}:new-order-answered" in group
                    )


def kill_everything_at(
    group: Sequence[str], killing: Killing, orders: Path
) -> tuple[Run, list[Case]]:
    """Stop an issuance at each milestone, kill all processes, and start the product again.

    Before that the worker alone is killed, which the supervisor starts again.
    """
    env = {
        **killing.product.env,
        "PYTHONPATH": str(STOPPING),
        "CHECKOUT": str(CHECKOUT),
        "MILESTONES_ORDERED_IN": str(orders),
    }
    run = Run(killing.product.data_dir, env=env)
    run.wait_until_ready()
    cases = [kill_worker_at("production:order-stored", run, killing, orders)]
    for milestone in group:
        file = milestone.replace(":", "-")
        (orders / file).touch()
        case = killing.new_gateway()
        case.ask("request")
        cases.append(case)
        run.process.wait_until(
            (orders / f"reached-{file}").exists, f"A thread stands at {milestone}", timeout=60
        )
        (orders / f"reached-{file}").unlink()
    everything = [pid for name in ("console", "challenges", "worker") for pid in run.pids_of(name)]
    # The supervisor first, or it would start the others again.
    for pid in [run.process.pid, *everything]:
        os.kill(pid, signal.SIGKILL)
    run.process.wait()
    return Run(killing.product.data_dir, port=run.port, env=env), cases


def kill_worker_at(milestone: str, run: Run, killing: Killing, orders: Path) -> Case:
    """The worker ends itself there, and the supervisor starts another."""
    (pid,) = run.pids_of("worker")
    (orders / f"kill-{milestone.replace(':', '-')}").touch()
    case = killing.new_gateway()
    case.ask("request")
    wait_until(lambda: run.is_back(pid, "worker"), "The supervisor starts a worker", timeout=60)
    return case


def finish(run: Run, cases: Sequence[Case]) -> float:
    """Wait until every case is done; returns the seconds since the start of the run."""
    try:
        wait_until(
            lambda: all(case.report()["state"] in {"done", "failed"} for case in cases),
            "Everything has ended",
            timeout=LIMIT,
            every=0.5,
        )
        seconds = time.monotonic() - run.started_at
        assert seconds < LIMIT
        for case in cases:
            case.assert_finished()
    finally:
        run.process.stop()
    return seconds
