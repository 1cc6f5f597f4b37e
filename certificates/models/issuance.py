"""One run towards a certificate: staging test, then production, then installing."""

from __future__ import annotations

import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _

from certificates.policy.issuance import STAGES, TERMINAL, Course, State
from challenges.problems import Problem


class Trigger(models.TextChoices):
    """Who asked for it."""

    MANUAL = "manual", _("Requested by an administrator")
    RENEWAL = "renewal", _("Automatic renewal")
    REHEARSAL = "rehearsal", _("Rehearsal of the renewal")


class Issuance(models.Model):
    """The row is the truth: whoever advances it claims the lease first and stores what it did."""

    gateway = models.ForeignKey(
        "certificates.Gateway", on_delete=models.CASCADE, related_name="issuances"
    )
    state = models.CharField(
        max_length=16,
        choices=[(state.value, state.label) for state in State],
        default=State.WAITING.value,
    )
    trigger = models.CharField(max_length=16, choices=Trigger.choices)
    course = models.CharField(
        max_length=16,
        choices=[(course.value, course.value) for course in Course],
        default=Course.TESTED.value,
    )
    names = models.JSONField(help_text="As asked for at the start; later edits do not change it.")
    identifier_set = models.CharField(
        max_length=64, help_text="The fingerprint of the names, whatever their order."
    )
    key_type = models.CharField(max_length=16)
    profile = models.CharField(max_length=64, blank=True)
    attempt = models.PositiveIntegerField(
        default=1,
        help_text="Counts attempts since the last success; renewals are paced by it.",
    )
    problem_facts = models.JSONField(null=True, blank=True)
    step_failures = models.PositiveIntegerField(
        default=0, help_text="Transient failures in a row of the present step."
    )
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="When the first of these failures was."
    )
    next_step_at = models.DateTimeField(null=True, blank=True)
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-started_at", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=("gateway",),
                condition=~models.Q(state__in=sorted(TERMINAL)),
                name="one_live_issuance_per_gateway",
            ),
            models.UniqueConstraint(
                fields=("identifier_set",),
                condition=~models.Q(state__in=sorted(TERMINAL)),
                name="one_live_issuance_per_identifier_set",
            ),
        )
        indexes = (
            models.Index(fields=("next_step_at",)),
            models.Index(fields=("gateway", "-started_at", "-id")),
            # The few that failed or wait, of however many there are: they are warnings.
            models.Index(
                fields=("gateway",),
                condition=models.Q(problem_facts__isnull=False),
                name="issuance_with_problem",
            ),
        )

    def __str__(self) -> str:
        return f"{', '.join(self.names)}: {self.state}"

    @property
    def current(self) -> State:
        """The state as the policy's word."""
        return State(self.state)

    @property
    def way(self) -> Course:
        """The course as the policy's word."""
        return Course(self.course)

    @property
    def is_rehearsal(self) -> bool:
        """Whether it is only to prove that a certificate could be had."""
        return self.way is Course.REHEARSAL

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended."""
        return self.current.is_terminal

    @property
    def problem(self) -> Problem | None:
        """Why it failed, or what it waits for."""
        return Problem.from_json(self.problem_facts) if self.problem_facts else None

    def waits_at(self, now: datetime.datetime) -> bool:
        """Whether it stands still for a reason that may last, and goes on by itself later.

        The short pause between two tries of a step is no such wait.
        """
        is_ahead = self.next_step_at is not None and self.next_step_at > now
        return is_ahead and self.problem is not None and self.failing_since is None

    @property
    def preflight_findings(self) -> list[Problem]:
        """What its preflight found, worst first; advice, never a verdict."""
        # The other side of a one-to-one is an exception where there is none.
        preflight = getattr(self, "preflight", None)
        return preflight.problems if preflight is not None else []


class StageState(models.TextChoices):
    """How far one stage is."""

    WAITING = "waiting", _("Waiting")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class Stage(models.Model):
    """When one stage of an issuance ran and how it ended."""

    issuance = models.ForeignKey(Issuance, on_delete=models.CASCADE, related_name="stages")
    stage = models.CharField(
        max_length=16, choices=[(state.value, state.label) for state in STAGES]
    )
    state = models.CharField(max_length=16, choices=StageState.choices, default=StageState.RUNNING)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("issuance", "stage"), name="stage_once_per_issuance"),
        )

    def __str__(self) -> str:
        return f"{self.stage}: {self.state}"
