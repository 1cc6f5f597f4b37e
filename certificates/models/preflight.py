"""One look at a gateway's surroundings, by itself or as an issuance's first stage."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from django.db import models

from certificates.policy.names import identifier_set
from challenges.problems import Problem, worst_first


class Preflight(models.Model):
    """What was looked at, how far it is, and what was found. Advice, never a verdict.

    Whoever carries it out takes it first, and writes only while it is still the one who took it.
    """

    # Twice as long as a worker needs for one, and as a person waits for one to be taken.
    ABANDONED_AFTER = datetime.timedelta(seconds=60)

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
    step = models.PositiveSmallIntegerField(default=0, help_text="Of ``steps``, from 1.")
    steps = models.PositiveSmallIntegerField(default=0, help_text="0 before the first one.")
    findings = models.JSONField(default=list, blank=True)
    established = models.JSONField(
        default=list, blank=True, help_text="Pairs of a fact's code and its sentence."
    )
    addresses = models.JSONField(
        default=dict, blank=True, help_text="Of each name, those in the public DNS."
    )
    started_at = models.DateTimeField(help_text="When it was asked for.")
    taken_at = models.DateTimeField(
        null=True, blank=True, help_text="When somebody began to carry it out."
    )
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
        """The findings as Problems, worst first."""
        return worst_first(Problem.from_json(finding) for finding in self.findings)

    def has_other_names(self, names: Iterable[str]) -> bool:
        """Whether it looked at another set of names than this one."""
        return identifier_set(self.names) != identifier_set(names)

    @property
    def has_ended(self) -> bool:
        """Whether there is a result."""
        return self.finished_at is not None

    @property
    def seconds(self) -> float | None:
        """How long it took; None until it has ended, or where nobody has ever begun it."""
        if self.taken_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.taken_at).total_seconds()

    def is_abandoned(self, now: datetime.datetime) -> bool:
        """Whether it has not ended, and nobody can be at work on it any more.

        A beginning that lies ahead was written by a clock that was wrong.
        """
        began = self.taken_at or self.started_at
        return not self.has_ended and abs(now - began) >= self.ABANDONED_AFTER

    def is_running(self, now: datetime.datetime) -> bool:
        """Whether its end can be waited for."""
        return not self.has_ended and not self.is_abandoned(now)
