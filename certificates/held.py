"""An issuance that this worker holds by its lease: its row, its stages and its lines of the log.

Every write goes through the lease, so whoever has lost it finds out and stops.
"""

from __future__ import annotations

import datetime

from django.db import transaction
from django.utils import timezone

from certificates import events
from certificates.leases import Lease
from certificates.models import Issuance, Level, Stage, StageState
from certificates.policy.issuance import State, following, may_follow
from challenges.problems import Problem


class HeldIssuance:
    """The row is read once: nobody else writes to it meanwhile."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.row = Issuance.objects.select_related("gateway__selected_certificate").get(pk=lease.pk)
        self.gateway = self.row.gateway

    def update(self, **fields: object) -> None:
        """Write to the row, and keep the copy here as it is. Raises LeaseLostError."""
        self.lease.update(**fields)
        for field, value in fields.items():
            setattr(self.row, field, value)

    def move(self) -> bool:
        """On to the next state, row and stages in one transaction; whether anything follows it."""
        state, now = following(self.row.current, self.row.way), timezone.now()
        with transaction.atomic():
            self._close_stage(StageState.DONE, now)
            self._write_state(state, now, problem_facts=None, step_failures=0, failing_since=None)
            if state.is_stage:
                Stage.objects.create(issuance=self.row, stage=state.value, started_at=now)
        return not state.is_terminal

    def fail(self, problem: Problem, now: datetime.datetime) -> None:
        """The end, with its reason."""
        stage = self.row.current
        with transaction.atomic():
            self._close_stage(StageState.FAILED, now)
            self._write_state(State.FAILED, now, problem_facts=problem.to_json())
            self.record(
                f"{stage.value.replace('_', '-')}-failed",
                f"{stage.label} failed: {problem.explanation}",
                level=Level.ERROR,
                detail=problem.detail,
            )

    def say_that_it_waits(self, problem: Problem) -> None:
        """Keep what it waits for, and log it once for as long as it stays the same."""
        known = self.row.problem
        if known is not None and known.code == problem.code and not self.row.failing_since:
            if known != problem:
                self.update(problem_facts=problem.to_json())
            return
        with transaction.atomic():
            self.update(problem_facts=problem.to_json(), failing_since=None)
            self.record(
                "issuance-waits", problem.explanation, level=Level.WARNING, detail=problem.detail
            )

    def record(
        self, code: str, message: str, *, level: Level = Level.INFO, detail: str = ""
    ) -> None:
        """A line of the log about it."""
        events.record(
            code, message, level=level, gateway=self.gateway, issuance=self.row, detail=detail
        )

    def _close_stage(self, state: StageState, now: datetime.datetime) -> None:
        Stage.objects.filter(issuance=self.row, finished_at__isnull=True).update(
            state=state, finished_at=now
        )

    def _write_state(self, state: State, now: datetime.datetime, **fields: object) -> None:
        if not may_follow(self.row.current, state, self.row.way):
            raise RuntimeError(f"{state} cannot follow {self.row.current}")
        self.update(
            state=state.value,
            next_step_at=None if state.is_terminal else now,
            finished_at=now if state.is_terminal else None,
            **fields,
        )
