"""Which warnings hold, computed from the present facts: none is stale and none is missed."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable

from certificates.policy.health import PartStatus
from certificates.policy.names import covers
from certificates.policy.validity import Validity, days_left, validity
from challenges.problems import Problem, Severity, worst_first

# A manual certificate is renewed by a person, who needs days to get a new one: from so many days
# before its end on, how bad it is, and what to say of it.
_MANUAL_STEPS: tuple[tuple[int, Severity, str], ...] = (
    (1, Severity.ERROR, "After that other mail servers and clients may refuse it."),
    (3, Severity.ERROR, "A CA may need longer than that to issue a new one: act today."),
    (7, Severity.WARNING, "It is the last week to replace it without haste."),
    (14, Severity.WARNING, "A CA that asks for papers may need most of that time."),
    (30, Severity.WARNING, "It is time to order a new one."),
)
MANUAL_WARNINGS = tuple(days for days, _severity, _words in _MANUAL_STEPS)
# With so many days left even one that renews by itself is in danger.
LAST_DAYS = 3
# When the CA has been looked for in vain once more.
WORTH_A_WARNING = datetime.timedelta(minutes=15)
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

    ``failure`` is the Problem of the last issuance if that failed, or of the running one if that
    waits for something; ``rehearsal_failure`` that of the last rehearsal. ``is_stopped`` says that
    nothing is renewed until somebody edits something; ``files_problem`` why the files in use are
    not the selected certificate's. ``followed_path`` is the file that another tool renews and
    from which the certificate in use came, empty when it did not; ``followed_problem`` why what is
    in the followed files now cannot be used. ``next_renewal_at`` is the moment of the next
    automatic attempt, None when there is none.
    """

    hostname: str
    names: tuple[str, ...]
    uses_lets_encrypt: bool
    terms_agreed: bool
    certificate: CertificateFacts | None
    failure: Problem | None = None
    rehearsal_failure: Problem | None = None
    files_problem: Problem | None = None
    followed_path: str = ""
    followed_problem: Problem | None = None
    is_stopped: bool = False
    next_renewal_at: datetime.datetime | None = None
    is_working: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class AuthorityFacts:
    """A CA's directory: ``label`` for people, and since when it has been out of reach."""

    label: str
    url: str
    away_since: datetime.datetime | None
    detail: str = ""


def of_gateway(facts: GatewayFacts, now: datetime.datetime) -> list[Problem]:
    """The gateway's warnings, worst first."""
    found: list[Problem | None] = [facts.failure, facts.files_problem, facts.followed_problem]
    if facts.is_stopped:
        found.append(_stopped(facts))
    elif _has_not_begun(facts, now):
        found.append(_not_begun(facts, now))
    if facts.rehearsal_failure is not None and facts.failure is None:
        found.append(_rehearsal(facts, facts.rehearsal_failure))
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


def next_manual_warning(
    not_after: datetime.datetime, now: datetime.datetime
) -> datetime.datetime | None:
    """When the next warning of a manual certificate's end begins; None after the last one."""
    ahead = [days for days in MANUAL_WARNINGS if not _is_told_of(days, not_after, now)]
    return not_after - datetime.timedelta(days=max(ahead)) if ahead else None


def _is_told_of(days: int, not_after: datetime.datetime, now: datetime.datetime) -> bool:
    """Whether the warning of so many days before the end has begun."""
    return not_after - now <= datetime.timedelta(days=days)


def of_parts(statuses: Iterable[PartStatus]) -> list[Problem]:
    """One warning for each part that is not alive."""
    return [_silent(status) for status in statuses if not status.is_ok]


def of_authorities(
    facts: Iterable[AuthorityFacts], clock: Problem | None, now: datetime.datetime
) -> list[Problem]:
    """What keeps this console from asking a CA at all: its clock, or the CA's absence."""
    away = [
        absence(each, each.away_since)
        for each in facts
        if each.away_since is not None and now - each.away_since >= WORTH_A_WARNING
    ]
    return [*([clock] if clock else []), *away]


def absence(facts: AuthorityFacts, since: datetime.datetime) -> Problem:
    """The CA has been out of reach since then, however long that is."""
    return Problem(
        code="ca-away",
        severity=Severity.WARNING,
        explanation=(
            f"The {facts.label} cannot be reached since {since:%Y-%m-%d %H:%M} UTC. "
            "Nothing is requested there by itself until it answers again; the certificates in "
            "use stay."
        ),
        remedy=(
            "Check that this machine may open HTTPS connections (TCP port 443) to the internet.",
            (
                "If it may, wait: the CA is looked for every 15 minutes, and renewals that are due "
                "then begin by themselves."
            ),
        ),
        detail=f"{facts.url}\n{facts.detail}".strip(),
        retryable=True,
    )


def _stopped(facts: GatewayFacts) -> Problem:
    return Problem(
        code="renewal-stopped",
        severity=Severity.ERROR,
        explanation=(
            f"The automatic renewal for {facts.hostname} has stopped, because what went wrong "
            "cannot pass by itself."
        ),
        remedy=(
            "Mend what the last issuance names, in the gateway's settings or where it says.",
            "Press Try again on the gateway's page. Saving changed settings starts it as well.",
        ),
    )


def _rehearsal(facts: GatewayFacts, problem: Problem) -> Problem:
    return Problem(
        code="rehearsal-failed",
        severity=Severity.WARNING,
        explanation=(
            f"The rehearsal of the renewal for {facts.hostname} failed: {problem.explanation} "
            "The certificate in use is not affected yet."
        ),
        remedy=(
            *(step for step in problem.remedy if "press try again" not in step.lower()),
            "Then press Rehearse renewal on the gateway's page.",
        ),
        detail=problem.detail,
        retryable=True,
    )


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
    return _approaching(facts, certificate, state, now)


def _approaching(
    facts: GatewayFacts, certificate: CertificateFacts, state: Validity, now: datetime.datetime
) -> Problem | None:
    """The end is near: for what is renewed once that should have happened, else by the steps."""
    left = days_left(certificate.not_after, now)
    sentence = (
        f"The certificate of {facts.hostname} expires on {_day(certificate.not_after)}, "
        f"in {_days(left)}."
    )
    code = "certificate-expires-soon"
    if certificate.is_renewed:
        if state is not Validity.EXPIRES_SOON:
            return None
        severity = Severity.ERROR if left <= LAST_DAYS else Severity.WARNING
        return _about_expiry(facts, certificate, code, severity, sentence)
    for days, severity, words in _MANUAL_STEPS:
        if _is_told_of(days, certificate.not_after, now):
            return _about_expiry(facts, certificate, code, severity, f"{sentence} {words}")
    return None


def _about_expiry(
    facts: GatewayFacts,
    certificate: CertificateFacts,
    code: str,
    severity: Severity,
    explanation: str,
) -> Problem:
    return Problem(
        code=code,
        severity=severity,
        explanation=explanation,
        remedy=_steps_to_a_new_one(facts, certificate),
    )


def _steps_to_a_new_one(facts: GatewayFacts, certificate: CertificateFacts) -> tuple[str, ...]:
    if certificate.is_renewed:
        return ("Read the last issuance's log, mend what it names and press Try again.",)
    if facts.uses_lets_encrypt:
        return ("Press Test and obtain certificate on the gateway's page.",)
    by_hand = (
        "Import a new certificate and use it, or return this gateway to Let's Encrypt, "
        "which renews by itself."
    )
    if not facts.followed_path:
        return (by_hand,)
    return (
        (
            f"Look why the tool that renews {facts.followed_path} has not done so: what it writes "
            "there is put to use by itself."
        ),
        f"If that cannot be mended in time: {by_hand[0].lower()}{by_hand[1:]}",
    )


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


def _has_not_begun(facts: GatewayFacts, now: datetime.datetime) -> bool:
    """Another's certificate is to be replaced by one from Let's Encrypt, and nothing is running.

    While the next attempt after a failure is awaited, that failure says more than this could.
    """
    certificate, planned = facts.certificate, facts.next_renewal_at
    is_awaited = facts.uses_lets_encrypt and certificate is not None and not certificate.is_renewed
    is_told = facts.failure is not None and (planned is None or planned > now)
    return is_awaited and not facts.is_working and not is_told


def _not_begun(facts: GatewayFacts, now: datetime.datetime) -> Problem:
    return Problem(
        code="renewal-not-begun",
        severity=Severity.WARNING,
        explanation=(
            f"The certificate of {facts.hostname} is to come from Let's Encrypt again, but the "
            "one in use is from elsewhere, and none from there is being asked for now."
        ),
        remedy=_steps_to_begin(facts, now),
        retryable=True,
    )


def _steps_to_begin(facts: GatewayFacts, now: datetime.datetime) -> tuple[str, ...]:
    if not facts.terms_agreed:
        return (
            "Open the gateway's settings, read the terms of service, agree and save.",
            "The certificate is then asked for by itself within a minute.",
        )
    planned = facts.next_renewal_at
    is_paused = planned is not None and planned > now
    when = f"after {_day(planned)}" if planned and is_paused else "as soon as that is possible"
    return (
        f"Wait: it is asked for by itself {when}.",
        (
            "To ask at once, or to read what holds it back, press Test and obtain certificate on "
            "the gateway's page."
        ),
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


def _silent(status: PartStatus) -> Problem:
    return Problem(
        code=f"{status.name.replace('_', '-')}-down",
        severity=Severity.ERROR,
        explanation=status.explanation,
        remedy=status.remedy,
        retryable=True,
    )


def _day(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _days(count: int) -> str:
    if count < 1:
        return "less than a day"
    return "1 day" if count == 1 else f"{count} days"
