"""Whether an issuance may start or be given up, and why not."""

from __future__ import annotations

import dataclasses
import datetime

from challenges.problems import Problem, Severity


def why_not(
    *, uses_lets_encrypt: bool, terms_agreed: bool, clock: Problem | None = None
) -> Problem | None:
    """The first thing about the gateway or the machine that forbids it; None when nothing does.

    ``clock`` is what is wrong with the machine's clock.
    """
    if not uses_lets_encrypt:
        return _refusal(
            "source-is-manual",
            "The certificate source of this gateway is Manual.",
            "Return the gateway to Let's Encrypt first.",
        )
    if not terms_agreed:
        return _refusal(
            "terms-not-agreed",
            "The terms of service of Let's Encrypt have not been agreed to.",
            "Open the gateway's settings, read the terms, agree and save.",
        )
    return clock


def asked_to_wait(problem: Problem, until: datetime.datetime) -> Problem:
    """The CA has asked to be left alone with this; ``problem`` is what it said then."""
    return dataclasses.replace(
        _refusal(
            "ca-asked-to-wait",
            f"The CA asked not to be asked again before {until:%Y-%m-%d %H:%M:%S} UTC.",
            "Try again after that time.",
        ),
        detail=f"{problem.explanation}\n{problem.detail}".strip(),
        retryable=True,
    )


def queue_is_full(running: int) -> Problem:
    """What is running will need all the orders that our own budget still has."""
    return dataclasses.replace(
        _refusal(
            "rate-budget-new-orders",
            "An issuance that is running needs the last order that the CA's limit still leaves."
            if running == 1
            else f"{running} issuances that are running need the orders that the CA's limit still "
            "leaves.",
            "Nothing is wrong: renewals that are due follow by themselves.",
        ),
        retryable=True,
    )


def may_skip_test(
    attempt: int,
    *,
    is_same_set: bool,
    not_before: datetime.datetime,
    not_after: datetime.datetime,
    is_staging_away: bool,
    now: datetime.datetime,
) -> bool:
    """Whether a renewal goes to the production CA at once.

    The first attempt for the same set of names does, since that has worked before. Once it has
    failed, a production attempt is spent only after a success in staging; but in the last tenth
    of the lifetime a staging environment that is away must not cost the certificate.
    """
    is_urgent = now > not_after - (not_after - not_before) / 10
    return (is_same_set and attempt <= 1) or (is_staging_away and is_urgent)


def is_busy(*, is_rehearsal: bool) -> Problem:
    """Something else is running for the gateway."""
    what = "A rehearsal of the renewal" if is_rehearsal else "The issuance of a certificate"
    return dataclasses.replace(
        _refusal(
            "issuance-running",
            f"{what} is running for this gateway.",
            "Wait for its end, or cancel it on its page, and try again.",
        ),
        retryable=True,
    )


def was_busy() -> Problem:
    """Something else was running, and has just ended."""
    return dataclasses.replace(
        _refusal(
            "issuance-running",
            "Another issuance for the same names has just ended.",
            "Try again.",
        ),
        retryable=True,
    )


def is_obtained_elsewhere(slug: str) -> Problem:
    """Another gateway has the same names, and its issuance is running."""
    return dataclasses.replace(
        _refusal(
            "issuance-running",
            f"A certificate for the same names is being obtained for the gateway {slug}.",
            "Wait for its end and try again.",
        ),
        retryable=True,
    )


def was_cancelled() -> Problem:
    """Why a renewal that is due does not begin: somebody has just cancelled it."""
    return Problem(
        code="renewal-cancelled",
        severity=Severity.INFO,
        explanation="The automatic renewal was cancelled by hand; it begins again after a day.",
        remedy=("Press Renew now on the gateway's page to begin it earlier.",),
        retryable=True,
    )


def cannot_cancel(*, has_ended: bool) -> Problem:
    """Too late."""
    return _refusal(
        "cannot-cancel",
        "It has ended already."
        if has_ended
        else "The CA is issuing the certificate already; it will be stored and put to use.",
        "Wait for its end." if not has_ended else "Look at its page to see how it ended.",
    )


def _refusal(code: str, explanation: str, step: str) -> Problem:
    return Problem(code=code, severity=Severity.ERROR, explanation=explanation, remedy=(step,))
