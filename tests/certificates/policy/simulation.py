"""A console and a CA in simulated time, which jumps from one event to the next.

The console is what the engine does around the policy: a sweep every 30 seconds that probes an
absent CA, asks for renewal information and starts what is due. Nothing here decides.
"""

from __future__ import annotations

import bisect
import dataclasses
import datetime
import enum
from collections.abc import Sequence

from certificates.policy import ca_health, limits, renewal, renewal_info, retry
from certificates.policy.issuance import Environment

SECOND = datetime.timedelta(seconds=1)
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
START = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
SWEEP_EVERY = 30 * SECOND
LONGEST_PAUSE = 1.2 * DAY
RULES = limits.rules(Environment.PRODUCTION)


class Trouble(enum.Enum):
    """What does not work for a while."""

    CA_AWAY = "neither directory nor orders answer"
    ORDERS_FAIL = "the directory answers, newOrder does not"
    PORT_CLOSED = "the CA cannot reach the challenge port"


@dataclasses.dataclass(frozen=True)
class Outage:
    """One trouble, from its start until before its end."""

    trouble: Trouble
    start: datetime.datetime
    end: datetime.datetime


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What the CA has issued."""

    serial: str
    issued_at: datetime.datetime
    not_before: datetime.datetime
    not_after: datetime.datetime


@dataclasses.dataclass
class Ca:
    """Let's Encrypt as its Boulder behaves: backdated by an hour, windows of a fiftieth.

    Outages are in order and do not overlap.
    """

    lifetime: datetime.timedelta
    has_renewal_information: bool = True
    outages: Sequence[Outage] = ()
    revocations: Sequence[datetime.datetime] = ()
    check_every: datetime.timedelta = 6 * HOUR
    issued: int = 0

    def trouble(self, at: datetime.datetime) -> Trouble | None:
        """What does not work at that moment."""
        index = bisect.bisect_right(self.outages, at, key=lambda outage: outage.start) - 1
        if index < 0 or at >= self.outages[index].end:
            return None
        return self.outages[index].trouble

    def issue(self, at: datetime.datetime) -> Certificate:
        """A new certificate."""
        self.issued += 1
        not_before = at - HOUR
        return Certificate(str(self.issued), at, not_before, not_before + self.lifetime)

    def window(self, certificate: Certificate, at: datetime.datetime) -> renewal_info.Window:
        """The suggested window; in the past for a revoked certificate."""
        for revoked_at in self.revocations:
            if certificate.issued_at < revoked_at <= at:
                return renewal_info.Window(revoked_at - HOUR, revoked_at - HOUR / 2)
        left = self.lifetime / (2 if self.lifetime < 10 * DAY else 3)
        middle = certificate.not_after - left
        return renewal_info.Window(middle - self.lifetime / 100, middle + self.lifetime / 100)


@dataclasses.dataclass
class Gateway:
    """The rows of one gateway, and what was seen of it."""

    name: str
    certificate: Certificate
    window: renewal_info.Window | None = None
    next_check_at: datetime.datetime = START
    check_failures: int = 0
    failures: int = 0
    last_failure_at: datetime.datetime = START
    not_before: datetime.datetime | None = None
    is_ca_away: bool = False
    busy_until: datetime.datetime = START
    failed_checks: list[datetime.datetime] = dataclasses.field(default_factory=list)
    attempts: list[datetime.datetime] = dataclasses.field(default_factory=list)
    successes: list[datetime.datetime] = dataclasses.field(default_factory=list)
    expired_for: datetime.timedelta = datetime.timedelta(0)

    @property
    def lifetime(self) -> datetime.timedelta:
        """Of the certificate in use."""
        return self.certificate.not_after - self.certificate.not_before


class Console:
    """All gateways of one CA, each with a certificate of its own from the start."""

    def __init__(self, ca: Ca, names: Sequence[str] = ("mx.example.org",)) -> None:
        self.ca = ca
        self.now = START
        self.health = ca_health.CaHealth()
        self.gateways = [Gateway(name, ca.issue(START), successes=[START]) for name in names]
        self.checks = 0

    def run(self, until: datetime.datetime) -> None:
        """Sweep until then; what has expired by then has expired."""
        while self.now < until:
            self._sweep()
            moment = min([self._next_event(gateway) for gateway in self.gateways])
            if self.health.is_away and self.health.next_probe_at is not None:
                moment = min(moment, self.health.next_probe_at)
            sweeps = max(-(-(moment - self.now) // SWEEP_EVERY), 1)
            self.now += sweeps * SWEEP_EVERY
        for gateway in self.gateways:
            self._note_expiry(gateway, until)

    def plan(self, gateway: Gateway) -> renewal.Plan:
        """The gateway's next renewal as its page would tell it."""
        return renewal.next_renewal(
            gateway.certificate.not_before,
            gateway.certificate.not_after,
            window=gateway.window,
            seed=gateway.name + gateway.certificate.serial,
            retry_not_before=self._pause(gateway),
            ca_away_until=self.health.next_probe_at if self.health.is_away else None,
        )

    def _sweep(self) -> None:
        if ca_health.is_probe_due(self.health, self.now):
            if self.ca.trouble(self.now) is Trouble.CA_AWAY:
                self.health = ca_health.probed_failed(self.health, self.now)
            else:
                self.health = ca_health.probed_ok(self.health, self.now)
        for gateway in self.gateways:
            if self._may_check(gateway) and gateway.next_check_at <= self.now:
                self._check(gateway)
            if (
                self.plan(gateway).at <= self.now
                and ca_health.may_start_automatically(self.health, self.now)
                and self._free_at(gateway) <= self.now
            ):
                self._attempt(gateway)

    def _next_event(self, gateway: Gateway) -> datetime.datetime:
        due = self.plan(gateway).at
        if due <= self.now:
            # The last twentieth, from which the budget is wider, is an event as well.
            certificate = gateway.certificate
            last_part = certificate.not_after - self.ca.lifetime / renewal.LAST_PART
            due = self._free_at(gateway)
            due = min(due, last_part) if last_part > self.now else due
        return min(due, gateway.next_check_at) if self._may_check(gateway) else due

    def _may_check(self, gateway: Gateway) -> bool:
        return self.ca.has_renewal_information and renewal_info.may_ask(
            self.now, gateway.certificate.not_after, is_replaced=False
        )

    def _check(self, gateway: Gateway) -> None:
        self.checks += 1
        if self.ca.trouble(self.now) is Trouble.CA_AWAY:
            outcome, retry_after = renewal_info.Outcome.UNREACHABLE, None
            gateway.check_failures += 1
        else:
            outcome, retry_after = renewal_info.Outcome.ANSWERED, self.now + self.ca.check_every
            gateway.check_failures = 0
            gateway.window = self.ca.window(gateway.certificate, self.now)
        gateway.next_check_at = renewal_info.next_check(
            self.now,
            outcome,
            retry_after=retry_after,
            failures=gateway.check_failures,
            seed=gateway.certificate.serial,
        )

    def _attempt(self, gateway: Gateway) -> None:
        gateway.attempts.append(self.now)
        trouble = self.ca.trouble(self.now)
        ended_at = self.now + (MINUTE if trouble else SWEEP_EVERY)
        gateway.busy_until = ended_at
        if trouble is None:
            self._install(gateway, ended_at)
            return
        gateway.failures += 1
        gateway.last_failure_at = ended_at
        gateway.not_before = ended_at + retry.attempt_delay(
            gateway.failures, lifetime=gateway.lifetime, seed=gateway.name
        )
        gateway.is_ca_away = trouble is not Trouble.PORT_CLOSED
        if gateway.is_ca_away:
            self.health = ca_health.opened(self.health, ended_at)
        else:
            gateway.failed_checks.append(ended_at)

    def _install(self, gateway: Gateway, at: datetime.datetime) -> None:
        self._note_expiry(gateway, at)
        gateway.successes.append(at)
        gateway.certificate = self.ca.issue(at)
        gateway.window, gateway.next_check_at, gateway.check_failures = None, at, 0
        gateway.failures, gateway.not_before, gateway.is_ca_away = 0, None, False

    def _note_expiry(self, gateway: Gateway, at: datetime.datetime) -> None:
        gateway.expired_for += max(at - gateway.certificate.not_after, datetime.timedelta(0))

    def _pause(self, gateway: Gateway) -> datetime.datetime | None:
        not_before = retry.trustworthy_moment(gateway.not_before, self.now, LONGEST_PAUSE)
        if not_before is None or not gateway.is_ca_away:
            return not_before
        return ca_health.retry_at(not_before, gateway.last_failure_at, self.health.returned_at)

    def _free_at(self, gateway: Gateway) -> datetime.datetime:
        """When nothing of ours stands against an attempt: another attempt, or our budget."""
        certificate = gateway.certificate
        counted = {
            limits.Limit.CERTIFICATES_PER_SET: gateway.successes[-10:],
            limits.Limit.FAILED_AUTHORIZATIONS: gateway.failed_checks[-10:],
        }
        rules = limits.applicable(
            RULES,
            is_renewal_of_same_set=True,
            is_last_part=renewal.is_last_part(
                certificate.not_before, certificate.not_after, self.now
            ),
        )
        until = limits.overdrawn_until(
            limits.allowance(rule, gateway.name, counted.get(rule.limit, []), self.now)
            for rule in rules
        )
        return max(gateway.busy_until, until or gateway.busy_until)
