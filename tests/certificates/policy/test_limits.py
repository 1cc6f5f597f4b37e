from __future__ import annotations

import datetime
import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.policy.issuance import Environment
from certificates.policy.limits import (
    Limit,
    Overrides,
    Rule,
    allowance,
    applicable,
    overdrawn_until,
    rules,
    why_overdrawn,
)

NOW = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)
DAY = 24 * HOUR
SECOND = datetime.timedelta(seconds=1)
PER_HOUR = Rule(Limit.FAILED_AUTHORIZATIONS, 5, 4, HOUR)
EVERY_RULE = [*rules(Environment.PRODUCTION), *rules(Environment.STAGING)]


def rule(limit: Limit, environment: Environment = Environment.PRODUCTION) -> Rule:
    return next(each for each in rules(environment) if each.limit is limit)


# The table


@pytest.mark.parametrize(
    ("environment", "limit", "most", "stop_at", "window"),
    [
        (Environment.PRODUCTION, Limit.NEW_ORDERS, 300, 295, 3 * HOUR),
        (Environment.PRODUCTION, Limit.CERTIFICATES_PER_DOMAIN, 50, 49, 7 * DAY),
        (Environment.PRODUCTION, Limit.CERTIFICATES_PER_SET, 5, 4, 7 * DAY),
        (Environment.PRODUCTION, Limit.FAILED_AUTHORIZATIONS, 5, 4, HOUR),
        (Environment.STAGING, Limit.NEW_ORDERS, 1500, 1475, 3 * HOUR),
        (Environment.STAGING, Limit.CERTIFICATES_PER_DOMAIN, 30_000, 29_500, SECOND),
        (Environment.STAGING, Limit.CERTIFICATES_PER_SET, 30_000, 29_500, 7 * DAY),
        (Environment.STAGING, Limit.FAILED_AUTHORIZATIONS, 200, 160, HOUR),
    ],
)
def test_the_limits_are_those_of_lets_encrypt_and_we_stop_before_them(
    environment: Environment, limit: Limit, most: int, stop_at: int, window: datetime.timedelta
) -> None:
    assert rule(limit, environment) == Rule(limit, most, stop_at, window)


@pytest.mark.parametrize("environment", Environment)
def test_every_limit_has_one_rule(environment: Environment) -> None:
    assert [each.limit for each in rules(environment)] == list(Limit)


def test_higher_limits_that_were_granted_are_used_at_production_alone() -> None:
    granted = Overrides(new_orders=6000, certificates_per_domain=600)
    production = {each.limit: each.most for each in rules(Environment.PRODUCTION, granted)}
    assert production == {
        Limit.NEW_ORDERS: 6000,
        Limit.CERTIFICATES_PER_DOMAIN: 600,
        Limit.CERTIFICATES_PER_SET: 5,
        Limit.FAILED_AUTHORIZATIONS: 5,
    }
    assert rules(Environment.STAGING, granted) == rules(Environment.STAGING)


@pytest.mark.parametrize("most", range(1, 200))
def test_whatever_was_granted_something_is_allowed_and_no_more_than_that(most: int) -> None:
    granted = rules(Environment.PRODUCTION, Overrides(new_orders=most))[0]
    assert 1 <= granted.stop_at <= granted.most == most


def test_a_renewal_of_the_same_names_is_exempt_from_the_limit_per_domain_alone() -> None:
    every = rules(Environment.PRODUCTION)
    exempt = set(every) - set(applicable(every, is_renewal_of_same_set=True))
    assert {each.limit for each in exempt} == {Limit.CERTIFICATES_PER_DOMAIN}
    assert applicable(every) == every


def test_in_the_last_part_of_a_certificates_life_we_stop_where_the_ca_does() -> None:
    stops = {
        each.limit: each.stop_at
        for each in applicable(rules(Environment.PRODUCTION), is_last_part=True)
    }
    assert stops == {
        Limit.NEW_ORDERS: 295,
        Limit.CERTIFICATES_PER_DOMAIN: 50,
        Limit.CERTIFICATES_PER_SET: 5,
        Limit.FAILED_AUTHORIZATIONS: 4,
    }


# Counting


def test_without_uses_everything_is_left() -> None:
    found = allowance(PER_HOUR, "mx.example.org", [], NOW)
    assert (found.used, found.left, found.most, found.frees_at) == (0, 4, 4, None)
    assert found.limit is Limit.FAILED_AUTHORIZATIONS


def test_uses_count_until_their_window_is_over() -> None:
    uses = [NOW, NOW - HOUR / 2, NOW - HOUR + SECOND, NOW - HOUR, NOW - DAY]
    found = allowance(PER_HOUR, "mx.example.org", uses, NOW)
    assert (found.used, found.left, found.frees_at) == (3, 1, NOW + SECOND)


@pytest.mark.parametrize(
    ("minutes_ago", "frees_in"), [([10, 20, 30, 40], 20), ([10, 20, 30, 40, 50, 55], 20)]
)
def test_what_is_used_up_is_left_again_when_enough_has_gone(
    minutes_ago: list[int], frees_in: int
) -> None:
    uses = [NOW - ago * HOUR / 60 for ago in minutes_ago]
    found = allowance(PER_HOUR, "mx.example.org", uses, NOW)
    assert found.left == 0
    assert found.frees_at == NOW + frees_in * HOUR / 60
    assert allowance(PER_HOUR, "", uses, found.frees_at - SECOND).left == 0
    assert allowance(PER_HOUR, "", uses, found.frees_at).left == 1


@pytest.mark.parametrize(
    ("ahead", "counts"), [(SECOND, 1), (HOUR, 1), (HOUR + SECOND, 0), (3650 * DAY, 0)]
)
def test_a_use_far_in_the_future_is_a_wrong_clocks(ahead: datetime.timedelta, counts: int) -> None:
    assert allowance(PER_HOUR, "", [NOW + ahead], NOW).used == counts


@given(st.lists(st.timedeltas(-3650 * DAY, 3650 * DAY).map(lambda span: NOW + span)))
def test_whatever_was_recorded_nothing_is_blocked_for_longer_than_two_windows(
    uses: list[datetime.datetime],
) -> None:
    found = allowance(PER_HOUR, "", uses, NOW)
    assert found.frees_at is None or NOW < found.frees_at <= NOW + 2 * HOUR


# The CA's side


class Bucket:
    """The CA's counting, as Let's Encrypt describes it: full at first, refilled evenly."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.tokens = float(rule.most)
        self.at = NOW

    def takes(self, at: datetime.datetime) -> bool:
        """Whether a request at that time is allowed; it is counted then."""
        refilled = (at - self.at) / self.rule.window * self.rule.most
        self.tokens = min(self.tokens + refilled, self.rule.most)
        self.at = at
        if self.tokens < 1 - 1e-9:
            return False
        self.tokens -= 1
        return True


@pytest.mark.parametrize("late", [0, 60])
@given(
    st.integers(2, 40),
    st.lists(st.floats(0, 0.7), min_size=1, max_size=150),
    st.randoms(use_true_random=False),
)
def test_what_our_budget_allows_the_cas_bucket_allows(
    late: int, most: int, pauses: list[float], random: Random
) -> None:
    """Also when the CA counts up to a minute after we have recorded."""
    tried = Rule(Limit.NEW_ORDERS, most, most - 1, HOUR)
    bucket, uses, now, counted = Bucket(tried), list[datetime.datetime](), NOW, NOW
    for pause in pauses:
        now += pause**4 * HOUR
        if allowance(tried, "", uses, now).left:
            uses.append(now)
            delay = late * random.random() * SECOND
            counted = max(counted, now + delay)
            assert bucket.takes(counted)


@pytest.mark.parametrize("each", EVERY_RULE, ids=lambda each: f"{each.limit}-{each.most}")
def test_one_who_always_uses_all_that_is_left_is_never_refused(each: Rule) -> None:
    if each.most > 300:
        each = Rule(each.limit, 300, 295, each.window)
    bucket, uses, now = Bucket(each), list[datetime.datetime](), NOW
    while now < NOW + 5 * each.window:
        found = allowance(each, "", uses, now)
        if found.left:
            assert bucket.takes(now)
            uses.append(now)
        else:
            assert found.frees_at is not None
            now = found.frees_at
            uses = uses[-each.stop_at :]


# What people read


@pytest.mark.parametrize(
    ("limit", "code", "words"),
    [
        (
            Limit.NEW_ORDERS,
            "rate-budget-new-orders",
            (
                "This console has placed 295 orders in 3 hours, and the CA refuses more than 300. "
                "The next is possible on 2026-11-23 14:59:59 UTC, in 3 hours."
            ),
        ),
        (
            Limit.CERTIFICATES_PER_DOMAIN,
            "rate-budget-domain",
            (
                "This console has obtained 49 certificates for example.org in 7 days, and the CA "
                "refuses more than 50. The next is possible on 2026-11-30 11:59:59 UTC, in 7 days."
            ),
        ),
        (
            Limit.CERTIFICATES_PER_SET,
            "rate-budget-set",
            (
                "This console has obtained 4 certificates for exactly the same names in 7 days, "
                "and the CA refuses more than 5. The next is possible on 2026-11-30 11:59:59 UTC, "
                "in 7 days."
            ),
        ),
        (
            Limit.FAILED_AUTHORIZATIONS,
            "rate-budget-failures",
            (
                "The CA's check of example.org has failed 4 times in one hour, and the CA refuses "
                "more than 5. The next is possible on 2026-11-23 12:59:59 UTC, in 60 minutes."
            ),
        ),
    ],
)
def test_a_budget_that_is_used_up_says_what_frees_when(limit: Limit, code: str, words: str) -> None:
    spent = rule(limit)
    found = why_overdrawn(
        [allowance(spent, "example.org", [NOW - SECOND] * spent.stop_at, NOW)], NOW
    )
    assert found is not None
    assert (found.code, found.explanation, found.retryable) == (code, words, True)
    assert all(step.endswith(".") for step in found.remedy)


def test_while_something_is_left_nothing_is_wrong() -> None:
    found = [allowance(PER_HOUR, "mx.example.org", [NOW] * 3, NOW)]
    assert why_overdrawn(found, NOW) is None
    assert overdrawn_until(found) is None
    assert why_overdrawn([], NOW) is None


def test_of_several_the_one_that_lasts_longest_is_told() -> None:
    hourly = allowance(PER_HOUR, "mx.example.org", [NOW] * 4, NOW)
    weekly = allowance(rule(Limit.CERTIFICATES_PER_SET), "", [NOW - DAY] * 4, NOW)
    found = why_overdrawn([hourly, weekly], NOW)
    assert found is not None
    assert found.code == "rate-budget-set"
    assert overdrawn_until([hourly, weekly]) == NOW + 6 * DAY


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (HOUR - SECOND, "in 1 minute."),
        (HOUR - 61 * SECOND, "in 2 minutes."),
        (HOUR / 2, "in 30 minutes."),
    ],
)
def test_the_wait_is_never_told_shorter_than_it_is(ago: datetime.timedelta, words: str) -> None:
    found = why_overdrawn([allowance(PER_HOUR, "a.example", [NOW - ago] * 4, NOW)], NOW)
    assert found is not None
    assert found.explanation.endswith(words)


@pytest.mark.parametrize("each", EVERY_RULE, ids=lambda each: f"{each.limit}-{each.most}")
def test_every_rule_has_a_label_for_pages(each: Rule) -> None:
    assert re.fullmatch(r"[A-Z][a-z ]+ in (3 hours|7 days|one hour|one second)", each.label)
    assert allowance(each, "", [], NOW).label == each.label
