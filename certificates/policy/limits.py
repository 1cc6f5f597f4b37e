"""Let's Encrypt's rate limits and our own budget below them, counted from what we have done.

The CA's limits are token buckets: full at ``most``, one more every ``window / most``. Ours are
sliding windows, which are stricter: whoever makes at most ``most`` requests in any window makes
at most ``(k + 1) * most`` in k of them and a part, and that is what a full bucket and k windows
of refill hold. So what fits here is not refused there for our doing, while the CA may count what
others do as well (other accounts, for certificates); its refusals have their own pauses.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Iterable, Sequence

from certificates.policy.issuance import Environment
from challenges.problems import Problem, Severity


class Limit(enum.StrEnum):
    """What the CA counts, by the names of its own page (letsencrypt.org/docs/rate-limits)."""

    NEW_ORDERS = "new-orders"
    CERTIFICATES_PER_DOMAIN = "certificates-per-domain"
    CERTIFICATES_PER_SET = "certificates-per-set"
    FAILED_AUTHORIZATIONS = "failed-authorizations"


HOUR = datetime.timedelta(hours=1)
WEEK = datetime.timedelta(days=7)


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A limit at one environment: the CA's own ``most`` in ``window``, and where we stop."""

    limit: Limit
    most: int
    stop_at: int
    window: datetime.timedelta

    @property
    def label(self) -> str:
        """The words on the screen."""
        what = {
            Limit.NEW_ORDERS: "New orders",
            Limit.CERTIFICATES_PER_DOMAIN: "Certificates for a registered domain",
            Limit.CERTIFICATES_PER_SET: "Certificates for the same set of names",
            Limit.FAILED_AUTHORIZATIONS: "Failed checks of a name",
        }[self.limit]
        return f"{what} in {_span(self.window)}"


@dataclasses.dataclass(frozen=True, slots=True)
class Overrides:
    """Higher limits that Let's Encrypt has granted to the production account, if any."""

    new_orders: int | None = None
    certificates_per_domain: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Allowance:
    """How much of a rule is used for a subject (an account, a domain, a set of names, a name).

    ``frees_at`` is when more is left than now; None while nothing counts.
    """

    rule: Rule
    subject: str
    used: int
    frees_at: datetime.datetime | None = None

    @property
    def limit(self) -> Limit:
        """What is counted."""
        return self.rule.limit

    @property
    def most(self) -> int:
        """Where we stop."""
        return self.rule.stop_at

    @property
    def left(self) -> int:
        """How many more may be made now."""
        return max(self.rule.stop_at - self.used, 0)

    @property
    def label(self) -> str:
        """The words on the screen."""
        return self.rule.label


def rules(environment: Environment, overrides: Overrides | None = None) -> tuple[Rule, ...]:
    """The limits of the environment (Let's Encrypt's pages of 2026-08-05 and, staging, 2026-04-10).

    We stop a little earlier than the CA, because it counts a moment later than we record.
    """
    if environment is Environment.STAGING:
        return (
            _rule(Limit.NEW_ORDERS, 1500, 3 * HOUR),
            _rule(Limit.CERTIFICATES_PER_DOMAIN, 30_000, datetime.timedelta(seconds=1)),
            _rule(Limit.CERTIFICATES_PER_SET, 30_000, WEEK),
            Rule(Limit.FAILED_AUTHORIZATIONS, 200, 160, HOUR),
        )
    granted = overrides or Overrides()
    return (
        _rule(Limit.NEW_ORDERS, granted.new_orders or 300, 3 * HOUR),
        _rule(Limit.CERTIFICATES_PER_DOMAIN, granted.certificates_per_domain or 50, WEEK),
        _rule(Limit.CERTIFICATES_PER_SET, 5, WEEK),
        Rule(Limit.FAILED_AUTHORIZATIONS, 5, 4, HOUR),
    )


def applicable(
    candidates: Iterable[Rule],
    *,
    is_renewal_of_same_set: bool = False,
    is_last_part: bool = False,
) -> tuple[Rule, ...]:
    """The rules that bind an order.

    A renewal of exactly the same set of names is exempt from the limit per domain; its use is
    recorded all the same, since it counts for other sets. An order that names what it replaces
    within the CA's window is exempt from all (RFC 9773 §5, Boulder), and yet bound here: the
    exemption is the CA's to give, and the budget is what stops a loop of renewals.

    In the last part of the lifetime of the certificate in use (``renewal.is_last_part``) we stop
    only where the CA does: a week's wait is longer than a certificate of six days lives.
    """
    bound = [
        rule
        for rule in candidates
        if not (is_renewal_of_same_set and rule.limit is Limit.CERTIFICATES_PER_DOMAIN)
    ]
    if is_last_part:
        return tuple(
            dataclasses.replace(rule, stop_at=rule.most) if rule.window >= WEEK else rule
            for rule in bound
        )
    return tuple(bound)


def allowance(
    rule: Rule, subject: str, uses: Sequence[datetime.datetime], now: datetime.datetime
) -> Allowance:
    """What is left for the subject, whose uses are given in any order.

    A use in the future was written by a clock that was ahead. Up to one window ahead it counts,
    since it was real; farther ahead it is ignored, or it would block for years.
    """
    counted = sorted(use for use in uses if now - rule.window < use <= now + rule.window)
    if not counted:
        return Allowance(rule, subject, 0)
    first = counted[max(len(counted) - rule.stop_at, 0)]
    return Allowance(rule, subject, len(counted), first + rule.window)


def overdrawn_until(allowances: Iterable[Allowance]) -> datetime.datetime | None:
    """When all of them have something left again; None when they do now."""
    moments = [each.frees_at for each in allowances if not each.left and each.frees_at is not None]
    return max(moments, default=None)


def why_overdrawn(allowances: Iterable[Allowance], now: datetime.datetime) -> Problem | None:
    """Why an order has to wait for our own budget; None when it need not.

    Of several, the one that lasts longest. The renewal is made by itself afterwards.
    """
    spent = [each for each in allowances if not each.left and each.frees_at is not None]
    if not spent:
        return None
    worst = max(spent, key=lambda each: each.frees_at or now)
    frees_at = worst.frees_at or now
    code = {
        Limit.NEW_ORDERS: "rate-budget-new-orders",
        Limit.CERTIFICATES_PER_DOMAIN: "rate-budget-domain",
        Limit.CERTIFICATES_PER_SET: "rate-budget-set",
    }.get(worst.limit, "rate-budget-failures")
    return Problem(
        code=code,
        severity=Severity.ERROR,
        explanation=(
            f"{_WHAT[worst.limit].format(used=worst.used, subject=worst.subject)} in "
            f"{_span(worst.rule.window)}, and the CA refuses more than {worst.rule.most}. The next "
            f"is possible on {_moment(frees_at)}, in {_distance(frees_at - now)}."
        ),
        remedy=(_REMEDIES[worst.limit], f"Try again after {_moment(frees_at)}."),
        detail=f"{worst.label}: {worst.used} of {worst.most} for {worst.subject}",
        retryable=True,
    )


_WHAT = {
    Limit.NEW_ORDERS: "This console has placed {used} orders",
    Limit.CERTIFICATES_PER_DOMAIN: "This console has obtained {used} certificates for {subject}",
    Limit.CERTIFICATES_PER_SET: (
        "This console has obtained {used} certificates for exactly the same names"
    ),
    Limit.FAILED_AUTHORIZATIONS: "The CA's check of {subject} has failed {used} times",
}
_REMEDIES = {
    Limit.NEW_ORDERS: (
        "Nothing is wrong: renewals that are due follow by themselves. If this happens often, "
        "ask Let's Encrypt for a higher limit and enter it in the configuration."
    ),
    Limit.CERTIFICATES_PER_DOMAIN: (
        "Obtain the other certificates of this domain later, or put several hostnames into one "
        "certificate as additional hostnames."
    ),
    Limit.CERTIFICATES_PER_SET: (
        "Use one of the certificates that are there already: the gateway's page lists them."
    ),
    Limit.FAILED_AUTHORIZATIONS: (
        "Mend what the last failed issuance names first; every further failure prolongs the wait."
    ),
}


def _rule(limit: Limit, most: int, window: datetime.timedelta) -> Rule:
    return Rule(limit, most, max(most - max(most // 60, 1), 1), window)


def _span(window: datetime.timedelta) -> str:
    hours, seconds = divmod(int(window.total_seconds()), 3600)
    if seconds:
        return "one second" if seconds == 1 else f"{seconds} seconds"
    if hours >= 48:
        return f"{hours // 24} days"
    return "one hour" if hours == 1 else f"{hours} hours"


def _moment(at: datetime.datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _distance(span: datetime.timedelta) -> str:
    """A length of time that is not over when the words say so."""
    minutes = max(-(-int(span.total_seconds()) // 60), 1)
    for size, unit in ((1440, "days"), (60, "hours")):
        if minutes >= 2 * size:
            return f"{-(-minutes // size)} {unit}"
    return "1 minute" if minutes == 1 else f"{minutes} minutes"
