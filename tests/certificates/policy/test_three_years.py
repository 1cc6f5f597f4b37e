"""Three years of renewals in simulated time: not one second with an expired certificate."""

from __future__ import annotations

import datetime
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certificates.policy.renewal_info import Window
from tests.certificates.policy.simulation import (
    DAY,
    HOUR,
    MINUTE,
    START,
    Ca,
    Certificate,
    Console,
    Gateway,
    Outage,
    Trouble,
)

END = START + 3 * 365 * DAY
NEVER = datetime.timedelta(0)
LIFETIMES = [6 * DAY, 45 * DAY, 64 * DAY, 90 * DAY]
LONG_LIFETIMES = LIFETIMES[1:]


def longest_outage(lifetime: datetime.timedelta) -> datetime.timedelta:
    """What a certificate of that lifetime has to survive."""
    return 2 * DAY if lifetime < 10 * DAY else 7 * DAY


def outages(
    lifetime: datetime.timedelta, shares: Sequence[tuple[float, float, Trouble]]
) -> list[Outage]:
    """One after the other, with the pauses between them that leave a chance to renew.

    Each share is a pause and a length, from 0 to 1, and what fails then.
    """
    found, at = [], START
    for pause, length, trouble in shares:
        start = at + lifetime / 10 + pause * lifetime
        at = start + length * longest_outage(lifetime)
        found.append(Outage(trouble, start, at))
    return found


def random_outages(lifetime: datetime.timedelta, seed: int) -> list[Outage]:
    """Enough of them for the three years."""
    chance = random.Random(seed)
    count = int((END - START) / (lifetime / 4))
    shares = [
        (chance.random(), chance.random(), chance.choice(list(Trouble))) for _ in range(count)
    ]
    return [each for each in outages(lifetime, shares) if each.start < END]


def random_revocations(seed: int) -> list[datetime.datetime]:
    """About one a month, some of them in the middle of an outage."""
    chance = random.Random(seed)
    return sorted(START + chance.random() * (END - START) for _ in range(36))


def check_manners(gateway: Gateway, certificates: int = 4) -> None:
    """Never five failed attempts in an hour, nor more certificates than those in seven days."""
    failed = [at for at in gateway.attempts if at + MINUTE / 2 not in gateway.successes]
    assert all(b - a > HOUR for a, b in zip(failed, failed[4:], strict=False))
    made = gateway.successes
    assert all(b - a >= 7 * DAY for a, b in zip(made, made[certificates:], strict=False))


def attempts_in(gateway: Gateway, outage: Outage) -> int:
    return sum(outage.start <= at < outage.end for at in gateway.attempts)


def renewed_after(gateway: Gateway, moment: datetime.datetime) -> datetime.timedelta:
    """How long after that moment the gateway had its next certificate."""
    return next(at for at in gateway.successes if at >= moment) - moment


# Three years


@pytest.mark.parametrize("lifetime", LIFETIMES, ids=lambda lifetime: f"{lifetime.days}d")
@pytest.mark.parametrize("has_ari", [True, False], ids=["ari", "no-ari"])
@pytest.mark.parametrize("seed", range(2))
def test_no_certificate_expires_within_three_years_of_outages_and_revocations(
    lifetime: datetime.timedelta, has_ari: bool, seed: int
) -> None:
    ca = Ca(lifetime, has_ari, random_outages(lifetime, seed), random_revocations(seed))
    console = Console(ca)
    console.run(END)
    [gateway] = console.gateways
    assert gateway.expired_for == NEVER
    check_manners(gateway)


@pytest.mark.parametrize("lifetime", LIFETIMES, ids=lambda lifetime: f"{lifetime.days}d")
@pytest.mark.parametrize("has_ari", [True, False], ids=["ari", "no-ari"])
def test_without_outages_there_are_no_more_renewals_than_the_rule_asks_for(
    lifetime: datetime.timedelta, has_ari: bool
) -> None:
    console = Console(Ca(lifetime, has_ari))
    console.run(END)
    [gateway] = console.gateways
    part = 1 / 2 if lifetime < 10 * DAY else 2 / 3
    expected = (END - START) / (lifetime * part - HOUR)
    assert len(gateway.attempts) == pytest.approx(expected, rel=0.03, abs=1)
    assert gateway.expired_for == NEVER


@settings(max_examples=10, deadline=None)
@given(
    st.sampled_from(LIFETIMES),
    st.booleans(),
    st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1), st.sampled_from(Trouble)), max_size=30),
)
def test_no_certificate_expires_whatever_fails_when(
    lifetime: datetime.timedelta, has_ari: bool, shares: list[tuple[float, float, Trouble]]
) -> None:
    console = Console(Ca(lifetime, has_ari, outages(lifetime, shares)))
    console.run(START + 365 * DAY)
    [gateway] = console.gateways
    assert gateway.expired_for == NEVER
    check_manners(gateway)


@pytest.mark.parametrize("lifetime", LIFETIMES, ids=lambda lifetime: f"{lifetime.days}d")
@pytest.mark.parametrize("trouble", Trouble)
@pytest.mark.parametrize("has_ari", [True, False], ids=["ari", "no-ari"])
def test_the_longest_outage_may_begin_at_any_age_of_the_certificate(
    lifetime: datetime.timedelta, trouble: Trouble, has_ari: bool
) -> None:
    for step in range(12):
        start = START + lifetime * step / 12
        outage = Outage(trouble, start, start + longest_outage(lifetime))
        console = Console(Ca(lifetime, has_ari, [outage], check_every=DAY))
        console.run(START + 2 * lifetime)
        assert console.gateways[0].expired_for == NEVER


# Attempts


@pytest.mark.parametrize("lifetime", LONG_LIFETIMES, ids=lambda lifetime: f"{lifetime.days}d")
@pytest.mark.parametrize("trouble", [Trouble.CA_AWAY, Trouble.ORDERS_FAIL])
@pytest.mark.parametrize("has_ari", [True, False], ids=["ari", "no-ari"])
def test_a_ca_away_for_seven_days_sees_ten_attempts_and_renewals_within_a_day_of_its_return(
    lifetime: datetime.timedelta, trouble: Trouble, has_ari: bool
) -> None:
    """A tenth over the day is the spread of the daily attempts, where only orders fail."""
    start = START + lifetime * 0.6
    outage = Outage(trouble, start, start + 7 * DAY)
    names = [f"{number}.example" for number in range(5)]
    console = Console(Ca(lifetime, has_ari, [outage], check_every=DAY), names)
    console.run(START + lifetime)
    within = DAY if trouble is Trouble.CA_AWAY else 1.1 * DAY
    for gateway in console.gateways:
        assert gateway.expired_for == NEVER
        assert attempts_in(gateway, outage) <= 10
        if attempts_in(gateway, outage):
            assert renewed_after(gateway, outage.end) <= within + MINUTE
    assert any(attempts_in(gateway, outage) for gateway in console.gateways)


def test_while_the_ca_is_away_one_attempt_stands_for_all_gateways() -> None:
    start = START + 59 * DAY
    outage = Outage(Trouble.CA_AWAY, start, start + 7 * DAY)
    names = [f"{number}.example" for number in range(12)]
    console = Console(Ca(90 * DAY, True, [outage], check_every=DAY), names)
    console.run(outage.end + HOUR)
    # Those whose moment came with the same sweep have begun together.
    assert sum(attempts_in(gateway, outage) for gateway in console.gateways) <= 3
    due = [gateway for gateway in console.gateways if gateway.successes[-1] >= outage.end]
    assert len(due) == 12
    assert console.health.returned_at is not None
    assert console.health.returned_at - outage.end <= 17 * MINUTE


def test_a_ca_that_comes_and_goes_is_not_asked_each_time() -> None:
    """In turns 25 minutes away and 25 with failing orders, for seven days."""
    start, turn = START + 60 * DAY - 2 * HOUR, 25 * MINUTE
    flapping = [
        Outage(trouble, start + count * turn, start + (count + 1) * turn)
        for count in range(7 * DAY // turn)
        for trouble in [Trouble.CA_AWAY if count % 2 else Trouble.ORDERS_FAIL]
    ]
    console = Console(Ca(90 * DAY, False, flapping))
    console.run(START + 90 * DAY)
    [gateway] = console.gateways
    assert 4 < len(gateway.attempts) <= 4 + 2 * 7
    assert renewed_after(gateway, flapping[-1].end) <= DAY


@pytest.mark.parametrize("lifetime", LONG_LIFETIMES, ids=lambda lifetime: f"{lifetime.days}d")
@pytest.mark.parametrize("has_ari", [True, False], ids=["ari", "no-ari"])
def test_validation_that_fails_for_thirty_days_makes_33_attempts_and_never_five_in_an_hour(
    lifetime: datetime.timedelta, has_ari: bool
) -> None:
    for count in range(10):
        start = START + lifetime * (0.5 + count / 64)
        outage = Outage(Trouble.PORT_CLOSED, start, start + 30 * DAY)
        console = Console(Ca(lifetime, has_ari, [outage], check_every=DAY), [f"{count}.example"])
        console.run(outage.end + 2 * DAY)
        [gateway] = console.gateways
        assert 1 < attempts_in(gateway, outage) <= 33
        check_manners(gateway)
        assert renewed_after(gateway, outage.end) <= 1.1 * DAY + MINUTE


# What the CA says


@pytest.mark.parametrize("lifetime", LIFETIMES, ids=lambda lifetime: f"{lifetime.days}d")
def test_a_revoked_certificate_is_replaced_within_seven_hours(
    lifetime: datetime.timedelta,
) -> None:
    revocations = [START + 10 * DAY + count * 25.3 * DAY for count in range(12)]
    console = Console(Ca(lifetime, True, revocations=revocations))
    console.run(START + 365 * DAY)
    [gateway] = console.gateways
    assert all(renewed_after(gateway, revoked) <= 7 * HOUR for revoked in revocations)
    assert gateway.expired_for == NEVER
    check_manners(gateway)


class _Misguided(Ca):
    """A CA whose windows are wrong in one way or another."""

    opens = -1000 * DAY

    def window(self, certificate: Certificate, at: datetime.datetime) -> Window:
        """Always the same distance from now."""
        return Window(at + self.opens, at + self.opens + HOUR)


@pytest.mark.parametrize("lifetime", LIFETIMES, ids=lambda lifetime: f"{lifetime.days}d")
def test_a_ca_whose_windows_have_all_passed_does_not_cause_a_loop(
    lifetime: datetime.timedelta,
) -> None:
    """Four in seven days; a fifth only where a certificate of six days would expire otherwise."""
    console = Console(_Misguided(lifetime))
    console.run(START + 100 * DAY)
    [gateway] = console.gateways
    assert gateway.expired_for == NEVER
    check_manners(gateway, certificates=5 if lifetime < 7 * DAY else 4)


@pytest.mark.parametrize("lifetime", LIFETIMES, ids=lambda lifetime: f"{lifetime.days}d")
def test_a_ca_that_keeps_postponing_does_not_let_a_certificate_expire(
    lifetime: datetime.timedelta,
) -> None:
    ca = _Misguided(lifetime)
    ca.opens = 30 * DAY
    console = Console(ca)
    console.run(END)
    [gateway] = console.gateways
    assert gateway.expired_for == NEVER
    assert len(gateway.attempts) == pytest.approx(
        (END - START) / (lifetime * 0.95), rel=0.03, abs=1
    )


def test_a_ca_is_asked_about_a_certificate_four_times_a_day_at_most() -> None:
    console = Console(Ca(90 * DAY))
    console.run(START + 100 * DAY)
    assert 350 <= console.checks <= 402
