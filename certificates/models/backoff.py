"""How long a set of names is left alone after its failures."""

from __future__ import annotations

from django.db import models

from challenges.problems import Problem


class Backoff(models.Model):
    """Consulted before the CA is asked for the same set of names again by itself.

    There is a row only while the last attempt has failed; a success deletes it. A person may try
    again at any time.
    """

    identifier_set = models.CharField(max_length=64, unique=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    last_failure_at = models.DateTimeField()
    not_before = models.DateTimeField(help_text="No automatic attempt before then.")
    is_stopped = models.BooleanField(
        default=False, help_text="The problem is permanent: nothing is tried until an edit."
    )
    away_directory_url = models.URLField(
        max_length=500, blank=True, help_text="The CA that was away: its return ends the pause."
    )
    problem_facts = models.JSONField()

    def __str__(self) -> str:
        return f"{self.failures} failures, not before {self.not_before.isoformat()}"

    @property
    def problem(self) -> Problem:
        """Why the last attempt failed."""
        return Problem.from_json(self.problem_facts)
