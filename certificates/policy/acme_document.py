"""A CA's problem document (RFC 8555 §6.7), and how what it says is quoted and named."""

from __future__ import annotations

import dataclasses
import datetime

from challenges.problems import legible

URN = "urn:ietf:params:acme:error:"
LONGEST_QUOTE = 20_000
LONGEST_SENTENCE = 1000


@dataclasses.dataclass(frozen=True)
class CaProblem:
    """An ACME problem document. ``type`` is without the URN's prefix; empty when unknown."""

    type: str
    detail: str = ""
    status: int = 0
    identifier: str = ""
    subproblems: tuple[CaProblem, ...] = ()
    retry_after: datetime.datetime | None = None

    @property
    def first(self) -> CaProblem:
        """The part that a compound error is explained by: what it is about is said there alone."""
        is_compound = self.type == "compound" and self.subproblems
        return self.subproblems[0] if is_compound else self

    @property
    def is_limit(self) -> bool:
        """Whether the text is the CA's alone.

        That of a failed validation quotes whatever answers on port 80, so no limit, no link and
        no time is read out of it.
        """
        return self.type == "rateLimited" or self.status in {429, 503}


def quote(problem: CaProblem) -> str:
    """The CA's own words, for the technical detail."""
    lines = [f"{problem.type or 'unknown error'}: {problem.detail}".strip()]
    if problem.retry_after:
        lines.append(f"Try again after {problem.retry_after:%Y-%m-%d %H:%M:%S} UTC.")
    lines.extend(
        f"{sub.identifier or 'subproblem'}: {sub.type}: {sub.detail}" for sub in problem.subproblems
    )
    return legible("\n".join(lines), LONGEST_QUOTE)


def sentence_of(text: str) -> str:
    """A sentence from elsewhere in this program, on one line and of bounded length."""
    return legible(text, LONGEST_SENTENCE).replace("\n", " ")


def kebab(camel: str) -> str:
    """``rateLimited`` as ``rate-limited``; anything but ASCII letters is dropped.

    A run of capitals counts as one word, so that ``badCSR`` becomes ``bad-csr``.
    """
    result = ""
    previous_is_lower = False
    for character in camel[:64]:
        if not (character.isascii() and character.isalpha()):
            continue
        if character.isupper() and previous_is_lower:
            result += "-"
        result += character.lower()
        previous_is_lower = character.islower()
    return result
