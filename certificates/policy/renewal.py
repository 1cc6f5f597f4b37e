"""When a certificate from Let's Encrypt is renewed, and why then.

In layers: the CA's own window, else the lifetime rule; the last twentieth of the lifetime
overrides both; a pause after a failure holds against all. One from elsewhere has none of these:
it is replaced at once. Our own pauses are at most a twentieth
of the lifetime (``retry``): an outage that ends a tenth of it before expiry costs nothing.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum

from certificates.policy import renewal_info

SHORT_LIFETIME = datetime.timedelta(days=10)
LONGEST_USE = datetime.timedelta(days=60)
LAST_PART = 20  # a twentieth


class Reason(enum.StrEnum):
    """Why the renewal is at that moment."""

    CA_WINDOW = "ca-window"
    THIRD_LEFT = "third-left"
    HALF_LEFT = "half-left"
    SIXTY_DAYS = "sixty-days"
    LAST_TWENTIETH = "last-twentieth"
    FROM_ELSEWHERE = "from-elsewhere"
    RETRY = "retry"
    CA_AWAY = "ca-away"

    @property
    def sentence(self) -> str:
        """The reason for people."""
        return _SENTENCES[self]


_SENTENCES = {
    Reason.CA_WINDOW: "The CA suggests this moment for the renewal.",
    Reason.THIRD_LEFT: "One third of the certificate's lifetime is left then.",
    Reason.HALF_LEFT: "Half of the short-lived certificate's lifetime is left then.",
    Reason.SIXTY_DAYS: "The certificate is 60 days old then.",
    Reason.LAST_TWENTIETH: "The last twentieth of the certificate's lifetime begins then.",
    Reason.FROM_ELSEWHERE: (
        "The certificate in use is not from Let's Encrypt; one from there takes its place as soon "
        "as it can be had."
    ),
    Reason.RETRY: "The last renewal failed; it is tried again then.",
    Reason.CA_AWAY: "The CA cannot be reached; it is looked for again then.",
}


@dataclasses.dataclass(frozen=True)
class Plan:
    """The next renewal: a moment in UTC and why then."""

    at: datetime.datetime
    reason: Reason

    @property
    def is_at_once(self) -> bool:
        """Whether it is for no moment: what is awaited is that nothing holds it back."""
        return self.reason is Reason.FROM_ELSEWHERE


def by_lifetime(not_before: datetime.datetime, not_after: datetime.datetime) -> Plan:
    """The earliest of one third of the lifetime left (half below ten days) and 60 days of age.

    Fractions, never a fixed number of days before expiry: lifetimes are getting shorter.
    """
    lifetime = not_after - not_before
    short = lifetime < SHORT_LIFETIME
    fraction = Plan(
        not_after - lifetime / (2 if short else 3),
        Reason.HALF_LEFT if short else Reason.THIRD_LEFT,
    )
    # Never beyond the end, which may be the calendar's.
    age = Plan(not_before + min(LONGEST_USE, lifetime), Reason.SIXTY_DAYS)
    return min(fraction, age, key=lambda plan: plan.at)


def next_renewal(
    not_before: datetime.datetime,
    not_after: datetime.datetime,
    *,
    window: renewal_info.Window | None = None,
    seed: str = "",
    retry_not_before: datetime.datetime | None = None,
    ca_away_until: datetime.datetime | None = None,
) -> Plan:
    """The moment for the next attempt; one in the past means now.

    ``window`` is the CA's last answer for this certificate and ``seed`` something of this
    certificate's own, such as its serial number. ``retry_not_before`` is the end of the pause
    after a failure, or the one that the CA asked for; ``ca_away_until`` the next look for a CA
    that is known to be away.
    """
    if window is not None and renewal_info.is_usable(window):
        plan = Plan(renewal_info.chosen_moment(window, seed), Reason.CA_WINDOW)
    else:
        plan = by_lifetime(not_before, not_after)
    last = Plan(_last_part(not_before, not_after), Reason.LAST_TWENTIETH)
    plan = min(plan, last, key=lambda candidate: candidate.at)
    return _after_pauses(plan, retry_not_before, ca_away_until)


def first_from_there(
    now: datetime.datetime,
    *,
    retry_not_before: datetime.datetime | None = None,
    ca_away_until: datetime.datetime | None = None,
) -> Plan:
    """The same where the certificate in use is from elsewhere: now, unless a pause holds."""
    return _after_pauses(Plan(now, Reason.FROM_ELSEWHERE), retry_not_before, ca_away_until)


def is_last_part(
    not_before: datetime.datetime, not_after: datetime.datetime, now: datetime.datetime
) -> bool:
    """Whether the last twentieth of the lifetime has begun: a renewal cannot wait any more."""
    return now >= _last_part(not_before, not_after)


def _after_pauses(
    plan: Plan,
    retry_not_before: datetime.datetime | None,
    ca_away_until: datetime.datetime | None,
) -> Plan:
    for pause, reason in ((retry_not_before, Reason.RETRY), (ca_away_until, Reason.CA_AWAY)):
        if pause is not None and pause > plan.at:
            plan = Plan(pause, reason)
    return plan


def _last_part(not_before: datetime.datetime, not_after: datetime.datetime) -> datetime.datetime:
    return not_after - (not_after - not_before) / LAST_PART
