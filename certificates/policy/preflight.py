"""What a preflight finds about the console itself, and about a preflight that came to nothing."""

from __future__ import annotations

import datetime

from challenges.problems import Problem, Severity


def abandoned(*, was_taken: bool) -> Problem:
    """It has not ended, and nobody can be at work on it any more."""
    explanation = (
        "The preflight check was begun and did not come to its end, because the worker that "
        "carried it out has stopped."
        if was_taken
        else "The preflight check has not begun, because no worker has taken it within a minute."
    )
    return Problem(
        code="preflight-abandoned",
        severity=Severity.WARNING,
        explanation=explanation,
        remedy=(
            "Look at the warnings: they name the part of this console that is down.",
            "Then press Run preflight check again.",
        ),
        retryable=True,
    )


def not_sent(detail: str) -> Problem:
    """The broker has not taken the message, so that no worker will hear of it."""
    return Problem(
        code="preflight-not-sent",
        severity=Severity.WARNING,
        explanation=(
            "The preflight check has not begun, because the message broker cannot be reached."
        ),
        remedy=(
            "Start the broker, or check the address in CELERY_BROKER_URL.",
            "Then press Run preflight check again.",
        ),
        detail=detail,
        retryable=True,
    )


def renewal_waits(cause: Problem, until: datetime.datetime) -> Problem:
    """The last attempt has failed, so nothing is begun by itself for a while."""
    return Problem(
        code="automatic-attempts-wait",
        severity=Severity.INFO,
        explanation=(
            f"No issuance begins by itself before {until:%Y-%m-%d %H:%M} UTC, because the last "
            "one has failed."
        ),
        remedy=(
            "Mend what the last issuance names.",
            "Then you need not wait: press the button that asks for the certificate.",
        ),
        detail=f"{cause.code}: {cause.explanation}",
        retryable=True,
    )


def renewal_stopped(cause: Problem) -> Problem:
    """What the last attempt failed by cannot pass by itself."""
    return Problem(
        code="automatic-attempts-stopped",
        severity=Severity.WARNING,
        explanation=(
            "No issuance begins by itself any more, because what the last one failed by cannot "
            f"pass by itself: {cause.explanation}"
        ),
        remedy=(
            *cause.remedy,
            "Then press the button that asks for the certificate, or save changed settings.",
        ),
        detail=f"{cause.code}\n{cause.detail}".strip(),
    )
