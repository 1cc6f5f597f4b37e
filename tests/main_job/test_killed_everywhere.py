"""Killed at any moment, an issuance is finished by whoever comes next, at no extra cost.

Each milestone once on either database, in turns with the worker alone and with the responder as
well; with ``--soak`` all of it, ten times. What kills supervisor and console too is in
test_killed_run.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from _pytest.mark import ParameterSet

from certificates import milestones
from tests.main_job.killing import Case, Killing
from tests.parts.dns import DnsServer
from tests.parts.pebble import start_authorities
from tests.parts.postgresql import PostgreSQL
from tests.parts.product import Product

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Repetitions = Callable[[int, int], int]
StartKilling = Callable[[str], Killing]
DATABASES = ("sqlite", "postgresql")
# What the lease's 45 seconds and the sweep's 30 leave of the 90 that a restart may take.
LIMIT = 15.0


@pytest.fixture(scope="module")
def start_killing(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    dns_server: DnsServer,
) -> Iterator[StartKilling]:
    """Makes one product, with CAs of its own, for each database."""
    started: dict[str, Killing] = {}
    with ExitStack() as stack:

        def start(database: str) -> Killing:
            if database not in started:
                directory = tmp_path_factory.mktemp(f"killed-{database}")
                authorities = stack.enter_context(
                    closing(start_authorities(directory / "acme", dns=dns_server.address))
                )
                env = authorities.environment()
                if database == "postgresql":
                    server: PostgreSQL = request.getfixturevalue("postgresql")
                    env["DATABASE_URL"] = server.create_database("killed_everywhere")
                product = Product(directory / "product" / "data", env)
                started[database] = stack.enter_context(closing(Killing(product, authorities)))
            return started[database]

        yield start


@pytest.fixture(params=DATABASES)
def killing(request: pytest.FixtureRequest, start_killing: StartKilling) -> Killing:
    """A product on each of the databases, and its CAs."""
    return start_killing(request.param)


def deaths() -> Iterator[ParameterSet]:
    """Each milestone, who dies there, and on which database.

    In turns, so that each is once on each database, and with either death; the rest is for soaks.
    """
    for number, milestone in enumerate(milestones.ALL):
        for at, database in enumerate(DATABASES):
            for who, with_responder in enumerate((False, True)):
                yield pytest.param(
                    database,
                    milestone,
                    with_responder,
                    marks=[pytest.mark.soak] if (number + at + who) % 2 else [],
                    id=f"{database}-{milestone}-{'everything' if with_responder else 'worker'}",
                )


def assert_finished_at_no_extra_cost(
    case: Case, died_at: set[str], *, with_responder: bool = False
) -> None:
    """One certificate and account of each CA; one more order only where its answer was lost.

    And where nobody was left to answer the CA, which then has refused the first one.
    """
    report = case.assert_finished()
    for environment, done in case.done().items():
        unheard = f"{environment}:new-order-answered" in died_at
        uncounted = f"{environment}:new-order-counted" in died_at
        silent = with_responder and any(
            f"{environment}:{moment}" in died_at
            for moment in ("challenges-answered", "answers-stored")
        )
        assert done.certificates == 1
        assert done.accounts == 1
        assert done.orders in ({1, 2} if silent else {1 + unheard})
        case.assert_ledger(report["uses"], environment, orders=done.orders + uncounted)


@pytest.mark.parametrize(("database", "milestone", "with_responder"), list(deaths()))
def test_killed_at_any_milestone_it_costs_no_key_and_no_second_certificate(
    start_killing: StartKilling,
    database: str,
    milestone: str,
    with_responder: bool,
    repetitions: Repetitions,
    record_property: Callable[[str, object], None],
) -> None:
    killing = start_killing(database)
    for _ in range(repetitions(1, 10)):
        case = killing.new_gateway(new_accounts=True)

        died = case.kill_worker([milestone], with_responder=with_responder)
        if with_responder:
            killing.restart_responder()
        resumed = case.resume()

        assert died.was_killed, killing.log()
        assert died.milestones == list(milestones.ALL[: milestones.ALL.index(milestone) + 1])
        assert_finished_at_no_extra_cost(case, {milestone}, with_responder=with_responder)
        assert resumed.seconds < LIMIT
        record_property("seconds after the lease", round(resumed.seconds, 2))


def test_killed_at_every_milestone_one_after_the_other_it_ends_all_the_same(
    killing: Killing,
) -> None:
    case = killing.new_gateway(new_accounts=True)
    worker = case.kill_worker(milestones.ALL)
    passed = set(worker.milestones)
    while worker.was_killed:
        worker = case.resume(set(milestones.ALL) - passed)
        passed |= set(worker.milestones)

    # Whoever comes after the challenges were answered asks the CA, and need not answer them.
    assert passed >= {name for name in milestones.ALL if not name.endswith(":answers-stored")}
    assert_finished_at_no_extra_cost(case, passed)


def test_killed_at_any_other_moment_it_costs_no_second_certificate(
    killing: Killing, repetitions: Repetitions
) -> None:
    chance = random.SystemRandom()
    for _ in range(repetitions(5, 300)):
        case = killing.new_gateway(new_accounts=True)
        after = chance.uniform(0.0, 0.6)

        case.kill_worker(after=after)
        # Whoever is killed before has not even asked.
        resumed = case.resume() if case.report()["state"] else case.kill_worker()

        assert not resumed.was_killed
        case.assert_finished()
        for done in case.done().values():
            assert done.certificates == done.accounts == 1
            assert done.orders <= 2
