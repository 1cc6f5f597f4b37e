"""Whoever resumes an issuance asks the CA first what has become of the order, and acts on that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from certificates import milestones
from tests.main_job.killing import Case, Killing
from tests.parts.dns import DnsServer
from tests.parts.faulty_ca import Endpoint, Fault, FaultyAuthorities, FaultyCa
from tests.parts.pebble import PebbleOptions, StartAuthorities, start_authorities
from tests.parts.product import MakeProduct, Product

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LONG_AGO = "2001-01-01T00:00:00Z"
UNHEARD = ["production:challenges-answered"]
# What is asked for anew or read again, and not for the first time.
NOT_OF_ORDERS = {Endpoint.DIRECTORY, Endpoint.NEW_NONCE}


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory, dns_server: DnsServer
) -> Iterator[tuple[Killing, FaultyAuthorities]]:
    """One product and its CAs for all of these tests."""
    directory = tmp_path_factory.mktemp("resuming")
    with ExitStack() as stack:
        behind = stack.enter_context(
            closing(start_authorities(directory / "acme", dns=dns_server.address))
        )
        cas = stack.enter_context(closing(FaultyAuthorities.before(behind)))
        product = Product(directory / "product" / "data", cas.environment())
        yield stack.enter_context(closing(Killing(product, behind))), cas


@pytest.fixture
def killing(scene: tuple[Killing, FaultyAuthorities], cas: FaultyAuthorities) -> Killing:
    """The product, with CAs that are well."""
    return scene[0]


@pytest.fixture
def cas(scene: tuple[Killing, FaultyAuthorities]) -> Iterator[FaultyAuthorities]:
    """The CAs, without a fault at the beginning."""
    yield scene[1]
    for ca in scene[1].both:
        ca.rules.clear()


def ca_of(environment: str, cas: FaultyAuthorities) -> FaultyCa:
    """The CA of that environment."""
    ca: FaultyCa = getattr(cas, environment)
    return ca


def assert_finished_with(
    case: Case, *, production_orders: int, staging_orders: int = 1, stages_before: int = 0
) -> None:
    """There is a certificate, for so many orders; so many stages had failed in another attempt."""
    case.assert_finished(unfinished_stages=stages_before)
    done = case.done()
    assert done["staging"].orders == staging_orders
    assert done["production"].orders == production_orders


def test_an_issuance_passes_every_milestone_once_and_in_order(killing: Killing) -> None:
    case = killing.new_gateway(new_accounts=True)
    worker = case.kill_worker()
    assert not worker.was_killed
    assert tuple(worker.milestones) == milestones.ALL
    case.assert_finished()


@pytest.mark.parametrize("environment", ["staging", "production"])
@pytest.mark.parametrize("stored", ["pending", "ready", "processing"])
@pytest.mark.parametrize("died_over_it", [True, False], ids=["died", "paused"])
def test_an_order_that_is_further_than_the_row_says_is_not_begun_again(
    killing: Killing, cas: FaultyAuthorities, environment: str, stored: str, died_over_it: bool
) -> None:
    case = killing.new_gateway()
    case.kill_worker([f"{environment}:order-valid"])
    answered = stored != "pending"
    changed = case.ask(
        "set_order",
        environment=environment,
        status=stored,
        certificate_url="",
        challenges_answered=answered,
    )
    assert changed == 1
    if not died_over_it:
        case.ask("give_the_lease_back")
    before = len(ca_of(environment, cas).seen)

    case.resume()

    assert_finished_with(case, production_orders=1)
    assert case.done()[environment].certificates == 1
    asked = [
        seen.endpoint
        for seen in ca_of(environment, cas).seen[before:]
        if seen.endpoint not in NOT_OF_ORDERS
    ]
    if died_over_it:
        assert asked[0] is Endpoint.ORDER
        assert not {Endpoint.CHALLENGE, Endpoint.FINALIZE} & set(asked)


def test_an_order_that_the_ca_still_works_on_is_waited_for(
    killing: Killing, cas: FaultyAuthorities
) -> None:
    case = killing.new_gateway()
    cas.production.rules.add(Fault.processing(3))
    case.kill_worker(["production:finalize-answered"])
    before = cas.production.counts[Endpoint.FINALIZE]

    case.resume()

    assert_finished_with(case, production_orders=1)
    assert cas.production.counts[Endpoint.FINALIZE] == before


def test_an_order_that_the_ca_has_refused_meanwhile_ends_the_attempt_and_paces_the_next(
    killing: Killing, cas: FaultyAuthorities
) -> None:
    case = killing.new_gateway()
    case.kill_worker(UNHEARD)
    refuse(cas.production, "caa")

    case.resume()

    refused = case.report()
    assert refused["state"] == "failed", killing.log()
    assert refused["problem"] == "acme-caa"
    assert refused["held_back_for"] > 30
    assert refused["tokens"] == 0
    assert case.done()["production"].orders == 1
    # Somebody presses the button.
    case.kill_worker()
    assert case.report()["issuances"] == 2
    assert_finished_with(case, production_orders=2, staging_orders=2, stages_before=1)


def test_a_validation_that_failed_while_the_responder_ran_is_believed(
    killing: Killing, cas: FaultyAuthorities
) -> None:
    case = killing.new_gateway()
    case.kill_worker(UNHEARD)
    refuse(cas.production, "connection")

    case.resume()

    assert case.report()["problem"] == "acme-connection"
    assert case.done()["production"].orders == 1


def test_a_validation_that_found_nobody_is_given_one_more_order_and_no_third(
    killing: Killing, cas: FaultyAuthorities
) -> None:
    case = killing.new_gateway()
    case.kill_worker(["production:tokens-published"], with_responder=True)
    killing.restart_responder()
    refuse(cas.production, "connection")

    worker = case.resume(UNHEARD)

    assert worker.was_killed
    assert case.done()["production"].orders == 2
    # Started anew once more, which makes no difference now.
    killing.restart_responder()
    refuse(cas.production, "connection")
    case.resume()
    assert case.report()["problem"] == "acme-connection"
    assert case.done()["production"].orders == 2


@pytest.mark.parametrize(
    "milestone",
    [
        "staging:order-ready",
        "production:order-stored",
        "production:answers-stored",
        "production:finalize-answered",
        "production:order-valid",
    ],
)
def test_a_ca_that_has_forgotten_everything_is_registered_at_and_asked_anew(
    killing: Killing, cas: FaultyAuthorities, milestone: str
) -> None:
    environment, _ = milestone.split(":")
    case = killing.new_gateway(new_accounts=True)
    case.kill_worker([milestone])
    ca_of(environment, cas).restart()

    case.resume()

    case.assert_finished()
    done = case.done()[environment]
    assert done.accounts == 2
    assert done.orders == 2


@pytest.mark.parametrize(
    "faults",
    [
        {
            Endpoint.ORDER: Fault.fields(status="invalid"),
            Endpoint.AUTHORIZATION: Fault.fields(status="expired"),
        },
        {Endpoint.ORDER: Fault.fields(status="invalid", expires=LONG_AGO)},
        {Endpoint.ORDER: Fault.problem("malformed", status=404)},
    ],
    ids=["its authorizations", "the order", "and removed"],
)
def test_an_order_that_has_expired_meanwhile_is_placed_anew(
    killing: Killing, cas: FaultyAuthorities, faults: dict[Endpoint, Fault]
) -> None:
    case = killing.new_gateway()
    case.kill_worker(["production:tokens-published"])
    for endpoint, fault in faults.items():
        cas.production.rules.add(fault, at=endpoint, times=1)

    case.resume()

    assert_finished_with(case, production_orders=2)


def test_a_first_answer_that_is_trouble_does_not_keep_the_order_from_being_read(
    killing: Killing, cas: FaultyAuthorities
) -> None:
    case = killing.new_gateway()
    case.kill_worker(["production:order-ready"])
    cas.production.rules.add(Fault.status(503), at=Endpoint.ORDER, times=1)

    case.resume()

    assert_finished_with(case, production_orders=1)


def test_killed_while_it_gives_an_earlier_validation_up_it_tests_anew(
    make_product: MakeProduct, start_acme: StartAuthorities
) -> None:
    authorities = start_acme(PebbleOptions(authorization_reuse_percent=100))
    killing = Killing(make_product(authorities.environment()), authorities)
    with closing(killing):
        case = killing.new_gateway()
        case.kill_worker()

        died = case.kill_worker(milestones.BESIDE)
        case.resume()

        assert died.was_killed
        case.assert_finished(certificates=2)


def test_a_ca_that_loses_every_order_is_not_asked_for_more_and_more(
    killing: Killing, cas: FaultyAuthorities
) -> None:
    case = killing.new_gateway()
    cas.production.rules.add(Fault.problem("malformed", status=404), at=Endpoint.ORDER)

    case.kill_worker()

    assert case.report()["state"] == "failed"
    assert case.done()["production"].orders <= 4


def test_a_ca_that_always_answers_the_second_question_with_nonsense_is_asked_ever_more_slowly(
    killing: Killing, cas: FaultyAuthorities
) -> None:
    case = killing.new_gateway()
    case.kill_worker(UNHEARD)
    cas.production.rules.add(Fault.fields(status="invalid"), at=Endpoint.ORDER)
    cas.production.rules.add(Fault.html(), at=Endpoint.AUTHORIZATION)
    before = cas.production.counts[Endpoint.ORDER]

    case.resume(patience=4.0)

    assert 2 <= cas.production.counts[Endpoint.ORDER] - before <= 8


def refuse(ca: FaultyCa, kind: str) -> None:
    """The next time it is asked, the CA says that it could not validate the first name."""

    def refused(document: dict[str, Any]) -> dict[str, Any]:
        error = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": "said the CA"}
        challenges = [
            {**challenge, "status": "invalid", "error": error}
            for challenge in document["challenges"]
        ]
        return {**document, "status": "invalid", "challenges": challenges}

    ca.rules.add(Fault.fields(status="invalid"), at=Endpoint.ORDER, times=1)
    ca.rules.add(Fault.edit(refused), at=Endpoint.AUTHORIZATION, times=1)
