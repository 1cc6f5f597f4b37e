"""A pause that a CA has asked for, and what it concerns."""

from __future__ import annotations

from django.db import models

from certificates.policy.refusal import Scope
from challenges.problems import Problem


class Pause(models.Model):
    """Nobody asks this CA about this subject before ``until`` (Retry-After, RFC 8555 §6.6)."""

    directory_url = models.URLField(max_length=500)
    scope = models.CharField(max_length=32, choices=[(scope.value, scope.value) for scope in Scope])
    subject = models.CharField(
        max_length=253, blank=True, help_text="A name, a domain or a set of names; else empty."
    )
    until = models.DateTimeField()
    problem_facts = models.JSONField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("directory_url", "scope", "subject"), name="one_pause_per_subject"
            ),
        )
        indexes = (models.Index(fields=("until",)),)

    def __str__(self) -> str:
        return f"{self.scope} {self.subject}: {self.until.isoformat()}"

    @property
    def problem(self) -> Problem:
        """What the CA said."""
        return Problem.from_json(self.problem_facts)
