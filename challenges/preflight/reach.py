"""Fifth block: the token by its public name, on the port and the addresses that a CA will use.

Only advice: behind a router without hairpin NAT a machine cannot see itself from outside. Connects
to nothing but public addresses that the DNS gave for the certificate's own names.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial

from django.utils.translation import gettext as _

from challenges.ports import HTTP_PORT
from challenges.preflight import advice
from challenges.preflight.addresses import reachable
from challenges.preflight.dns import Lookup
from challenges.preflight.fetching import Answer, Outcome, fetch
from challenges.preflight.parallel import in_parallel
from challenges.preflight.responder import Probe
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity

SECONDS = 1.0
ALL_TOGETHER = 2.0
MOST_TARGETS = 16


@dataclasses.dataclass(frozen=True)
class Target:
    """One name at one of its addresses."""

    name: str
    address: str


def targets(lookups: Sequence[Lookup], surroundings: Surroundings) -> list[Target]:
    """Every name at every public address, up to a limit that keeps this quick.

    Where a network only plays the public one, port 80 is somebody else's: it takes another
    ``public_port`` to be asked there.
    """
    return [
        Target(lookup.name, str(address))
        for lookup in lookups
        for address in reachable(lookup, surroundings)
        if surroundings.public_port != HTTP_PORT or not surroundings.counts_as_public(address)
    ][:MOST_TARGETS]


def check(lookups: Sequence[Lookup], probe: Probe, surroundings: Surroundings) -> list[Problem]:
    """Ask all targets at the same time and judge their answers."""
    asked = targets(lookups, surroundings)
    port = surroundings.public_port
    answers = in_parallel(
        [partial(fetch, t.address, port, probe.token, host=t.name, seconds=SECONDS) for t in asked],
        seconds=ALL_TOGETHER,
    )
    return [
        problem
        for target, answer in zip(asked, answers, strict=True)
        if (problem := judge(target, answer, probe, surroundings))
    ]


def judge(
    target: Target, answer: Answer | None, probe: Probe, surroundings: Surroundings
) -> Problem | None:
    """What an answer, or its absence, means in this scenario."""
    answer = answer or Answer(Outcome.SILENT)
    if answer.is_token(probe.authorization):
        return None
    facts = {
        "name": target.name,
        "address": target.address,
        "port": HTTP_PORT,
        "location": answer.location[:100],
    }
    step = advice.open_the_port(surroundings)
    if answer.outcome is Outcome.ANSWERED and answer.location:
        return Problem(
            code="public-port-redirects",
            severity=Severity.WARNING,
            explanation=_(
                "http://%(name)s/ at %(address)s, port %(port)d, is redirected to %(location)s."
            )
            % facts,
            remedy=(
                _("Let paths that begin with /.well-known/acme-challenge/ through unchanged."),
                step,
            ),
            detail=answer.detail,
        )
    if answer.outcome is Outcome.ANSWERED:
        return Problem(
            code="public-port-answers-otherwise",
            severity=Severity.WARNING,
            explanation=_(
                "Something else than this gateway answers for %(name)s at %(address)s, "
                "port %(port)d."
            )
            % facts,
            remedy=(
                step,
                _("If it is the router's own web page, that may be so only from inside."),
            ),
            detail=answer.detail,
        )
    return _unanswered(answer, facts, step, surroundings)


def _unanswered(
    answer: Answer, facts: dict[str, object], step: str, surroundings: Surroundings
) -> Problem:
    explanations = {
        Outcome.REFUSED: _("Port %(port)d of %(address)s (%(name)s) refuses connections."),
        Outcome.CUT_OFF: _("Port %(port)d of %(address)s (%(name)s) hangs up without an answer."),
    }
    silent = _("Port %(port)d of %(address)s (%(name)s) does not answer.")
    explanation = explanations.get(answer.outcome, silent) % facts
    if surroundings.is_behind_router:
        code = {
            Outcome.REFUSED: "public-port-refuses",
            Outcome.CUT_OFF: "public-port-hangs-up",
        }.get(answer.outcome, "public-port-unknown")
        severity = Severity.INFO if code == "public-port-unknown" else Severity.WARNING
        own_view = _(
            "Many routers do not let a machine reach itself by the public address. If the rule is "
            "there, go on: the staging test looks from outside."
        )
        return Problem(code, severity, explanation, (step, own_view), answer.detail, retryable=True)
    if surroundings.challenge_port != HTTP_PORT:
        step = _(
            "Set the challenge port to %(public)d in the network settings: without a router that "
            "forwards, Let's Encrypt comes to this very port."
        ) % {"public": HTTP_PORT}
    return Problem(
        code="public-port-closed",
        severity=Severity.WARNING,
        explanation=explanation,
        remedy=(step,),
        detail=answer.detail,
        retryable=True,
    )
