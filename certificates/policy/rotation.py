"""When an old key for encryption at rest may be forgotten, and why keys cannot be changed now."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

from challenges.problems import Problem, Severity

# Longer than any process can take from reading the keys to storing what it has sealed with them.
KEPT_FOR = datetime.timedelta(days=1)
NAMED = 10


@dataclasses.dataclass(frozen=True, order=True)
class Row:
    """Where a sealed text stands, for a sentence."""

    model: str
    pk: int

    def __str__(self) -> str:
        return f"{self.model} {self.pk}"


def listed(rows: Sequence[Row]) -> str:
    """The rows for a sentence, the first ten by name."""
    named = ", ".join(str(row) for row in rows[:NAMED])
    return f"{named} and {len(rows) - NAMED} more" if len(rows) > NAMED else named


def is_recent(changed_at: datetime.datetime, now: datetime.datetime) -> bool:
    """Whether a process may still work with the keys from before this change.

    So it is, too, when the change lies ahead: one of the two clocks is wrong.
    """
    return now - changed_at < KEPT_FOR


def already_running() -> Problem:
    """Two at a time would each throw the other's new key away."""
    return Problem(
        code="rotation-running",
        severity=Severity.ERROR,
        explanation="The encryption keys are being changed by another command.",
        remedy=("Wait until that has ended.",),
        retryable=True,
    )


def not_written(file: str, reason: str) -> Problem:
    """The key file is what it was, or has one more key that nothing is sealed with."""
    return Problem(
        code="encryption-keys-not-written",
        severity=Severity.ERROR,
        explanation=(
            f"The key file {file} could not be changed: {reason}. "
            "No key was lost, and everything that is stored still opens."
        ),
        remedy=(
            (
                "Run the command as the user that Gateway Admin runs as, and look for free space "
                "and for a read-only mount."
            ),
        ),
        retryable=True,
    )


def too_recent() -> Problem:
    """Somebody may be about to store what an old key has sealed."""
    return Problem(
        code="encryption-keys-too-recent",
        severity=Severity.ERROR,
        explanation=(
            "The key file was changed less than a day ago, and another process may still be "
            "storing something that it sealed with an old key. No key was forgotten."
        ),
        remedy=("Run the command again a day after the keys were rotated.",),
        retryable=True,
    )


def still_needed(rows: Sequence[Row]) -> Problem:
    """What an old key has sealed, and what is damaged, so that it cannot be sealed anew."""
    return Problem(
        code="encryption-keys-still-needed",
        severity=Severity.ERROR,
        explanation=(
            "Old encryption keys are still named by stored keys that could not be sealed anew: "
            f"{listed(rows)}. No key was forgotten."
        ),
        remedy=("Restore these rows from a backup; until then keep the old keys.",),
    )
