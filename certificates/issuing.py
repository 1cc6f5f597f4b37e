"""Runs issuances: asks for one, and moves one on, step by step, from what is stored.

The row is the truth; a task is only a nudge to look at it. Whatever is done here may be done
again by the next worker without harm.
"""

from __future__ import annotations

import datetime
import logging
import time

from django.conf import settings
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from certificates import authority, deploying, events, leases, ordering, store
from certificates.models import (
    Gateway,
    Issuance,
    Level,
    OrderStatus,
    Origin,
    Stage,
    StageState,
    Trigger,
)
from certificates.policy import acme_problems, retry, starting
from certificates.policy.issuance import Environment, State, environment_of, following, may_follow
from challenges import preflight
from challenges.models import NetworkScenario, NetworkSettings
from challenges.problems import Problem, ProblemError, Severity

logger = logging.getLogger("gateway_admin.issuing")

# A wait up to this long is spent in the task; a longer one is a time in the row.
PATIENCE = datetime.timedelta(seconds=1)
# Far more than an issuance has: a step that never waits must not keep a worker for ever.
MOST_STEPS = 2000


def request(
    gateway: Gateway, *, trigger: Trigger, now: datetime.datetime, by: str = ""
) -> Issuance:
    """Write the row of a new issuance, or return the one that is running.

    Raises ProblemError when it must not start: the terms are not agreed to, the source is
    manual, or the CA has asked to wait.
    """
    if live := live_issuance(gateway):
        return live
    if problem := why_not(gateway, now):
        raise ProblemError(problem)
    try:
        with transaction.atomic():
            issuance = Issuance.objects.create(
                gateway=gateway,
                trigger=trigger,
                names=gateway.names,
                key_type=gateway.key_type,
                attempt=failed_attempts(gateway) + 1,
                started_at=now,
                next_step_at=now,
            )
            events.record(
                "issuance-requested",
                _request_sentence(issuance, trigger, by),
                gateway=gateway,
                issuance=issuance,
                at=now,
            )
    except IntegrityError:
        # The constraint lets only one be live; the other request was faster.
        return Issuance.objects.get(gateway=gateway, finished_at__isnull=True)
    return issuance


def live_issuance(gateway: Gateway) -> Issuance | None:
    """The gateway's issuance that has not ended, if there is one."""
    return Issuance.objects.filter(gateway=gateway, finished_at__isnull=True).first()


def failed_attempts(gateway: Gateway) -> int:
    """How many of the newest issuances failed in a row."""
    last = Issuance.objects.filter(gateway=gateway, finished_at__isnull=False).first()
    return last.attempt if last is not None and last.current is State.FAILED else 0


def why_not(gateway: Gateway, now: datetime.datetime) -> Problem | None:
    """Why a certificate cannot be requested for this gateway now; None when it can."""
    last = Issuance.objects.filter(gateway=gateway, finished_at__isnull=False).first()
    return starting.why_not(
        uses_lets_encrypt=gateway.uses_lets_encrypt,
        terms_agreed=gateway.terms_agreed_at is not None,
        retry_not_before=last.retry_not_before if last is not None else None,
        now=now,
    )


def advance(pk: int) -> None:
    """Claim the issuance and move it on until it has ended or has to wait.

    Does nothing when it is not due, has ended, or somebody else works on it.
    """
    lease = leases.claim(pk, timezone.now())
    if lease is None:
        return
    try:
        run = _Run(lease)
        for _ in range(MOST_STEPS):
            wait = run.step()
            if wait is None:
                return
            if wait > PATIENCE:
                lease.update(next_step_at=timezone.now() + wait)
                return
            time.sleep(wait.total_seconds())
            lease.keep()
    except leases.LeaseLostError:
        logger.warning("Issuance %s has been taken over by another worker.", pk)
    finally:
        lease.release()


class _Run:
    """The steps of one issuance under one lease, which is why its row need not be read again."""

    def __init__(self, lease: leases.Lease) -> None:
        self.lease = lease
        self.issuance = Issuance.objects.select_related("gateway").get(pk=lease.pk)
        self.gateway = self.issuance.gateway

    def step(self) -> datetime.timedelta | None:
        """Do what the state asks for; returns how long to wait, None when there is no next."""
        try:
            wait = self._act()
        except (leases.LeaseLostError, DatabaseError):
            raise
        except ordering.OrderLostError as error:
            return self._begin_anew(self._explain(error.problem))
        except ordering.OrderFailedError as error:
            return self._fail(self._explain(error.problem))
        except authority.AcmeError as error:
            return self._refused(error.problem)
        except authority.UnreachableError as error:
            return self._stumble(acme_problems.unreachable(str(error), self._directory_url()))
        except authority.InvalidAnswerError as error:
            return self._stumble(acme_problems.invalid_answer(str(error)))
        except ProblemError as error:
            return self._fail(error.problem)
        except Exception as error:
            logger.exception("Issuance %s met a fault of this program.", self.issuance.pk)
            return self._stumble(_fault(error))
        if self.issuance.step_failures and not self.issuance.is_terminal:
            self._update(step_failures=0, problem_facts=None)
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
        network = NetworkSettings.load()
        findings = preflight.run(surroundings(self.issuance.names, network))
        with transaction.atomic():
            self._update(findings=[finding.to_json() for finding in findings])
            self._record("preflight-done", _findings_sentence(findings), detail=_listed(findings))
            return self._move()

    def _staging_test(self) -> datetime.timedelta | None:
        progress = ordering.advance(self.issuance, Environment.STAGING, self.lease)
        if progress.chain is None:
            return progress.wait
        # The chain is dropped here: a staging certificate can never be selected or installed.
        with transaction.atomic():
            self._record(
                "staging-test-passed",
                f"The test passed: Let's Encrypt's staging environment could check "
                f"{', '.join(self.issuance.names)}. The production certificate is requested now.",
                detail=f"Issuer of the test certificate: {progress.chain.issuer}",
            )
            return self._move()

    def _production(self) -> datetime.timedelta | None:
        progress = ordering.advance(self.issuance, Environment.PRODUCTION, self.lease)
        if progress.chain is None:
            return progress.wait
        order = ordering.current_order(self.issuance, Environment.PRODUCTION)
        with transaction.atomic():
            certificate = store.add(
                self.gateway,
                progress.chain,
                ordering.key_of(order),
                Origin.LETS_ENCRYPT,
                self.issuance,
            )
            self._record(
                "certificate-issued",
                f"Let's Encrypt issued a certificate for {', '.join(certificate.names)}, "
                f"valid until {certificate.not_after:%Y-%m-%d %H:%M} UTC.",
                detail=f"Issuer: {certificate.issuer}\nSerial: {certificate.serial}",
            )
            return self._move()

    def _install(self) -> datetime.timedelta | None:
        now = timezone.now()
        with transaction.atomic():
            deploying.install(self.gateway, self.issuance.certificate, now, self.issuance)
            return self._move()

    def _move(self) -> datetime.timedelta | None:
        """On to the next state: row and stages in one transaction."""
        state, now = following(self.issuance.current), timezone.now()
        with transaction.atomic():
            self._close_stage(StageState.DONE, now)
            self._write_state(state, now, problem_facts=None, step_failures=0)
            if state.is_stage:
                Stage.objects.create(issuance=self.issuance, stage=state.value, started_at=now)
        return None if state.is_terminal else ordering.AT_ONCE

    def _fail(
        self, problem: Problem, retry_not_before: datetime.datetime | None = None
    ) -> datetime.timedelta | None:
        """The end: the order is given up and the reason is kept with the row."""
        now = timezone.now()
        stage = self.issuance.current
        if environment := environment_of(stage):
            self._end_order(environment)
        with transaction.atomic():
            self._close_stage(StageState.FAILED, now)
            self._write_state(
                State.FAILED,
                now,
                problem_facts=problem.to_json(),
                retry_not_before=retry_not_before,
            )
            self._record(
                f"{stage.value.replace('_', '-')}-failed",
                f"{stage.label} failed: {problem.explanation}",
                level=Level.ERROR,
                detail=problem.detail,
            )
        return None

    def _write_state(self, state: State, now: datetime.datetime, **fields: object) -> None:
        if not may_follow(self.issuance.current, state):
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

    def _refused(self, problem: acme_problems.CaProblem) -> datetime.timedelta | None:
        """The CA's refusal of a request: its own trouble is worth another try, ours is not."""
        explained = self._explain(problem)
        if acme_problems.is_passing(problem):
            return self._stumble(explained, not_before=problem.retry_after)
        return self._fail(explained, problem.retry_after)

    def _begin_anew(self, problem: Problem) -> datetime.timedelta | None:
        """A CA that was rebuilt has forgotten everything: at once the first time, then slower."""
        if self.issuance.step_failures:
            return self._stumble(problem)
        self._update(step_failures=1)
        return ordering.AT_ONCE

    def _stumble(
        self, problem: Problem, not_before: datetime.datetime | None = None
    ) -> datetime.timedelta | None:
        """A transient failure: pause and repeat the step, a few times, then fail."""
        failures = self.issuance.step_failures + 1
        pause = retry.step_delay(failures)
        now = timezone.now()
        if pause is None or (not_before and not_before - now > retry.LONGEST_STEP_PAUSE):
            return self._fail(problem, not_before)
        wait = max(pause, not_before - now) if not_before else pause
        with transaction.atomic():
            self._update(step_failures=failures, problem_facts=problem.to_json())
            self._record(
                "step-repeated",
                f"{problem.explanation} It is tried again in {wait.total_seconds():.0f} seconds.",
                level=Level.WARNING,
                detail=problem.detail,
            )
        return wait

    def _end_order(self, environment: Environment) -> None:
        for order in self.issuance.orders.filter(environment=environment.value).exclude(
            status=OrderStatus.INVALID
        ):
            ordering.withdraw_tokens(order)

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

    def _directory_url(self) -> str:
        environment = environment_of(self.issuance.current) or Environment.STAGING
        return ordering.directory_url(environment)

    def _explain(self, problem: acme_problems.CaProblem) -> Problem:
        network = NetworkSettings.load()
        return acme_problems.explain(
            problem,
            acme_problems.Surroundings(
                hostname=self.issuance.names[0],
                challenge_port=network.challenge_port,
                behind_nat=network.scenario == NetworkScenario.LAN,
            ),
        )


def surroundings(names: list[str], network: NetworkSettings) -> preflight.Surroundings:
    """What the preflight looks at for these names."""
    configuration = settings.CONFIGURATION
    return preflight.Surroundings(
        hostnames=tuple(names),
        scenario=network.scenario,
        challenge_port=network.challenge_port,
        public_port=configuration.public_port,
        dns_servers=configuration.dns_servers,
        public_networks=configuration.public_networks,
        directory_urls=(configuration.acme_staging_url, configuration.acme_production_url),
        ca_bundle=configuration.acme_ca_bundle,
        now=timezone.now(),
        built_at=settings.BUILT_AT,
    )


def _request_sentence(issuance: Issuance, trigger: Trigger, by: str) -> str:
    names = ", ".join(issuance.names)
    if trigger == Trigger.RENEWAL:
        return f"The automatic renewal of the certificate for {names} begins."
    return f"A certificate for {names} was requested{f' by {by}' if by else ''}."


def _findings_sentence(findings: list[Problem]) -> str:
    if not findings:
        return "The preflight check found nothing that stands in the way."
    count = "one thing" if len(findings) == 1 else f"{len(findings)} things"
    return f"The preflight check found {count} to look at; the staging test decides."


def _listed(findings: list[Problem]) -> str:
    return "\n".join(f"{finding.severity}: {finding.explanation}" for finding in findings)


def _fault(error: Exception) -> Problem:
    return Problem(
        code="internal-error",
        severity=Severity.ERROR,
        explanation="The program met a fault of its own while it worked on this certificate.",
        remedy=(
            "Look into the program's own log and report what it says.",
            "Then press Try again.",
        ),
        detail=type(error).__name__,
        retryable=True,
    )
