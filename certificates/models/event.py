"""A line of the log that people read."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Level(models.TextChoices):
    """How much attention a line wants."""

    INFO = "info", _("Information")
    WARNING = "warning", _("Warning")
    ERROR = "error", _("Error")


class Event(models.Model):
    """What happened, in a sentence; the technical detail is kept apart from it."""

    at = models.DateTimeField()
    level = models.CharField(max_length=16, choices=Level.choices, default=Level.INFO)
    gateway = models.ForeignKey(
        "certificates.Gateway",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="events",
    )
    issuance = models.ForeignKey(
        "certificates.Issuance",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="events",
    )
    code = models.CharField(max_length=64, help_text="Stable, for filters and for monitoring.")
    message = models.TextField()
    detail = models.TextField(blank=True)

    class Meta:
        ordering = ("-at", "-pk")
        indexes = (
            models.Index(fields=("-at", "-id")),
            models.Index(fields=("gateway", "-at")),
            models.Index(fields=("level", "-at")),
        )

    def __str__(self) -> str:
        return self.message
