"""The one shape for everything that can be wrong: findings, CA problems, failures and warnings.

Imports nothing of ours and nothing of Django, so that every room may speak it.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Mapping


class Severity(enum.StrEnum):
    """How bad it is: an error will not work, a warning may not, an info is good to know."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """Zero for the least severe; for sorting."""
        return list(Severity).index(self)


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong and what to do about it, for a mail administrator.

    ``code`` is stable and documented; ``explanation`` is a whole sentence that names the thing;
    ``remedy`` holds the steps in order; ``detail`` is for experts and may quote what another
    party said, so it is hostile text; ``retryable`` says whether trying again unchanged can help.
    """

    code: str
    severity: Severity
    explanation: str
    remedy: tuple[str, ...] = ()
    detail: str = ""
    retryable: bool = False

    def to_json(self) -> dict[str, object]:
        """As JSON values, for a row or for a command's output."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "explanation": self.explanation,
            "remedy": list(self.remedy),
            "detail": self.detail,
            "retryable": self.retryable,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Problem:
        """The inverse of :meth:`to_json`.

        Raises KeyError or ValueError for anything that ``to_json`` did not write.
        """
        remedy = value["remedy"]
        if not isinstance(remedy, list):
            raise ValueError("remedy must be a list of sentences")
        return cls(
            code=str(value["code"]),
            severity=Severity(str(value["severity"])),
            explanation=str(value["explanation"]),
            remedy=tuple(str(step) for step in remedy),
            detail=str(value["detail"]),
            retryable=bool(value["retryable"]),
        )


class ProblemError(Exception):
    """An expected failure: carries the Problem that a person will read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.explanation)
        self.problem = problem


def worst_first(problems: Iterable[Problem]) -> list[Problem]:
    """The problems ordered by severity; equally severe ones stay in their order."""
    return sorted(problems, key=lambda problem: -problem.severity.rank)


def legible_line(text: str, longest: int) -> str:
    """Like :func:`legible`, and on one line: for names, and for what is quoted in a sentence."""
    return legible(" ".join(text.split()), longest)


def legible(text: str, longest: int) -> str:
    """Hostile text as it can be stored, printed and shown: no control characters but line breaks.

    What is replaced includes lone surrogates and zero bytes, which databases refuse, and the
    characters that turn the direction of writing. At most ``longest`` characters of it.
    """
    return "".join(
        character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}"
        for character in text[:longest]
    )
