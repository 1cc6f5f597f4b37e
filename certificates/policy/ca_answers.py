"""The Problems for a CA that gives no sensible answer, and for a certificate that is not ours."""

from __future__ import annotations

from certificates.policy.acme_meanings import TRY_AGAIN
from certificates.policy.ca_problem import LONGEST_QUOTE, legible, sentence_of
from challenges.problems import Problem, Severity


def unreachable(detail: str, directory_url: str) -> Problem:
    """The CA could not be asked at all: no connection, no TLS, no sensible answer."""
    return Problem(
        code="ca-unreachable",
        severity=Severity.ERROR,
        explanation=f"The CA at {directory_url} cannot be reached from this machine.",
        remedy=(
            "Check that this machine may open HTTPS connections (TCP port 443) to the internet.",
            "Check the machine's DNS resolver and clock.",
            TRY_AGAIN,
        ),
        detail=legible(detail, LONGEST_QUOTE),
        retryable=True,
    )


def invalid_answer(detail: str) -> Problem:
    """The CA answered something that is not ACME."""
    return Problem(
        code="ca-answer-invalid",
        severity=Severity.ERROR,
        explanation="The CA's answer cannot be understood or cannot be trusted.",
        remedy=(
            "Check that no proxy or firewall changes this machine's HTTPS traffic.",
            TRY_AGAIN,
        ),
        detail=legible(detail, LONGEST_QUOTE),
        retryable=True,
    )


def unusable_certificate(problem: Problem) -> Problem:
    """The CA has answered with a certificate that is not the one that was ordered.

    ``problem`` says what is wrong with the chain. The certificate in use is not touched.
    """
    reason = sentence_of(problem.explanation)
    return Problem(
        code="ca-certificate-unusable",
        severity=Severity.ERROR,
        explanation=(
            f"The CA issued a certificate that cannot be used: {reason[:1].lower()}{reason[1:]}"
        ),
        remedy=(
            "Nothing has been put to use, and another certificate is ordered by itself.",
            "If it happens again, check the configured directory address and this machine's clock.",
        ),
        detail=legible(f"{problem.code}: {problem.detail}", LONGEST_QUOTE),
        retryable=True,
    )
