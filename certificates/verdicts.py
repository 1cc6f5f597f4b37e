"""Judges whatever a step of an issuance has raised, by the rules of policy/verdict.py."""

from __future__ import annotations

import datetime

from certificates import abandoning, authority, budget
from certificates.directories import url_of
from certificates.models import Issuance
from certificates.policy import acme_problems
from certificates.policy.acme_problems import CaProblem
from certificates.policy.issuance import Environment, State, environment_of
from certificates.policy.verdict import Action, Verdict, on_refusal
from challenges.models import NetworkScenario, NetworkSettings
from challenges.problems import Problem, ProblemError, Severity


def judge(error: Exception, issuance: Issuance, now: datetime.datetime) -> Verdict:
    """The verdict on whatever a step has raised."""
    match error:
        case abandoning.OrderLostError():
            return Verdict(Action.BEGIN_ANEW, explain(error.problem, issuance))
        case abandoning.OrderFailedError():
            return _on_refusal(error.problem, issuance, now, is_final=True)
        case authority.AcmeError():
            return _on_refusal(error.problem, issuance, now, is_final=False)
        case authority.UnreachableError():
            problem = acme_problems.unreachable(str(error), _directory_url(issuance))
            return Verdict(Action.REPEAT, problem, is_ca_away=True)
        case authority.InvalidAnswerError():
            problem = acme_problems.invalid_answer(str(error))
            return Verdict(Action.REPEAT, problem, is_ca_away=True)
        case budget.HeldBackError():
            # Orders free up within hours, and whoever is in the queue keeps its place. A rehearsal
            # has none: it would keep its gateway's renewal from beginning.
            is_patient = error.is_queue and not issuance.is_rehearsal
            action = Action.WAIT if is_patient else Action.FAIL
            return Verdict(action, error.problem, not_before=error.until)
        case ProblemError() if issuance.current is State.INSTALLING:
            # There is a certificate already: another would help nobody, and the CA counts them.
            return Verdict(Action.WAIT, error.problem)
        case ProblemError():
            return Verdict(Action.FAIL, error.problem)
        case _:
            return Verdict(Action.REPEAT, _fault(error), is_fault=True)


def explain(problem: CaProblem, issuance: Issuance) -> Problem:
    """The CA's error for people, with this gateway's own names, port and scenario."""
    network = NetworkSettings.load()
    return acme_problems.explain(
        problem,
        acme_problems.Surroundings(
            hostname=issuance.names[0],
            challenge_port=network.challenge_port,
            behind_nat=network.scenario == NetworkScenario.LAN,
        ),
    )


def _on_refusal(
    refusal: CaProblem, issuance: Issuance, now: datetime.datetime, *, is_final: bool
) -> Verdict:
    return on_refusal(refusal, explain(refusal, issuance), now, is_final=is_final)


def _directory_url(issuance: Issuance) -> str:
    return url_of(environment_of(issuance.current) or Environment.STAGING)


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
