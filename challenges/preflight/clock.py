"""The clock: a certificate authority's signatures and times mean nothing to a wrong one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from django.utils.translation import gettext as _

from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity

TOLERANCE = timedelta(minutes=10)


def check(surroundings: Surroundings) -> list[Problem]:
    """Whether the clock shows a time at which this version existed."""
    if surroundings.now >= surroundings.built_at:
        return []
    return [
        Problem(
            code="clock-before-build",
            severity=Severity.ERROR,
            explanation=_(
                "This machine's clock shows %(now)s, which is before this version was made."
            )
            % {"now": _written(surroundings.now)},
            remedy=_remedy(),
        )
    ]


def compare(now: datetime, date_header: str, origin: str) -> Problem | None:
    """Whether the clock agrees with the Date header of ``origin``'s answer (RFC 9110 §6.6.1)."""
    try:
        theirs = parsedate_to_datetime(date_header)
    except ValueError:
        return None
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    if abs(now - theirs) <= TOLERANCE:
        return None
    return Problem(
        code="clock-differs",
        severity=Severity.WARNING,
        explanation=_(
            "This machine's clock shows %(now)s, but it is %(theirs)s according to %(origin)s."
        )
        % {"now": _written(now), "theirs": _written(theirs), "origin": origin},
        remedy=_remedy(),
    )


def _remedy() -> tuple[str, ...]:
    return (
        _("Set the clock and keep it right by NTP: sudo timedatectl set-ntp true"),
        _("Check the result: timedatectl"),
    )


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
