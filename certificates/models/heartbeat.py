"""The last sign of life of each part that works in the background."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Component(models.TextChoices):
    """The parts that write heartbeats; the challenge listener has a row of its own kind."""

    WORKER = "worker", _("Worker")
    BEAT = "beat", _("Beat")
    SWEEP = "sweep", _("Sweep")


class Heartbeat(models.Model):
    """Written every few seconds; its age is what health and warnings are computed from."""

    component = models.CharField(max_length=16, choices=Component.choices, unique=True)
    seen_at = models.DateTimeField()
    warnings = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="How many the sweep has counted, so that no page has to for a number.",
    )

    def __str__(self) -> str:
        return f"{self.component}: {self.seen_at.isoformat()}"
