"""What a CA's error means for a mail administrator, and whether trying again can help.

The texts in ``detail`` are hostile and are only ever quoted; what is read out of them decides
which sentences are said, at most how long to pause, and for what.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from certificates.policy import refusal_details
from certificates.policy.acme_causes import named_cause, replaces_opening, replaces_record
from certificates.policy.acme_kinds import Family, Kind, family_of
from certificates.policy.acme_meanings import DNS_RECORD, MEANINGS, TRY_AGAIN, UNKNOWN, Meaning
from certificates.policy.acme_sightings import remarks, sighting
from certificates.policy.acme_surroundings import Surroundings
from certificates.policy.acme_words import words_for
from certificates.policy.ca_answers import invalid_answer, unreachable, unusable_certificate
from certificates.policy.ca_problem import (
    LONGEST_QUOTE,
    LONGEST_SENTENCE,
    URN,
    CaProblem,
    kebab,
    legible,
    quote,
    sentence_of,
)
from certificates.policy.evidence import Evidence
from certificates.policy.refusal import (
    Scope,
    account_is_closed,
    is_passing,
    mentions_replaces,
    retry_moment,
    scope_of,
    subject_of,
)
from certificates.policy.refusal_meanings import REFUSAL_MEANINGS
from certificates.policy.validation_details import Reading, read
from certificates.policy.validation_meanings import OPEN_PORT, VALIDATION_MEANINGS
from challenges.problems import Problem, Severity

__all__ = [
    "LONGEST_QUOTE",
    "LONGEST_SENTENCE",
    "URN",
    "CaProblem",
    "Scope",
    "Surroundings",
    "account_is_closed",
    "explain",
    "invalid_answer",
    "is_passing",
    "kebab",
    "legible",
    "mentions_replaces",
    "quote",
    "retry_moment",
    "scope_of",
    "subject_of",
    "unreachable",
    "unusable_certificate",
]

MOST_STEPS = 10
_NOT_RESOLVED = ("could not resolve", "no such host", "nxdomain", "no valid a records")
_QUOTED = re.compile(r"\S+://\S+|\"[^\"]*\"?")
_FINER: dict[Kind, Meaning] = {
    **VALIDATION_MEANINGS,
    **REFUSAL_MEANINGS,
    Kind.PAUSED: MEANINGS["paused"],
}


def explain(
    problem: CaProblem,
    surroundings: Surroundings,
    evidence: Evidence | None = None,
    findings: Iterable[Problem] = (),
) -> Problem:
    """The CA's error as a Problem, with this gateway's own values filled in.

    ``evidence`` is what the challenge port saw of the order that failed, and ``findings`` those of
    the preflight that came before; both belong to a failed validation alone. They change the
    sentences and the steps, never the code and never whether it is worth trying again.

    It is retryable unless the error is permanent: then it stays until somebody edits something,
    and automatic retries stop. What a person may mend elsewhere (the DNS, a router) is retryable.
    A compound error is explained by its first part, since what it is about is said there alone.
    """
    case = _case(problem.first)
    words = words_for(problem, case.subject, case.reading, surroundings)
    name, family = words["name"], case.family
    seen = sighting(case.reading, family, evidence, name, surroundings.names)
    added = remarks(case.reading, family, surroundings, seen)
    cause = named_cause(
        findings,
        family,
        name,
        surroundings,
        has_arrived=seen is not None and seen.has_arrived,
        was_ipv4="." in case.reading.address,
    )
    said = [case.meaning.explanation, *([seen.sentence] if seen else [])]
    said += [remark.sentence for remark in added]
    steps = [*(remark.step for remark in added), *(seen or case.meaning).remedy]
    return Problem(
        code=f"acme-{case.slug}",
        severity=Severity.ERROR,
        explanation=_explanation([text.format(**words) for text in said], cause),
        remedy=_remedy(steps, cause, words),
        detail=quote(problem),
        retryable=not case.is_permanent,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Case:
    """What an error comes to. ``coarse`` is its type, or what that should be."""

    subject: CaProblem
    reading: Reading
    kind: Kind | None
    coarse: str

    @property
    def slug(self) -> str:
        """The code without what all have in front."""
        return self.kind or kebab(self.coarse) or "unknown"

    @property
    def family(self) -> Family:
        """How far a validation came."""
        return family_of(self.kind, self.coarse)

    @property
    def meaning(self) -> Meaning:
        """The sentences for what the words say, or else for the type."""
        return self._by_type if self.kind is None else _FINER[self.kind]

    @property
    def is_permanent(self) -> bool:
        """The type decides, except for what comes under that of something else.

        A pause comes under that of an ordinary limit; and name servers that did not answer for a
        CAA record under that of a record that forbids, although they may answer the next time.
        """
        if self.kind is Kind.CAA_UNREADABLE:
            return False
        return self._by_type.is_permanent or self.kind is Kind.PAUSED

    @property
    def _by_type(self) -> Meaning:
        unknown = MEANINGS["serverInternal"] if self.subject.status >= 500 else UNKNOWN
        return MEANINGS.get(self.coarse, unknown)


def _case(subject: CaProblem) -> _Case:
    reading = read(subject)
    kind = reading.kind or refusal_details.kind_of(subject)
    return _Case(subject, reading, kind, _coarse(subject))


def _coarse(problem: CaProblem) -> str:
    """The error's type, but for a CA that calls a name without an address a failed connection."""
    if problem.type == "connection":
        own_words = _QUOTED.sub("", problem.detail).lower()
        if any(words in own_words for words in _NOT_RESOLVED):
            return "dns"
    return problem.type


def _explanation(sentences: list[str], cause: Problem | None) -> str:
    if cause is not None:
        found = sentence_of(cause.explanation)
        sentences.append(f"The preflight has already found what may be the reason: {found}")
    return " ".join(sentences)


def _remedy(steps: list[str], cause: Problem | None, words: dict[str, str]) -> tuple[str, ...]:
    """The steps of the cause first, none twice, and trying again at the end."""
    replaced = set()
    if cause is not None:
        replaced |= {OPEN_PORT} if replaces_opening(cause) else set()
        replaced |= {DNS_RECORD} if replaces_record(cause) else set()
    own = [step.format(**words) for step in steps if step not in replaced]
    found = [sentence_of(step) for step in cause.remedy if step] if cause else []
    ordered = dict.fromkeys([*found, *own])
    is_repeatable = ordered.pop(TRY_AGAIN, "") is None
    return (*list(ordered)[:MOST_STEPS], *([TRY_AGAIN] if is_repeatable else []))
