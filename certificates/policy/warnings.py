"""Which warnings hold, computed from the present facts: none is stale and none is missed."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable

from certificates.policy.health import Part, PartStatus
from certificates.policy.names import covers
from certificates.policy.validity import Validity, days_left, validity
from challenges.problems import Problem, Severity, worst_first

# A manual certificate is renewed by a person, who needs days to get a new one.
MANUAL_WARNINGS = (1, 3, 7, 14, 30)  # days
# A renewal is due at a moment, and begins with the next sweep.
OVERDUE = datetime.timedelta(hours=1)


@dataclasses.dataclass(frozen=True, slots=True)
class CertificateFacts:
    """The certificate in use. Times in UTC."""

    names: tuple[str, ...]
    not_before: datetime.datetime
    not_after: datetime.datetime
    is_renewed: bool


@dataclasses.dataclass(frozen=True, slots=True)
class GatewayFacts:
    """What a gateway's warnings are computed from.

    ``failure`` is the Problem of the last issuance if that failed; ``next_renewal_at`` the
    moment of the next automatic attempt, None when there is none.
    """

    hostname: str
    names: tuple[str, ...]
    uses_lets_encrypt: bool
    terms_agreed: bool
    certificate: CertificateFacts | None
    failure: Problem | None = None
    next_renewal_at: datetime.datetime | None = None
    is_working: bool = False


def of_gateway(facts: GatewayFacts, now: datetime.datetime) -> list[Problem]:
    """The gateway's warnings, worst first."""
    found: list[Problem | None] = [facts.failure]
    if facts.certificate is None:
        if facts.failure is None and not facts.is_working:
            found.append(_no_certificate(facts))
    else:
        found += [
            _expiry(facts, facts.certificate, now),
            _missing_names(facts, facts.certificate),
        ]
    if facts.next_renewal_at is not None and not facts.is_working:
        found.append(_overdue(facts, facts.next_renewal_at, now))
    return worst_first(problem for problem in found if problem is not None)


def of_parts(statuses: Iterable[PartStatus]) -> list[Problem]:
    """One warning for each part that is not alive."""
    return [_silent(status) for status in statuses if not status.is_ok]


def _no_certificate(facts: GatewayFacts) -> Problem:
    if facts.uses_lets_encrypt and not facts.terms_agreed:
        step = "Open the gateway's settings, read the terms of service, agree and save."
    elif facts.uses_lets_encrypt:
        step = "Press Test and obtain certificate on the gateway's page."
    else:
        step = "Import a certificate, or choose Let's Encrypt as the certificate source."
    return Problem(
        code="no-certificate",
        severity=Severity.WARNING,
        explanation=f"{facts.hostname} has no certificate yet.",
        remedy=(step,),
    )


def _expiry(
    facts: GatewayFacts, certificate: CertificateFacts, now: datetime.datetime
) -> Problem | None:
    state = validity(certificate.not_before, certificate.not_after, now)
    if state is Validity.EXPIRED:
        return _about_expiry(
            facts,
            certificate,
            "certificate-expired",
            Severity.ERROR,
            f"The certificate of {facts.hostname} expired on {_day(certificate.not_after)}; "
            "other mail servers and clients may refuse it.",
        )
    if state is Validity.NOT_YET:
        return _about_expiry(
            facts,
            certificate,
            "certificate-not-yet-valid",
            Severity.ERROR,
            f"The certificate of {facts.hostname} is valid only from "
            f"{_day(certificate.not_before)}.",
        )
    left = days_left(certificate.not_after, now)
    threshold = next((days for days in MANUAL_WARNINGS if left <= days), None)
    soon = state is Validity.EXPIRES_SOON if certificate.is_renewed else threshold is not None
    if not soon:
        return None
    return _about_expiry(
        facts,
        certificate,
        "certificate-expires-soon",
        Severity.ERROR if left <= MANUAL_WARNINGS[1] else Severity.WARNING,
        f"The certificate of {facts.hostname} expires on {_day(certificate.not_after)}, "
        f"in {_days(left)}.",
    )


def _about_expiry(
    facts: GatewayFacts,
    certificate: CertificateFacts,
    code: str,
    severity: Severity,
    explanation: str,
) -> Problem:
    remedy = (
        ("Read the last issuance's log, mend what it names and press Try again.",)
        if certificate.is_renewed
        else (
            (
                "Import a new certificate and use it, or return this gateway to Let's Encrypt, "
                "which renews by itself."
            ),
        )
    )
    return Problem(code=code, severity=severity, explanation=explanation, remedy=remedy)


def _missing_names(facts: GatewayFacts, certificate: CertificateFacts) -> Problem | None:
    missing = [name for name in facts.names if not covers(certificate.names, name)]
    if not missing:
        return None
    return Problem(
        code="names-not-covered",
        severity=Severity.WARNING,
        explanation=f"The certificate in use does not hold {', '.join(missing)}.",
        remedy=("Obtain a new certificate: it will hold all names of the gateway.",)
        if facts.uses_lets_encrypt
        else ("Import a certificate that holds all names of the gateway.",),
    )


def _overdue(
    facts: GatewayFacts, planned: datetime.datetime, now: datetime.datetime
) -> Problem | None:
    if now - planned < OVERDUE:
        return None
    return Problem(
        code="renewal-overdue",
        severity=Severity.WARNING,
        explanation=(
            f"The renewal for {facts.hostname} was due on {planned:%Y-%m-%d %H:%M} UTC "
            "and has not begun."
        ),
        remedy=(
            (
                "Check below that worker and beat are at work, and that the terms of service are "
                "agreed to."
            ),
            "Press Renew now on the gateway's page.",
        ),
    )


_RESTART = "Look into the program's own log for the reason, and restart Gateway Admin."
_REMEDIES = {
    Part.DATABASE: "Start the database, or correct DATABASE_URL.",
    Part.BROKER: "Start Redis or Valkey, or correct CELERY_BROKER_URL.",
    Part.WORKER: _RESTART,
    Part.BEAT: _RESTART,
    Part.CHALLENGE_PORT: (
        "Choose a free challenge port in the network settings, or stop what occupies it."
    ),
}


def _silent(status: PartStatus) -> Problem:
    return Problem(
        code=f"{status.name.replace('_', '-')}-down",
        severity=Severity.ERROR,
        explanation=status.explanation,
        remedy=(_REMEDIES[status.part],),
        retryable=True,
    )


def _day(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _days(count: int) -> str:
    if count < 1:
        return "less than a day"
    return "1 day" if count == 1 else f"{count} days"
