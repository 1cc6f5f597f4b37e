"""What each failure means for an issuance, as a table."""

from __future__ import annotations

import dataclasses
import datetime
import socket

import pytest
from django.utils import timezone

from certificates import abandoning, authority, budget, directories, verdicts
from certificates.models import Gateway, Preflight
from certificates.policy.acme_document import CaProblem
from certificates.policy.evidence import Evidence
from certificates.policy.issuance import Environment, State
from certificates.policy.refusal import Scope
from certificates.policy.verdict import Action
from challenges.models import ChallengeListener
from challenges.preflight import advice
from challenges.problems import Problem, ProblemError, Severity
from tests.console import make_issuance

NOW = datetime.datetime(2026, 12, 1, 12, tzinfo=datetime.UTC)
SOON = NOW + datetime.timedelta(seconds=30)
OURS = Problem("disk-full", Severity.ERROR, "The disk is full.", ("Make room.",), retryable=True)


def refused(kind: str, status: int = 400, **more: object) -> authority.AcmeError:
    return authority.AcmeError(CaProblem(kind, "said the CA", status, **more))  # type: ignore[arg-type]  # its own fields


@pytest.mark.parametrize(
    ("error", "action", "code"),
    [
        (refused("serverInternal", 500), Action.REPEAT, "acme-server-internal"),
        (refused("", 502), Action.REPEAT, "acme-unknown"),
        (refused("badNonce"), Action.REPEAT, "acme-bad-nonce"),
        (refused("rateLimited", 429), Action.REPEAT, "acme-rate-limited"),
        (refused("", 503), Action.REPEAT, "acme-unknown"),
        (refused("rejectedIdentifier"), Action.FAIL, "acme-rejected-identifier"),
        (refused("caa", 403), Action.FAIL, "acme-caa"),
        (refused("malformed"), Action.FAIL, "acme-malformed"),
        (
            abandoning.OrderFailedError(CaProblem("connection", "refused")),
            Action.FAIL,
            "acme-connection",
        ),
        (
            abandoning.OrderFailedError(CaProblem("serverInternal", "oops", 500)),
            Action.FAIL,
            "acme-server-internal",
        ),
        (
            abandoning.OrderLostError(CaProblem("accountDoesNotExist", "who?")),
            Action.BEGIN_ANEW,
            "acme-account-does-not-exist",
        ),
        (authority.UnreachableError("no route"), Action.REPEAT, "ca-unreachable"),
        (authority.InvalidAnswerError("html"), Action.REPEAT, "ca-answer-invalid"),
        (budget.HeldBackError(OURS, SOON, is_queue=True), Action.WAIT, "disk-full"),
        (budget.HeldBackError(OURS, SOON, is_queue=False), Action.FAIL, "disk-full"),
        (ProblemError(OURS), Action.FAIL, "disk-full"),
        (RuntimeError("a bug"), Action.REPEAT, "internal-error"),
    ],
)
def test_each_failure_has_its_consequence(
    gateway: Gateway, error: Exception, action: Action, code: str
) -> None:
    verdict = verdicts.judge(error, make_issuance(gateway, State.PRODUCTION), NOW)
    assert (verdict.action, verdict.problem.code) == (action, code)
    assert verdict.problem.remedy
    no_sense = isinstance(error, authority.UnreachableError | authority.InvalidAnswerError)
    its_own = isinstance(error, authority.AcmeError) and error.problem.status >= 500
    assert verdict.is_ca_away is (no_sense or its_own)
    assert verdict.is_fault is isinstance(error, RuntimeError)


@pytest.mark.parametrize(
    ("severity", "claims"), [(Severity.ERROR, False), (Severity.WARNING, True)]
)
def test_none_arrived_is_not_said_where_our_own_port_did_not_answer_the_preflight(
    gateway: Gateway, severity: Severity, claims: bool
) -> None:
    issuance = make_issuance(gateway, State.STAGING_TEST)
    found = Problem("challenge-port-closed", severity, "Port 8080 does not answer.", ("Wait.",))
    now = timezone.now()
    Preflight.objects.create(
        gateway=gateway,
        issuance=issuance,
        names=gateway.names,
        findings=[found.to_json()],
        started_at=now,
        finished_at=now,
    )
    refusal = CaProblem("connection", "Timeout during connect (likely firewall problem)")
    seen = Evidence(known=(), unknown=(), was_watched=True)
    plain = verdicts.explain(refusal, issuance, dataclasses.replace(seen, was_watched=False))
    assert (verdicts.explain(refusal, issuance, seen) != plain) is claims


def test_a_certificate_that_is_there_waits_for_the_disk(gateway: Gateway) -> None:
    issuance = make_issuance(gateway, State.INSTALLING)
    assert verdicts.judge(ProblemError(OURS), issuance, NOW).action is Action.WAIT


def test_a_wait_in_line_ends_when_there_is_room(gateway: Gateway) -> None:
    held = budget.HeldBackError(OURS, SOON, is_queue=True)
    verdict = verdicts.judge(held, make_issuance(gateway, State.PRODUCTION), NOW)
    assert verdict.not_before == SOON


@pytest.mark.parametrize("is_final", [False, True])
def test_a_moment_that_the_ca_names_makes_a_pause_of_its_scope(
    gateway: Gateway, is_final: bool
) -> None:
    detail = 'too many certificates (50) already issued for "example.com" in the last 168h'
    problem = CaProblem("rateLimited", detail, 429, retry_after=SOON)
    error = abandoning.OrderFailedError(problem) if is_final else authority.AcmeError(problem)
    verdict = verdicts.judge(error, make_issuance(gateway, State.PRODUCTION), NOW)
    assert verdict.action is (Action.FAIL if is_final else Action.REPEAT)
    assert (verdict.not_before, verdict.scope, verdict.subject) == (
        SOON,
        Scope.REGISTERED_DOMAIN,
        "example.com",
    )


def test_a_ca_that_is_busy_and_does_not_say_for_how_long_concerns_the_same(
    gateway: Gateway,
) -> None:
    verdict = verdicts.judge(
        refused("rateLimited", 429), make_issuance(gateway, State.PRODUCTION), NOW
    )
    assert (verdict.not_before, verdict.scope) == (None, Scope.IDENTIFIER_SET)


def test_an_internal_error_of_the_ca_with_a_moment_pauses_nobody_else(gateway: Gateway) -> None:
    error = refused("serverInternal", 500, retry_after=SOON)
    verdict = verdicts.judge(error, make_issuance(gateway, State.PRODUCTION), NOW)
    assert (verdict.not_before, verdict.scope) == (SOON, None)


@pytest.mark.parametrize(
    ("state", "environment"),
    [
        (State.STAGING_TEST, Environment.STAGING),
        (State.PRODUCTION, Environment.PRODUCTION),
        (State.PREFLIGHT, Environment.STAGING),
    ],
)
def test_the_ca_that_was_not_reached_is_named(
    gateway: Gateway, state: State, environment: Environment
) -> None:
    issuance = make_issuance(gateway, state)
    verdict = verdicts.judge(authority.UnreachableError("no"), issuance, timezone.now())
    assert directories.url_of(environment) in verdict.problem.explanation


@pytest.mark.parametrize("is_here_newer", [True, False])
@pytest.mark.parametrize("runs_here", [True, False])
def test_the_address_to_forward_to_is_ours_where_a_challenge_process_runs_here_at_all(
    gateway: Gateway, runs_here: bool, is_here_newer: bool
) -> None:
    now = timezone.now()
    rows = [("elsewhere.lan", not is_here_newer)]
    rows += [(socket.gethostname(), is_here_newer)] if runs_here else []
    for host, is_newer in rows:
        seen_at = now if is_newer else now - datetime.timedelta(seconds=1)
        ChallengeListener.objects.create(
            host=host, pid=1, port=8080, wanted_port=8080, started_at=now, seen_at=seen_at
        )
    problem = verdicts.explain(CaProblem("connection", "refused"), make_issuance(gateway))
    assert (advice.this_machine() in " ".join(problem.remedy)) is runs_here
