"""Whether a certificate can be put to use for a gateway, and whether it belongs there at all."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Collection, Sequence

from certificates.policy.names import covers
from certificates.policy.validity import Validity, validity
from challenges.problems import Problem, Severity, legible_line

# More names than these are counted and not listed: a certificate may hold a hundred.
MOST_LISTED = 5
# What is so for a time: it has ended, or has not begun.
OUT_OF_TIME = frozenset({"certificate-expired", "certificate-not-yet-valid"})
# Of a name that stands in a certificate, which anybody may have written.
_LONGEST_SHOWN = 253


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A certificate that somebody wants to use. Times in UTC.

    ``key_problem`` says why its private key cannot be used, None when it can; ``is_staging`` that
    it comes from a CA that is for tests.
    """

    names: tuple[str, ...]
    issuer: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    key_problem: Problem | None = None
    is_staging: bool = False


def why_not(facts: Candidate, names: Sequence[str], now: datetime.datetime) -> Problem | None:
    """Why a gateway of these names cannot use it; None when it can.

    What no new file could mend comes first, and what concerns this gateway alone last.
    """
    return (
        _keyless(facts)
        or _from_staging(facts)
        or _out_of_time(facts, now)
        or _missing_names(facts, names)
    )


def why_foreign(held: Sequence[str], names: Sequence[str]) -> Problem | None:
    """Why a certificate is not a gateway's at all: it holds none of its names."""
    if any(covers(held, name) for name in names):
        return None
    return _refusal(
        "names-do-not-match",
        f"This certificate is for {listed(held)}; the gateway is {listed(names)}.",
        "Choose the gateway that the certificate is for, or a certificate for this gateway.",
    )


def takes_over(selected: int | None, line: Collection[int]) -> bool:
    """Whether a new version of a certificate is put to use at once; all by their numbers.

    It is while any version of its line is the selected one: also after an older one was selected
    by hand, because what comes next is what mends a version that was taken back. Whoever wants to
    leave the line selects another certificate.
    """
    return selected in line


def listed(names: Sequence[str]) -> str:
    """Names in a sentence; the first few of very many."""
    if not names:
        return "no host name"
    shown = ", ".join(legible_line(name, _LONGEST_SHOWN) for name in names[:MOST_LISTED])
    more = len(names) - MOST_LISTED
    return f"{shown} and {more} more" if more > 0 else shown


def _keyless(facts: Candidate) -> Problem | None:
    if facts.key_problem is None:
        return None
    return dataclasses.replace(
        _refusal(
            "certificate-without-key",
            "This certificate cannot be used, because its private key cannot. "
            f"{facts.key_problem.explanation}",
            *facts.key_problem.remedy,
        ),
        detail=facts.key_problem.detail,
    )


def _from_staging(facts: Candidate) -> Problem | None:
    if not facts.is_staging:
        return None
    return _refusal(
        "certificate-from-staging",
        f"The certificate was issued by {legible_line(facts.issuer, _LONGEST_SHOWN)}, which is for "
        "tests and which nobody trusts.",
        "Use a certificate of a CA that mail servers and clients trust.",
    )


def _out_of_time(facts: Candidate, now: datetime.datetime) -> Problem | None:
    match validity(facts.not_before, facts.not_after, now):
        case Validity.EXPIRED:
            return _refusal(
                "certificate-expired",
                f"The certificate expired on {_moment(facts.not_after)}.",
                "Get a new one from where it was issued and bring that in.",
            )
        case Validity.NOT_YET:
            return _refusal(
                "certificate-not-yet-valid",
                f"The certificate is valid only from {_moment(facts.not_before)}.",
                "Use it then, or correct this machine's clock if that is wrong.",
            )
        case _:
            return None


def _missing_names(facts: Candidate, names: Sequence[str]) -> Problem | None:
    missing = [name for name in names if not covers(facts.names, name)]
    if not missing:
        return None
    return _refusal(
        "names-do-not-match",
        f"The certificate is for {listed(facts.names)}; it does not cover {listed(missing)}.",
        "Use a certificate that holds all names of the gateway, or change the gateway's hostnames.",
    )


def _refusal(code: str, explanation: str, *steps: str) -> Problem:
    return Problem(code=code, severity=Severity.ERROR, explanation=explanation, remedy=steps)


def _moment(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
