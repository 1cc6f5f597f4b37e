"""Judges whatever a step of an issuance has raised, by the rules of policy/verdict.py."""

from __future__ import annotations

import datetime

from django.utils import timezone

from certificates import abandoning, authority, budget, evidence
from certificates.directories import url_of
from certificates.models import Issuance
from certificates.policy import acme_problems
from certificates.policy.acme_document import CaProblem
from certificates.policy.acme_steps import TRY_AGAIN
from certificates.policy.acme_words import Values
from certificates.policy.evidence import Evidence
from certificates.policy.issuance import Environment, State, environment_of
from certificates.policy.verdict import Action, Verdict, on_refusal
from challenges.models import NetworkScenario, NetworkSettings
from challenges.preflight import advice
from challenges.preflight.processes import listeners_on_duty
from challenges.problems import Problem, ProblemError, Severity
from challenges.whereabouts import elsewhere


def judge(error: Exception, issuance: Issuance, now: datetime.datetime) -> Verdict:
    """The verdict on whatever a step has raised."""
    match error:
        case abandoning.OrderLostError():
            return Verdict(Action.BEGIN_ANEW, explain(error.problem, issuance))
        case abandoning.OrderFailedError():
            seen = _seen_of_the_ca(issuance)
            return on_refusal(
                error.problem, explain(error.problem, issuance, seen), now, is_final=True
            )
        case authority.AcmeError():
            return on_refusal(error.problem, explain(error.problem, issuance), now, is_final=False)
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


def explain(problem: CaProblem, issuance: Issuance, seen: Evidence | None = None) -> Problem:
    """The CA's error for people, with this gateway's own names, port and scenario.

    ``seen`` is what the challenge port has seen of the CA, where a validation has failed.
    """
    network = NetworkSettings.load()
    findings = issuance.preflight_findings if seen else []
    return acme_problems.explain(
        problem,
        Values(
            hostname=issuance.names[0],
            challenge_port=network.challenge_port,
            behind_nat=network.scenario == NetworkScenario.LAN,
            names=tuple(issuance.names),
            machine=_machine(),
            addresses=_addresses(problem, issuance),
            keeps_key=_may_have_kept_its_key(issuance),
        ),
        evidence=seen,
        findings=findings,
    )


def _may_have_kept_its_key(issuance: Issuance) -> bool:
    """Only the production CA is ever shown a key a second time."""
    is_real = environment_of(issuance.current) is Environment.PRODUCTION
    return is_real and issuance.gateway.keeps_key


def _machine() -> str:
    """The address to forward to; empty where the challenge port is another machine's."""
    return "" if elsewhere(listeners_on_duty(timezone.now())) else advice.this_machine()


def _addresses(problem: CaProblem, issuance: Issuance) -> tuple[str, ...]:
    """Those that the name in question had in the public DNS when the preflight looked."""
    name = problem.first.identifier or (issuance.names[0] if len(issuance.names) == 1 else "")
    preflight = getattr(issuance, "preflight", None)
    return tuple(preflight.addresses.get(name, ())) if preflight is not None else ()


def _seen_of_the_ca(issuance: Issuance) -> Evidence | None:
    """What the challenge port has seen of the order that has just failed."""
    environment = environment_of(issuance.current)
    if environment is None:
        return None
    order = issuance.orders.filter(environment=environment.value).order_by("-pk").first()
    return evidence.of_failed(order) if order and order.challenge_tokens else None


def _directory_url(issuance: Issuance) -> str:
    return url_of(environment_of(issuance.current) or Environment.STAGING)


def _fault(error: Exception) -> Problem:
    return Problem(
        code="internal-error",
        severity=Severity.ERROR,
        explanation="The program met a fault of its own while it worked on this certificate.",
        remedy=(
            "Look into the program's own log and report what it says.",
            TRY_AGAIN,
        ),
        detail=type(error).__name__,
        retryable=True,
    )
