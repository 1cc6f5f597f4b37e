"""What an issuance's failure means for it: the end, another try, a new order, or a wait."""

from __future__ import annotations

import dataclasses
import datetime
import enum

from certificates import abandoning, authority, budget
from certificates.directories import url_of
from certificates.models import Issuance
from certificates.policy import acme_problems
from certificates.policy.acme_problems import CaProblem, Scope
from certificates.policy.issuance import Environment, State, environment_of
from challenges.models import NetworkScenario, NetworkSettings
from challenges.problems import Problem, ProblemError, Severity


class Action(enum.Enum):
    """What is done about it."""

    FAIL = "fail"
    REPEAT = "repeat"
    BEGIN_ANEW = "begin anew"
    WAIT = "wait"


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """``not_before`` is when the CA, or our own budget, lets us ask again.

    ``scope`` and ``subject`` say what a pause that the CA has asked for concerns;
    ``is_ca_away`` that the CA gave no answer, ``is_fault`` that this program is to blame.
    """

    action: Action
    problem: Problem
    not_before: datetime.datetime | None = None
    scope: Scope | None = None
    subject: str = ""
    is_ca_away: bool = False
    is_fault: bool = False


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
    problem: CaProblem, issuance: Issuance, now: datetime.datetime, *, is_final: bool
) -> Verdict:
    """Its own trouble, or a short wait, is worth another try within the attempt."""
    explained = explain(problem, issuance)
    moment = acme_problems.retry_moment(problem, now)
    busy = problem.type == "rateLimited" or problem.status in {429, 503}
    if not is_final and (busy or acme_problems.is_passing(problem)) and explained.retryable:
        return Verdict(
            Action.REPEAT,
            explained,
            not_before=moment,
            scope=acme_problems.scope_of(problem) if busy else None,
            subject=acme_problems.subject_of(problem),
            is_ca_away=problem.status >= 500,
        )
    return Verdict(
        Action.FAIL,
        explained,
        not_before=moment,
        scope=acme_problems.scope_of(problem) if moment else None,
        subject=acme_problems.subject_of(problem),
    )


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
