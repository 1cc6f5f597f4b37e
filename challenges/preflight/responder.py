"""Fourth block: our own challenge port answers a token that has just been published."""

from __future__ import annotations

import dataclasses
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from challenges import binding, tokens
from challenges.models import ChallengeListener
from challenges.preflight.fetching import Answer, Outcome, fetch
from challenges.preflight.surroundings import Surroundings
from challenges.problems import Problem, Severity

SECONDS = 2.0
_LOOPBACKS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a wildcard is asked by


@dataclasses.dataclass(frozen=True)
class Probe:
    """A token made for this one preflight."""

    token: str
    authorization: str


@contextmanager
def published_probe(now: datetime) -> Iterator[Probe]:
    """A token of our own, published as long as the context lasts."""
    token = secrets.token_urlsafe(32)
    probe = Probe(token, f"{token}.preflight")
    tokens.publish(token, probe.authorization, now=now, lifetime=timedelta(minutes=5))
    try:
        yield probe
    finally:
        tokens.withdraw(token)


def listener_on_duty(now: datetime) -> ChallengeListener | None:
    """The challenge process that reported last, if it is alive."""
    listener = ChallengeListener.objects.order_by("-seen_at").first()
    return listener if listener and listener.is_alive(now) else None


def address_of(listener: ChallengeListener | None) -> str:
    """Where to ask: the loopback for a wildcard here, the host's name when it is another one."""
    if listener is None:
        return "127.0.0.1"
    if listener.host != socket.gethostname():
        return listener.host
    first = next(iter(binding.parse_hosts(listener.addresses)), "127.0.0.1")
    return _LOOPBACKS.get(first, first)


def ask(probe: Probe, address: str, surroundings: Surroundings) -> Answer:
    """Fetch the probe from our own challenge port."""
    name = surroundings.hostnames[0] if surroundings.hostnames else "localhost"
    port = surroundings.challenge_port
    return fetch(address, port, probe.token, host=name, seconds=SECONDS)


def judge(
    answer: Answer,
    probe: Probe,
    listener: ChallengeListener | None,
    surroundings: Surroundings,
) -> Problem | None:
    """What the answer of our own port means."""
    if answer.is_token(probe.authorization):
        return None
    facts = {"port": surroundings.challenge_port}
    detail = answer.detail
    if answer.outcome is Outcome.ANSWERED:
        return Problem(
            code="challenge-port-answers-otherwise",
            severity=Severity.ERROR,
            explanation=_("Port %(port)d of this machine is answered by another program.") % facts,
            remedy=(
                _("Stop that program, or choose another challenge port in the network settings."),
                _("To see what uses the port, run: sudo ss -ltnp 'sport = :%(port)d'") % facts,
            ),
            detail=detail,
        )
    if listener is None:
        return Problem(
            code="challenge-listener-down",
            severity=Severity.ERROR,
            explanation=_("The challenge service does not run, so port %(port)d is closed.")
            % facts,
            remedy=(_("Start it: it belongs to ./scripts/run, or is the service “challenges”."),),
            detail=detail,
            retryable=True,
        )
    return Problem(
        code="challenge-port-closed",
        severity=Severity.ERROR,
        explanation=listener.error
        or _("The challenge service runs, but port %(port)d does not answer.") % facts,
        remedy=(
            _("Wait some seconds if the port has just been changed, then try again."),
            _("Else choose another challenge port in the network settings."),
        ),
        detail=detail,
        retryable=True,
    )
