"""Which request meets which fault."""

from __future__ import annotations

import pytest

from tests.parts.faulty_ca import (
    Endpoint,
    Fault,
    Request,
    Rules,
)

EVERY = Fault.status(503)
OTHER = Fault.status(500)
ASKED = Request("POST", "/x", ())


def outcomes(rules: Rules, count: int, at: Endpoint = Endpoint.NEW_ORDER) -> list[str]:
    """What so many requests of a kind meet."""
    picked = (rules.pick(at, ASKED) for _ in range(count))
    return [fault.name if fault else "" for fault in picked]


@pytest.fixture
def rules() -> Rules:
    """Those of a CA that is well."""
    return Rules(seed=1)


def test_without_rules_nothing_happens(rules: Rules) -> None:
    assert outcomes(rules, 3) == ["", "", ""]


def test_a_rule_without_limits_concerns_every_request_of_every_kind(rules: Rules) -> None:
    rules.add(EVERY)
    assert all(outcomes(rules, 2, at) == ["status 503"] * 2 for at in Endpoint)


def test_a_rule_can_be_for_one_kind_or_several(rules: Rules) -> None:
    rules.add(EVERY, at=Endpoint.ORDER)
    rules.add(OTHER, at={Endpoint.FINALIZE, Endpoint.CERTIFICATE})
    found = [outcomes(rules, 1, at)[0] for at in Endpoint]
    assert (found.count("status 503"), found.count("status 500")) == (1, 2)
    assert outcomes(rules, 1, Endpoint.FINALIZE) == ["status 500"]


def test_a_rule_can_come_late_and_end(rules: Rules) -> None:
    rule = rules.add(EVERY, at=Endpoint.NEW_ORDER, after=1, times=2)
    outcomes(rules, 5, Endpoint.ORDER)
    assert outcomes(rules, 5) == ["", "status 503", "status 503", "", ""]
    assert (rule.matched, rule.hits) == (5, 2)


def test_a_script_says_what_each_request_meets(rules: Rules) -> None:
    rules.script(Endpoint.NEW_ORDER, [None, EVERY, None, OTHER])
    assert outcomes(rules, 5) == ["", "status 503", "", "status 500", ""]


def test_chance_is_about_as_often_as_it_is_asked_for_and_the_same_for_the_same_seed() -> None:
    def drawn(seed: int) -> list[str]:
        rules = Rules(seed)
        rules.add([EVERY, OTHER], probability=0.3)
        return outcomes(rules, 2000)

    first = drawn(1)
    assert first == drawn(1)
    assert first != drawn(2)
    for name in ("status 503", "status 500"):
        assert 240 < first.count(name) < 360


def test_what_is_limited_in_number_is_counted_by_its_hits(rules: Rules) -> None:
    rules.add(EVERY, probability=0.5, times=3)
    assert outcomes(rules, 100).count("status 503") == 3


def test_a_rule_can_look_at_the_request(rules: Rules) -> None:
    rules.add(EVERY, when=lambda request: request.path == "/y")
    assert outcomes(rules, 1) == [""]
    assert rules.pick(Endpoint.OTHER, Request("GET", "/y?z", ())) is EVERY


def test_a_fault_that_makes_no_sense_somewhere_does_not_apply_there(rules: Rules) -> None:
    rules.add(Fault.bad_nonce())
    assert outcomes(rules, 1, Endpoint.DIRECTORY) == [""]
    assert outcomes(rules, 1, Endpoint.NEW_NONCE) == [""]
    assert outcomes(rules, 1, Endpoint.ORDER) == ["problem badNonce"]


def test_the_first_rule_that_has_a_fault_is_followed(rules: Rules) -> None:
    rules.add(EVERY, times=1)
    rules.add(OTHER)
    assert outcomes(rules, 2) == ["status 503", "status 500"]


def test_rules_can_be_taken_back(rules: Rules) -> None:
    first = rules.add(EVERY)
    rules.add(OTHER)
    rules.remove(first)
    rules.remove(first)
    assert outcomes(rules, 1) == ["status 500"]
    rules.clear()
    assert outcomes(rules, 1) == [""]
