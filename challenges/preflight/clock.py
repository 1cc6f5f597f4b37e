"""The clock: a certificate authority's signatures and times mean nothing to a wrong one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from django.utils.translation import gettext as _

from challenges.preflight.report import Established, Fact, Report
from challenges.problems import Problem, Severity

TOLERANCE = timedelta(minutes=10)


def compare(now: datetime, date_header: str, origin: str) -> Report:
    """Whether the clock agrees with the Date header of ``origin``'s answer (RFC 9110 §6.6.1).

    A date that cannot be read says nothing.
    """
    theirs = _moment_of(date_header)
    if theirs is None:
        return Report()
    facts = {"now": written(now), "theirs": written(theirs), "origin": origin}
    if abs(now - theirs) <= TOLERANCE:
        sentence = _("This machine's clock agrees with that of %(origin)s.") % facts
        return Report(established=(Established(Fact.CLOCK_RIGHT, sentence),))
    problem = Problem(
        code="clock-differs",
        severity=Severity.WARNING,
        explanation=_(
            "This machine's clock shows %(now)s, but it is %(theirs)s according to %(origin)s."
        )
        % facts,
        remedy=remedy(),
    )
    return Report((problem,))


def _moment_of(date_header: str) -> datetime | None:
    """The moment that a Date header names, if it names one."""
    try:
        moment = parsedate_to_datetime(date_header)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def remedy() -> tuple[str, ...]:
    """How to set a clock right."""
    return (
        _("Set the clock and keep it right by NTP: sudo timedatectl set-ntp true"),
        _("Check the result: timedatectl"),
    )


def written(moment: datetime) -> str:
    """A moment as people and logs read it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
