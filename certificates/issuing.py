"""Moves issuances on, step by step, from what is stored.

The row is the truth; a task is only a nudge to look at it. Whatever is done here may be done
again by the next worker without harm.
"""

from __future__ import annotations

import datetime
import logging
import time

from django.db import DatabaseError, DataError, IntegrityError, transaction
from django.utils import timezone

from certificates import (
    backoffs,
    clock,
    deploying,
    leases,
    milestones,
    ordering,
    plans,
    preflighting,
    preparing,
    setbacks,
    store,
    verdicts,
)
from certificates.conversation import AT_ONCE, Memory, Progress
from certificates.held import HeldIssuance
from certificates.models import Issuance, Order, Origin
from certificates.policy.issuance import Environment, State

logger = logging.getLogger("gateway_admin.issuing")

# A wait up to this long is spent in the task; a longer one is a time in the row.
PATIENCE = datetime.timedelta(seconds=1)
# Far more than an issuance has: a step that never waits must not keep a worker for ever.
MOST_STEPS = 2000
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
    """The steps of one issuance under one lease."""

    def __init__(self, lease: leases.Lease) -> None:
        self.held = HeldIssuance(lease)
        self.issuance = self.held.row
        self.memory = Memory.of_a_new_worker(
            is_resumed=lease.is_inherited, has_failed=bool(self.issuance.step_failures)
        )

    def step(self) -> datetime.timedelta | None:
        """Do what the state asks for; returns how long to wait, None when there is no next."""
        if wrong := clock.problem(timezone.now()):
            return setbacks.wait_for(wrong, self.held)
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
            return setbacks.carry_out(verdict, self.held, self.memory)
        got_further = self.memory.answers > answers
        if self.issuance.problem_facts and got_further and not self.issuance.is_terminal:
            self.held.update(step_failures=0, failing_since=None, problem_facts=None)
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
        report = preflighting.of_issuance(self.issuance)
        milestones.reached("preflight-done")
        message, detail = preflighting.sentence(report), preflighting.listed(report)
        with transaction.atomic():
            self.held.record("preflight-done", message, detail=detail)
            wait = self._move()
        milestones.reached("preflight-stored")
        return wait

    def _staging_test(self) -> datetime.timedelta | None:
        progress = self._order(Environment.STAGING)
        if progress.chain is None:
            return progress.wait
        order = ordering.current_order(self.issuance, Environment.STAGING)
        # The chain is dropped here: a staging certificate can never be selected or installed.
        with transaction.atomic():
            if self.issuance.is_rehearsal:
                plans.rehearse_after_success(self.held.gateway, timezone.now())
            self.held.record(
                "staging-test-passed",
                _passed_sentence(self.issuance, order),
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
                self.held.gateway,
                progress.chain,
                preparing.key_of(order),
                Origin.LETS_ENCRYPT,
                self.issuance,
            )
            plans.schedule(certificate)
            backoffs.succeeded(self.issuance.identifier_set)
            self.held.record(
                "certificate-issued",
                f"Let's Encrypt issued a certificate for {', '.join(certificate.names)}, "
                f"valid until {certificate.not_after:%Y-%m-%d %H:%M} UTC.",
                detail=f"Issuer: {certificate.issuer}\nSerial: {certificate.serial}",
            )
            wait = self._move()
        milestones.reached("certificate-stored")
        return wait

    def _order(self, environment: Environment) -> Progress:
        return ordering.advance(self.issuance, environment, self.held.lease, self.memory)

    def _install(self) -> datetime.timedelta | None:
        now, gateway = timezone.now(), self.held.gateway
        with deploying.changing(gateway.pk):
            deploying.install(gateway, self.issuance.certificate, now, self.issuance)
            milestones.reached("files-in-use")
            plans.rehearse_after_success(gateway, now)
            wait = self._move()
        milestones.reached("installed")
        return wait

    def _move(self) -> datetime.timedelta | None:
        goes_on = self.held.move()
        self.memory = Memory()
        return AT_ONCE if goes_on else None


def _passed_sentence(issuance: Issuance, order: Order) -> str:
    names = ", ".join(issuance.names)
    if order.has_proved_all(len(issuance.names)):
        passed = f"The test passed: Let's Encrypt's staging environment could check {names}."
    else:
        passed = (
            f"The test passed: Let's Encrypt's staging environment accepts {names}, some of them "
            f"by earlier proofs, which it did not give up."
        )
    if issuance.is_rehearsal:
        return f"{passed} The renewal will work as things are now."
    return f"{passed} The production certificate is requested now."
