"""When a certificate from Let's Encrypt is renewed, and why then."""

from __future__ import annotations

import dataclasses
import datetime
import enum

from certificates.policy import retry

SHORT_LIFETIME = datetime.timedelta(days=10)
LONGEST_USE = datetime.timedelta(days=60)


class Reason(enum.StrEnum):
    """Why the renewal is at that moment."""

    THIRD_LEFT = "third-left"
    HALF_LEFT = "half-left"
    SIXTY_DAYS = "sixty-days"
    RETRY = "retry"

    @property
    def sentence(self) -> str:
        """The reason for people."""
        return _SENTENCES[self]


_SENTENCES = {
    Reason.THIRD_LEFT: "One third of the certificate's lifetime is left then.",
    Reason.HALF_LEFT: "Half of the short-lived certificate's lifetime is left then.",
    Reason.SIXTY_DAYS: "The certificate is 60 days old then.",
    Reason.RETRY: "The last renewal failed; it is tried again then.",
}


@dataclasses.dataclass(frozen=True)
class Plan:
    """The next renewal: a moment in UTC and why then."""

    at: datetime.datetime
    reason: Reason


def by_lifetime(not_before: datetime.datetime, not_after: datetime.datetime) -> Plan:
    """The earliest of one third of the lifetime left (half below ten days) and 60 days of age.

    Fractions, never a fixed number of days before expiry: lifetimes are getting shorter. The
    CA's own renewal information (RFC 9773) is to be considered before this rule.
    """
    lifetime = not_after - not_before
    short = lifetime < SHORT_LIFETIME
    fraction = Plan(
        not_after - lifetime / (2 if short else 3),
        Reason.HALF_LEFT if short else Reason.THIRD_LEFT,
    )
    age = Plan(not_before + LONGEST_USE, Reason.SIXTY_DAYS)
    return min(fraction, age, key=lambda plan: plan.at)


def next_renewal(
    not_before: datetime.datetime,
    not_after: datetime.datetime,
    *,
    failed_attempts: int = 0,
    last_failure_at: datetime.datetime | None = None,
    not_before_retry: datetime.datetime | None = None,
) -> Plan:
    """The moment for the next attempt.

    After failures not before their pause is over, and never before the CA is ready to be asked
    (``not_before_retry``, from its Retry-After).
    """
    plan = by_lifetime(not_before, not_after)
    pauses = [not_before_retry] if not_before_retry is not None else []
    if failed_attempts > 0 and last_failure_at is not None:
        pauses.append(last_failure_at + retry.renewal_delay(failed_attempts))
    latest = max(pauses, default=plan.at)
    return Plan(latest, Reason.RETRY) if latest > plan.at else plan
