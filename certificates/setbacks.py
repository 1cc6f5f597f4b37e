"""Carries out the verdicts on what went wrong: another try, a wait, a new order, or the end."""

from __future__ import annotations

import datetime

from django.db import transaction
from django.utils import timezone

from certificates import abandoning, backoffs, directories, pauses, plans, requesting
from certificates.conversation import AT_ONCE, Memory
from certificates.held import HeldIssuance
from certificates.models import Level, OrderStatus
from certificates.policy import retry
from certificates.policy.issuance import Environment, environment_of
from certificates.policy.verdict import Action, Verdict
from challenges.problems import Problem

# How often a clock that is wrong, or a budget that is used up, is looked at again.
LOOK_AGAIN = datetime.timedelta(minutes=1)


def carry_out(verdict: Verdict, held: HeldIssuance, memory: Memory) -> datetime.timedelta | None:
    """Do what the verdict says; returns how long to wait, None when the issuance has ended."""
    match verdict.action:
        case Action.BEGIN_ANEW:
            return _begin_anew(verdict, held, memory)
        case Action.REPEAT:
            return _repeat(verdict, held, memory)
        case Action.WAIT:
            return wait_for(verdict.problem, held, _until(verdict, held))
        case Action.FAIL:
            _fail(verdict, held)
            return None


def wait_for(
    problem: Problem, held: HeldIssuance, wait: datetime.timedelta = LOOK_AGAIN
) -> datetime.timedelta:
    """Nothing can be done for now, and nothing is lost by waiting."""
    held.say_that_it_waits(problem)
    return max(wait, LOOK_AGAIN)


def _begin_anew(verdict: Verdict, held: HeldIssuance, memory: Memory) -> datetime.timedelta | None:
    """A CA that was rebuilt has forgotten everything: at once the first time, then slower."""
    if held.row.step_failures:
        return _repeat(verdict, held, memory)
    held.update(step_failures=1, failing_since=timezone.now())
    memory.answers_at_failure = memory.answers
    return AT_ONCE


def _repeat(verdict: Verdict, held: HeldIssuance, memory: Memory) -> datetime.timedelta | None:
    """A transient failure: pause and repeat the step, until its deadline, then fail."""
    now = timezone.now()
    failures, since = held.row.step_failures + 1, held.row.failing_since or now
    if memory.answers > memory.answers_at_failure:
        # The step got further than last time, so this is another trouble.
        failures, since = 1, now
    memory.answers_at_failure = memory.answers
    at = retry.next_try(failures, now, failing_since=since, retry_after=verdict.not_before)
    if at is None:
        wait = _wait_for_certificate(verdict, held)
        if wait is None:
            _fail(verdict, held)
        return wait
    with transaction.atomic():
        held.update(
            step_failures=failures, failing_since=since, problem_facts=verdict.problem.to_json()
        )
        held.record(
            "step-repeated",
            f"{verdict.problem.explanation} It is tried again in {_in_seconds(at - now)}.",
            level=Level.WARNING,
            detail=verdict.problem.detail,
        )
    return at - now


def _wait_for_certificate(verdict: Verdict, held: HeldIssuance) -> datetime.timedelta | None:
    """The CA has the request and may have issued: another order would be another certificate.

    None where it has none, or has had it for too long.
    """
    now = timezone.now()
    handed_over = requesting.being_issued().filter(
        issuance=held.row, created_at__gt=now - retry.LONGEST_HANDED_OVER
    )
    if not handed_over.exists():
        return None
    if verdict.is_ca_away:
        url = directories.url_of(Environment.PRODUCTION)
        directories.went_away(url, now, verdict.problem.detail)
    held.update(step_failures=held.row.step_failures + 1)
    return wait_for(verdict.problem, held, retry.ASK_FOR_CERTIFICATE_EVERY)


def _until(verdict: Verdict, held: HeldIssuance) -> datetime.timedelta:
    """As long as it is known to last; else ever longer, as after failed attempts."""
    if verdict.not_before is not None:
        return verdict.not_before - timezone.now()
    failures = held.row.step_failures + 1
    held.update(step_failures=failures)
    return retry.attempt_delay(failures, seed=held.row.identifier_set)


def _fail(verdict: Verdict, held: HeldIssuance) -> None:
    """The end: the order is given up, the reason kept with the row, the next try paced."""
    now = timezone.now()
    environment = environment_of(held.row.current)
    if environment:
        for order in held.row.orders.filter(environment=environment.value).exclude(
            status=OrderStatus.INVALID
        ):
            abandoning.withdraw_tokens(order)
    with transaction.atomic():
        held.fail(verdict.problem, now)
        _pace(verdict, held, environment, now)


def _pace(
    verdict: Verdict,
    held: HeldIssuance,
    environment: Environment | None,
    now: datetime.datetime,
) -> None:
    """When this may be tried again, and whom else the CA's word concerns."""
    url = directories.url_of(environment) if environment else ""
    if verdict.is_ca_away:
        directories.went_away(url, now, verdict.problem.detail)
    if verdict.scope is not None and environment:
        pauses.note(
            url,
            verdict.scope,
            held.row.names,
            verdict.not_before or now + retry.UNSAID_PAUSE,
            verdict.problem,
            subject=verdict.subject,
        )
    if held.row.is_rehearsal:
        plans.rehearse_after_failure(held.gateway, now)
    else:
        backoffs.failed(
            held.row.identifier_set,
            verdict.problem,
            now,
            lifetime=plans.lifetime_in_use(held.gateway),
            not_before=verdict.not_before,
            away_directory_url=url if verdict.is_ca_away else "",
        )


def _in_seconds(wait: datetime.timedelta) -> str:
    seconds = wait.total_seconds()
    return f"{seconds:.0f} seconds" if seconds >= 1.5 else "a moment"
