"""The latest time that this console has seen, by which a clock that went wrong is noticed."""

from __future__ import annotations

from django.db import models


class LastSeen(models.Model):
    """One row; it never goes backwards but by the owner's own word."""

    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.seen_at.isoformat()
