"""Whether an issuance may start, and why not."""

from __future__ import annotations

import datetime

from challenges.problems import Problem, Severity


def why_not(
    *,
    uses_lets_encrypt: bool,
    terms_agreed: bool,
    retry_not_before: datetime.datetime | None,
    now: datetime.datetime,
) -> Problem | None:
    """The first thing that forbids it; None when nothing does.

    ``retry_not_before`` is the end of the pause that the CA asked for with its last refusal.
    """
    if not uses_lets_encrypt:
        return Problem(
            code="source-is-manual",
            severity=Severity.ERROR,
            explanation="The certificate source of this gateway is Manual.",
            remedy=("Return the gateway to Let's Encrypt first.",),
        )
    if not terms_agreed:
        return Problem(
            code="terms-not-agreed",
            severity=Severity.ERROR,
            explanation="The terms of service of Let's Encrypt have not been agreed to.",
            remedy=("Open the gateway's settings, read the terms, agree and save.",),
        )
    if retry_not_before is not None and retry_not_before > now:
        return Problem(
            code="ca-asked-to-wait",
            severity=Severity.ERROR,
            explanation=(
                "The CA asked not to be asked again before "
                f"{retry_not_before:%Y-%m-%d %H:%M:%S} UTC."
            ),
            remedy=("Try again after that time.",),
            retryable=True,
        )
    return None
