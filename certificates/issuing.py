"""Moves issuances on, step by step, from what is stored.

The row is the truth; a task is only a nudge to look at it. Whatever is done here may be done
again by the next worker without harm.
"""

from __future__ import annotations

import datetime
import logging
import sys
import time

from django.db import DatabaseError, DataError, IntegrityError, transaction
from django.utils import timezone

from certificates import (
    abandoning,
    backoffs,
    clock,
    deploying,
    directories,
    events,
    leases,
    milestones,
    ordering,
    pauses,
    plans,
    preparing,
    requesting,
    store,
    surroundings,
    verdicts,
)
from certificates.models import Issuance, Level, OrderStatus, Origin, Stage, StageState
from certificates.ordering import AT_ONCE
from certificates.policy import retry
from certificates.policy.issuance import (
    Environment,
    State,
    environment_of,
    environments,
    following,
    may_follow,
)
from certificates.policy.verdict import Action, Verdict
from challenges.problems import Problem

logger = logging.getLogger("gateway_admin.issuing")

# A wait up to this long is spent in the task; a longer one is a time in the row.
PATIENCE = datetime.timedelta(seconds=1)
# Far more than an issuance has: a step that never waits must not keep a worker for ever.
MOST_STEPS = 2000
# How often a clock that is wrong, or a budget that is used up, is looked at again.
LOOK_AGAIN = datetime.timedelta(minutes=1)
_REFUSED_VALUES = (DataError, IntegrityError)


def advance(pk: int) -> datetime.timedelta | None:
    """Claim the issuance and move it on until it has ended or has to wait.

    Returns how long it has to wait; None when it has ended, is not due, or somebody else works
    on it.
    """
    lease = leases.claim(pk, timezone.now())
    if lease is None:
        return None
    milestones.reached("claimed")
    try:
        return _advance(lease)
    except leases.LeaseLostError:
        logger.warning("Issuance %s has been taken over by another worker, or cancelled.", pk)
        return None
    finally:
        lease.release()


def _advance(lease: leases.Lease) -> datetime.timedelta | None:
    run = _Run(lease)
    for _ in range(MOST_STEPS):
        wait = run.step()
        if wait is None:
            return None
        if wait > PATIENCE:
            lease.update(next_step_at=timezone.now() + wait)
            return wait
        time.sleep(wait.total_seconds())
        lease.keep()
    return AT_ONCE


class _Run:
    """The steps of one issuance under one lease, which is why its row need not be read again."""

    def __init__(self, lease: leases.Lease) -> None:
        self.lease = lease
        self.issuance = Issuance.objects.select_related("gateway__selected_certificate").get(
            pk=lease.pk
        )
        self.gateway = self.issuance.gateway
        self.memory = ordering.Memory(is_resumed=lease.is_inherited)
        # What this worker has to ask again, because another one knew it, is no progress.
        self._answers_at_failure = sys.maxsize if self.issuance.step_failures else 0

    def step(self) -> datetime.timedelta | None:
        """Do what the state asks for; returns how long to wait, None when there is no next."""
        if wrong := clock.problem(timezone.now()):
            return self._wait(wrong, LOOK_AGAIN)
        answers = self.memory.answers
        try:
            wait = self._act()
        except leases.LeaseLostError:
            raise
        except Exception as error:
            # A database that is away is no fault; a value that it refuses would be refused again.
            if isinstance(error, DatabaseError) and not isinstance(error, _REFUSED_VALUES):
                raise
            verdict = verdicts.judge(error, self.issuance, timezone.now())
            if verdict.is_fault:
                logger.exception("Issuance %s met a fault of this program.", self.issuance.pk)
            return self._carry_out(verdict)
        got_further = self.memory.answers > answers
        if self.issuance.problem_facts and got_further and not self.issuance.is_terminal:
            self._update(step_failures=0, failing_since=None, problem_facts=None)
        return wait

    def _act(self) -> datetime.timedelta | None:
        match self.issuance.current:
            case State.WAITING:
                return self._move()
            case State.PREFLIGHT:
                return self._preflight()
            case State.STAGING_TEST:
                return self._staging_test()
            case State.PRODUCTION:
                return self._production()
            case State.INSTALLING:
                return self._install()
            case _:
                return None

    def _preflight(self) -> datetime.timedelta | None:
        asked = environments(self.issuance.way)
        findings = surroundings.findings(self.issuance.names, asked)
        milestones.reached("preflight-done")
        with transaction.atomic():
            self._update(findings=[finding.to_json() for finding in findings])
            self._record("preflight-done", _findings_sentence(findings), detail=_listed(findings))
            wait = self._move()
        milestones.reached("preflight-stored")
        return wait

    def _staging_test(self) -> datetime.timedelta | None:
        progress = self._order(Environment.STAGING)
        if progress.chain is None:
            return progress.wait
        # The chain is dropped here: a staging certificate can never be selected or installed.
        with transaction.atomic():
            if self.issuance.is_rehearsal:
                plans.rehearse_after_success(self.gateway, timezone.now())
            self._record(
                "staging-test-passed",
                _passed_sentence(self.issuance),
                detail=f"Issuer of the test certificate: {progress.chain.issuer}",
            )
            wait = self._move()
        milestones.reached("staging-test-stored")
        return wait

    def _production(self) -> datetime.timedelta | None:
        progress = self._order(Environment.PRODUCTION)
        if progress.chain is None:
            return progress.wait
        order = ordering.current_order(self.issuance, Environment.PRODUCTION)
        with transaction.atomic():
            certificate = store.add(
                self.gateway,
                progress.chain,
                preparing.key_of(order),
                Origin.LETS_ENCRYPT,
                self.issuance,
            )
            plans.schedule(certificate)
            backoffs.succeeded(self.issuance.identifier_set)
            self._record(
                "certificate-issued",
                f"Let's Encrypt issued a certificate for {', '.join(certificate.names)}, "
                f"valid until {certificate.not_after:%Y-%m-%d %H:%M} UTC.",
                detail=f"Issuer: {certificate.issuer}\nSerial: {certificate.serial}",
            )
            wait = self._move()
        milestones.reached("certificate-stored")
        return wait

    def _order(self, environment: Environment) -> ordering.Progress:
        return ordering.advance(self.issuance, environment, self.lease, self.memory)

    def _install(self) -> datetime.timedelta | None:
        now = timezone.now()
        with deploying.changing(self.gateway.pk):
            deploying.install(self.gateway, self.issuance.certificate, now, self.issuance)
            milestones.reached("files-in-use")
            plans.rehearse_after_success(self.gateway, now)
            wait = self._move()
        milestones.reached("installed")
        return wait

    def _move(self) -> datetime.timedelta | None:
        """On to the next state: row and stages in one transaction."""
        state, now = following(self.issuance.current, self.issuance.way), timezone.now()
        with transaction.atomic():
            self._close_stage(StageState.DONE, now)
            self._write_state(state, now, problem_facts=None, step_failures=0, failing_since=None)
            if state.is_stage:
                Stage.objects.create(issuance=self.issuance, stage=state.value, started_at=now)
        self.memory = ordering.Memory()
        self._answers_at_failure = 0
        return None if state.is_terminal else AT_ONCE

    def _carry_out(self, verdict: Verdict) -> datetime.timedelta | None:
        match verdict.action:
            case Action.BEGIN_ANEW:
                return self._begin_anew(verdict)
            case Action.REPEAT:
                return self._repeat(verdict)
            case Action.WAIT:
                return self._wait(verdict.problem, self._until(verdict))
            case Action.FAIL:
                return self._fail(verdict)

    def _begin_anew(self, verdict: Verdict) -> datetime.timedelta | None:
        """A CA that was rebuilt has forgotten everything: at once the first time, then slower."""
        if self.issuance.step_failures:
            return self._repeat(verdict)
        self._update(step_failures=1, failing_since=timezone.now())
        self._answers_at_failure = self.memory.answers
        return AT_ONCE

    def _repeat(self, verdict: Verdict) -> datetime.timedelta | None:
        """A transient failure: pause and repeat the step, until its deadline, then fail."""
        now = timezone.now()
        failures, since = self.issuance.step_failures + 1, self.issuance.failing_since or now
        if self.memory.answers > self._answers_at_failure:
            # The step got further than last time, so this is another trouble.
            failures, since = 1, now
        self._answers_at_failure = self.memory.answers
        at = retry.next_try(failures, now, failing_since=since, retry_after=verdict.not_before)
        if at is None:
            return self._wait_for_certificate(verdict) or self._fail(verdict)
        with transaction.atomic():
            self._update(
                step_failures=failures,
                failing_since=since,
                problem_facts=verdict.problem.to_json(),
            )
            self._record(
                "step-repeated",
                f"{verdict.problem.explanation} It is tried again in {_in_seconds(at - now)}.",
                level=Level.WARNING,
                detail=verdict.problem.detail,
            )
        return at - now

    def _wait_for_certificate(self, verdict: Verdict) -> datetime.timedelta | None:
        """The CA has the request and may have issued: another order would be another certificate.

        None where it has none, or has had it for too long.
        """
        now = timezone.now()
        handed_over = requesting.being_issued().filter(
            issuance=self.issuance, created_at__gt=now - retry.LONGEST_HANDED_OVER
        )
        if not handed_over.exists():
            return None
        if verdict.is_ca_away:
            directories.went_away(
                directories.url_of(Environment.PRODUCTION), now, verdict.problem.detail
            )
        self._update(step_failures=self.issuance.step_failures + 1)
        return self._wait(verdict.problem, retry.ASK_FOR_CERTIFICATE_EVERY)

    def _wait(self, problem: Problem, wait: datetime.timedelta) -> datetime.timedelta:
        """Nothing can be done for now, and nothing is lost by waiting: said once."""
        known = self.issuance.problem
        if known is not None and known.code == problem.code and not self.issuance.failing_since:
            if known != problem:
                self._update(problem_facts=problem.to_json())
        else:
            with transaction.atomic():
                self._update(problem_facts=problem.to_json(), failing_since=None)
                self._record(
                    "issuance-waits",
                    problem.explanation,
                    level=Level.WARNING,
                    detail=problem.detail,
                )
        return max(wait, LOOK_AGAIN)

    def _until(self, verdict: Verdict) -> datetime.timedelta:
        """As long as it is known to last; else ever longer, as after failed attempts."""
        now = timezone.now()
        if verdict.not_before is not None:
            return verdict.not_before - now
        failures = self.issuance.step_failures + 1
        self._update(step_failures=failures)
        return retry.attempt_delay(failures, seed=self.issuance.identifier_set)

    def _fail(self, verdict: Verdict) -> datetime.timedelta | None:
        """The end: the order is given up, the reason kept with the row, the next try paced."""
        now, stage = timezone.now(), self.issuance.current
        environment = environment_of(stage)
        if environment:
            self._end_order(environment)
        with transaction.atomic():
            self._close_stage(StageState.FAILED, now)
            self._write_state(State.FAILED, now, problem_facts=verdict.problem.to_json())
            self._record(
                f"{stage.value.replace('_', '-')}-failed",
                f"{stage.label} failed: {verdict.problem.explanation}",
                level=Level.ERROR,
                detail=verdict.problem.detail,
            )
            self._pace(verdict, environment, now)
        return None

    def _pace(
        self, verdict: Verdict, environment: Environment | None, now: datetime.datetime
    ) -> None:
        """When this may be tried again, and whom else the CA's word concerns."""
        url = directories.url_of(environment) if environment else ""
        if verdict.is_ca_away:
            directories.went_away(url, now, verdict.problem.detail)
        if verdict.scope is not None and environment:
            pauses.note(
                url,
                verdict.scope,
                self.issuance.names,
                verdict.not_before or now + retry.UNSAID_PAUSE,
                verdict.problem,
                subject=verdict.subject,
            )
        if self.issuance.is_rehearsal:
            plans.rehearse_after_failure(self.gateway, now)
        else:
            backoffs.failed(
                self.issuance.identifier_set,
                verdict.problem,
                now,
                lifetime=plans.lifetime_in_use(self.gateway),
                not_before=verdict.not_before,
                away_directory_url=url if verdict.is_ca_away else "",
            )

    def _write_state(self, state: State, now: datetime.datetime, **fields: object) -> None:
        if not may_follow(self.issuance.current, state, self.issuance.way):
            raise RuntimeError(f"{state} cannot follow {self.issuance.current}")
        self._update(
            state=state.value,
            next_step_at=None if state.is_terminal else now,
            finished_at=now if state.is_terminal else None,
            **fields,
        )

    def _update(self, **fields: object) -> None:
        """Write to the row while it is ours, and keep the copy here as it is."""
        self.lease.update(**fields)
        for field, value in fields.items():
            setattr(self.issuance, field, value)

    def _end_order(self, environment: Environment) -> None:
        for order in self.issuance.orders.filter(environment=environment.value).exclude(
            status=OrderStatus.INVALID
        ):
            abandoning.withdraw_tokens(order)

    def _close_stage(self, state: StageState, now: datetime.datetime) -> None:
        Stage.objects.filter(issuance=self.issuance, finished_at__isnull=True).update(
            state=state, finished_at=now
        )

    def _record(
        self, code: str, message: str, *, level: Level = Level.INFO, detail: str = ""
    ) -> None:
        events.record(
            code,
            message,
            level=level,
            gateway=self.gateway,
            issuance=self.issuance,
            detail=detail,
        )


def _passed_sentence(issuance: Issuance) -> str:
    passed = (
        f"The test passed: Let's Encrypt's staging environment could check "
        f"{', '.join(issuance.names)}."
    )
    if issuance.is_rehearsal:
        return f"{passed} The renewal will work as things are now."
    return f"{passed} The production certificate is requested now."


def _in_seconds(wait: datetime.timedelta) -> str:
    seconds = wait.total_seconds()
    return f"{seconds:.0f} seconds" if seconds >= 1.5 else "a moment"


def _findings_sentence(findings: list[Problem]) -> str:
    if not findings:
        return "The preflight check found nothing that stands in the way."
    count = "one thing" if len(findings) == 1 else f"{len(findings)} things"
    return f"The preflight check found {count} to look at; the staging test decides."


def _listed(findings: list[Problem]) -> str:
    return "\n".join(f"{finding.severity}: {finding.explanation}" for finding in findings)
