"""What a CA's error means for a mail administrator, and whether trying again can help.

The texts in ``detail`` are hostile and are only ever quoted; what is read out of them decides
which sentences are said, at most how long to pause, and for what.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from certificates.policy import refusal_details
from certificates.policy.acme_causes import named_cause, replaces_opening, replaces_record
from certificates.policy.acme_document import LONGEST_QUOTE, CaProblem, kebab, quote, sentence_of
from certificates.policy.acme_kinds import Family, Kind, family_of
from certificates.policy.acme_meanings import MEANINGS, UNKNOWN, Meaning
from certificates.policy.acme_sightings import remarks, sighting
from certificates.policy.acme_steps import DNS_RECORD, OPEN_PORT, TRY_AGAIN
from certificates.policy.acme_words import Values, words_for
from certificates.policy.evidence import Evidence
from certificates.policy.refusal_meanings import REFUSAL_MEANINGS
from certificates.policy.validation_details import Reading, read, type_of
from certificates.policy.validation_meanings import VALIDATION_MEANINGS
from challenges.problems import Problem, Severity, legible

MOST_STEPS = 10
_FINER: dict[Kind, Meaning] = {**VALIDATION_MEANINGS, **REFUSAL_MEANINGS}


def explain(
    problem: CaProblem,
    values: Values,
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
    case, findings = _case(problem.first), tuple(findings)
    words = words_for(problem, case.subject, case.reading, values)
    said, steps, cause = _told(case, words["name"], values, _believed(evidence, findings), findings)
    return Problem(
        code=f"acme-{case.slug}",
        severity=Severity.ERROR,
        explanation=_explanation([text.format(**words) for text in said], cause),
        remedy=_remedy(steps, cause, words),
        detail=quote(problem),
        retryable=not case.is_permanent,
    )


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


@dataclasses.dataclass(frozen=True, slots=True)
class _Case:
    """What an error comes to: a kind, where the words say more than the type does."""

    subject: CaProblem
    reading: Reading
    kind: Kind | None
    type: str

    @property
    def slug(self) -> str:
        """The code without what all have in front."""
        return self.kind or kebab(self.type) or "unknown"

    @property
    def family(self) -> Family:
        """How far a validation came."""
        return family_of(self.kind, self.type)

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
        return self._by_type.is_permanent or self.meaning.is_permanent

    @property
    def _by_type(self) -> Meaning:
        unknown = MEANINGS["serverInternal"] if self.subject.status >= 500 else UNKNOWN
        return MEANINGS.get(self.type, unknown)


def _case(subject: CaProblem) -> _Case:
    reading = read(subject)
    kind = reading.kind or refusal_details.kind_of(subject)
    return _Case(subject, reading, kind, type_of(subject))


def _believed(evidence: Evidence | None, findings: tuple[Problem, ...]) -> Evidence | None:
    """The same, but for a challenge port that the preflight could not get an answer from.

    What hangs or has just died still looks alive for some seconds, and notes nothing.
    """
    if evidence is None or not any(_is_own_port_dead(finding) for finding in findings):
        return evidence
    return dataclasses.replace(evidence, was_watched=False)


def _is_own_port_dead(finding: Problem) -> bool:
    return finding.severity is Severity.ERROR and finding.code.startswith("challenge-")


def _told(
    case: _Case,
    name: str,
    values: Values,
    evidence: Evidence | None,
    findings: tuple[Problem, ...],
) -> tuple[list[str], list[str], Problem | None]:
    """The sentences and steps, both with places to be filled in, and the preflight's reason."""
    family = case.family
    seen = sighting(case.reading, family, evidence, name, values.names)
    added = remarks(case.reading, family, values, seen)
    cause = named_cause(
        findings,
        family,
        name,
        values,
        has_arrived=seen is not None and seen.has_arrived,
        was_ipv4="." in case.reading.address,
    )
    said = [case.meaning.explanation, *([seen.sentence] if seen else [])]
    said += [remark.sentence for remark in added]
    return said, [*(remark.step for remark in added), *(seen or case.meaning).remedy], cause


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
