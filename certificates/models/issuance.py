"""One run towards a certificate: staging test, then production, then installing."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from certificates.policy.issuance import STAGES, TERMINAL, State
from challenges.problems import Problem


class Trigger(models.TextChoices):
    """Who asked for it."""

    MANUAL = "manual", _("Requested by an administrator")
    RENEWAL = "renewal", _("Automatic renewal")


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
    names = models.JSONField(help_text="As asked for at the start; later edits do not change it.")
    key_type = models.CharField(max_length=16)
    attempt = models.PositiveIntegerField(
        default=1,
        help_text="Counts attempts since the last success; renewals are paced by it.",
    )
    problem_facts = models.JSONField(null=True, blank=True)
    findings = models.JSONField(default=list, blank=True)
    step_failures = models.PositiveIntegerField(
        default=0, help_text="Transient failures in a row of the present step."
    )
    next_step_at = models.DateTimeField(null=True, blank=True)
    retry_not_before = models.DateTimeField(
        null=True, blank=True, help_text="The CA asked not to be asked again before then."
    )
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
        )
        indexes = (
            models.Index(fields=("next_step_at",)),
            models.Index(fields=("gateway", "-started_at")),
        )

    def __str__(self) -> str:
        return f"{', '.join(self.names)}: {self.state}"

    @property
    def current(self) -> State:
        """The state as the policy's word."""
        return State(self.state)

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended."""
        return self.current.is_terminal

    @property
    def problem(self) -> Problem | None:
        """Why it failed, or what it waits for."""
        return Problem.from_json(self.problem_facts) if self.problem_facts else None

    @property
    def preflight_findings(self) -> list[Problem]:
        """What the preflight found; advice, never a verdict."""
        return [Problem.from_json(finding) for finding in self.findings]


class StageState(models.TextChoices):
    """How far one stage is."""

    WAITING = "waiting", _("Waiting")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


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
