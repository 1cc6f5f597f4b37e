"""One look at a gateway's surroundings, by itself or as an issuance's first stage."""

from __future__ import annotations

from django.db import models

from challenges.problems import Problem


class Preflight(models.Model):
    """What was looked at, how far it is, and what was found. Advice, never a verdict."""

    gateway = models.ForeignKey(
        "certificates.Gateway", on_delete=models.CASCADE, related_name="preflights"
    )
    issuance = models.OneToOneField(
        "certificates.Issuance",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="preflight",
    )
    names = models.JSONField(help_text="As looked at; later edits do not change it.")
    progress = models.CharField(
        max_length=200, blank=True, help_text="What is being looked at, in words."
    )
    findings = models.JSONField(default=list, blank=True)
    established = models.JSONField(
        default=list, blank=True, help_text="Pairs of a fact's code and its sentence."
    )
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-started_at", "-pk")
        indexes = (models.Index(fields=("gateway", "-started_at", "-id")),)
        constraints = (
            models.UniqueConstraint(
                fields=("gateway",),
                condition=models.Q(finished_at__isnull=True, issuance__isnull=True),
                name="one_running_preflight_per_gateway",
            ),
        )

    def __str__(self) -> str:
        return f"{', '.join(self.names)}: {self.started_at.isoformat()}"

    @property
    def problems(self) -> list[Problem]:
        """The findings as Problems."""
        return [Problem.from_json(finding) for finding in self.findings]
