"""What is said when nobody answers on port 80 of a public address, as seen from this machine.

Where it is our own view that fails, it says "unknown": no silence here proves a silence outside.
"""

from __future__ import annotations

import dataclasses

from django.utils.translation import gettext as _

from challenges import binding, whereabouts
from challenges.models import ChallengeListener
from challenges.ports import HTTP_PORT
from challenges.preflight import advice, machine
from challenges.preflight.advice import Asked, after_ipv6, or_another_address
from challenges.preflight.fetching import Answer, Outcome
from challenges.preflight.surroundings import Address, Surroundings
from challenges.problems import Problem, Severity

_CODES = {Outcome.REFUSED: "public-port-refuses", Outcome.CUT_OFF: "public-port-hangs-up"}


@dataclasses.dataclass(frozen=True)
class View:
    """What else is known: the challenge processes, and by which families they were reached."""

    surroundings: Surroundings
    listeners: tuple[ChallengeListener, ...] = ()
    reached_by: frozenset[int] = frozenset()

    @property
    def elsewhere(self) -> str:
        """The other machine or container that serves the challenge port; empty for this one."""
        return whereabouts.elsewhere(self.listeners)

    def is_own(self, address: Address) -> bool:
        """Whether ``address`` is one of the machine that serves the challenge port."""
        return not self.elsewhere and machine.is_own(address)


def problem(asked: Asked, answer: Answer, view: View) -> Problem:
    """The finding for an address that gave no answer."""
    if asked.address.version == 6:
        return _over_ipv6(asked, answer, view)
    if view.surroundings.is_behind_router:
        return _behind_router(asked, answer, view)
    return _without_router(asked, answer, view)


def happened(asked: Asked, outcome: Outcome) -> str:
    """What was seen, as a whole sentence."""
    sentence = {
        Outcome.REFUSED: _("Port %(port)d of %(address)s (%(names)s) refuses connections."),
        Outcome.CUT_OFF: _("Port %(port)d of %(address)s (%(names)s) hangs up without an answer."),
        Outcome.MUTE: _(
            "Port %(port)d of %(address)s (%(names)s) takes connections, but nothing answers."
        ),
        Outcome.UNREACHABLE: _(
            "A device on the way says that %(address)s (%(names)s) cannot be reached."
        ),
        Outcome.NO_ROUTE: _("This machine has no route to %(address)s (%(names)s)."),
    }.get(outcome, _("Port %(port)d of %(address)s (%(names)s) does not answer."))
    return sentence % asked.facts


def _behind_router(asked: Asked, answer: Answer, view: View) -> Problem:
    code = _CODES.get(answer.outcome, "public-port-unknown")
    unknown = _(
        "Whether it answers from outside is unknown: many routers do not let a machine reach "
        "itself by the public address."
    )
    return Problem(
        code=code,
        severity=Severity.INFO,
        explanation=f"{happened(asked, answer.outcome)} {unknown}",
        remedy=(
            advice.open_the_port(view.surroundings, view.elsewhere),
            *_after_silence(answer, view),
            *or_another_address(asked, view.surroundings),
            _("If all of that is right, go on: the staging test looks from outside."),
        ),
        detail=answer.detail,
        retryable=True,
    )


def _after_silence(answer: Answer, view: View) -> tuple[str, ...]:
    """A firewall that drops is silent, and this machine's own is never asked by itself."""
    if answer.outcome is not Outcome.SILENT:
        return ()
    return (advice.open_own_firewall(view.surroundings.challenge_port, view.elsewhere),)


def _without_router(asked: Asked, answer: Answer, view: View) -> Problem:
    surroundings = view.surroundings
    is_own = view.is_own(asked.address)
    if answer.outcome is Outcome.NO_ROUTE:
        return _no_view(asked, answer, view)
    if surroundings.challenge_port != surroundings.public_port:
        if view.elsewhere:
            return _published(asked, answer, view)
        return _other_port(asked, answer, surroundings, is_own=is_own)
    code = _CODES.get(answer.outcome, "public-port-closed")
    second = (
        _(
            "It is an address of this machine, so the cause is here: a local firewall, or a "
            "challenge service that does not listen on it."
        )
        if is_own
        else _("From outside it may look different; the staging test will tell.")
    )
    return Problem(
        code=code,
        severity=Severity.WARNING,
        explanation=f"{happened(asked, answer.outcome)} {second}",
        remedy=(advice.open_the_port(surroundings, view.elsewhere),),
        detail=answer.detail,
        retryable=True,
    )


def _published(asked: Asked, answer: Answer, view: View) -> Problem:
    """Port 80 is translated where a container is published; few let it reach itself by that."""
    facts = {
        "public": HTTP_PORT,
        "port": view.surroundings.challenge_port,
        "host": view.elsewhere,
        "address": asked.address,
    }
    unknown = _(
        "Whether it answers from outside is unknown: the challenge service runs on another machine "
        "or in another container (%(host)s), and many do not let their neighbours reach them by "
        "the public address."
    )
    return Problem(
        code="public-port-unknown",
        severity=Severity.INFO,
        explanation=f"{happened(asked, answer.outcome)} {unknown % facts}",
        remedy=(
            _(
                "Make sure that TCP port %(public)d of %(address)s leads to port %(port)d of "
                "%(host)s, from every source address; for a container, publish %(public)d:%(port)d."
            )
            % facts,
            _("If that is right, go on: the staging test looks from outside."),
        ),
        detail=answer.detail,
        retryable=True,
    )


def _other_port(
    asked: Asked, answer: Answer, surroundings: Surroundings, *, is_own: bool
) -> Problem:
    facts = {"port": surroundings.challenge_port, "public": HTTP_PORT, "address": asked.address}
    steps = [
        _(
            "Set the challenge port to %(public)d in the network settings: without a router that "
            "forwards, Let's Encrypt comes to this very port."
        )
        % facts,
        _("Or forward TCP port %(public)d of %(address)s to port %(port)d.") % facts,
    ]
    if is_own:
        steps.append(
            _(
                "If a firewall rule of this machine redirects the port, go on: such rules often do "
                "not hold for what the machine sends itself."
            )
        )
    else:
        steps.append(
            _(
                "If a container's host or a load balancer leads it to this port already, leave the "
                "challenge port as it is and go on: many show that only to the outside."
            )
        )
    why = _("The challenge port is %(port)d, but Let's Encrypt comes to port %(public)d.") % facts
    return Problem(
        code="challenge-port-not-public",
        severity=Severity.WARNING,
        explanation=f"{happened(asked, answer.outcome)} {why}",
        remedy=tuple(steps),
        detail=answer.detail,
        retryable=True,
    )


def _over_ipv6(asked: Asked, answer: Answer, view: View) -> Problem:
    if answer.outcome is Outcome.NO_ROUTE:
        return _no_view(asked, answer, view)
    if view.is_own(asked.address) and not _is_served(asked.address, view.listeners):
        return _not_served(asked, answer, view.surroundings)
    first = _("Let's Encrypt tries IPv6 first.")
    then = (
        _(
            "Where no connection comes about it may go on to IPv4, but it promises that only for "
            "a silence."
        )
        if answer.outcome in {Outcome.SILENT, Outcome.UNREACHABLE, Outcome.REFUSED}
        else _("It does not go on to IPv4 after that.")
    )
    works = _("Over IPv4 this gateway is reached.") if 4 in view.reached_by else ""
    sentences = (happened(asked, answer.outcome), works, first, then)
    return Problem(
        code="ipv6-not-reaching",
        severity=Severity.WARNING,
        explanation=" ".join(sentence for sentence in sentences if sentence),
        remedy=(*_steps_over_ipv6(asked, view), *after_ipv6(asked)),
        detail=answer.detail,
        retryable=True,
    )


def _steps_over_ipv6(asked: Asked, view: View) -> tuple[str, ...]:
    surroundings = view.surroundings
    facts = {
        "port": HTTP_PORT,
        "names": asked.names,
        "address": asked.address,
        "challenge_port": surroundings.challenge_port,
        "where": advice.machine_of(view.elsewhere),
    }
    if view.is_own(asked.address) and surroundings.challenge_port != surroundings.public_port:
        # Over IPv6 routers let through and do not translate.
        return (
            _(
                "%(address)s is an address of this machine, and the challenge port is "
                "%(challenge_port)d: let port %(port)d of it lead there, or set the challenge port "
                "to %(port)d."
            )
            % facts,
        )
    return (
        _(
            "In every router and firewall, let TCP port %(port)d over IPv6 through to %(where)s, "
            "and let the AAAA record of %(names)s hold the IPv6 address of it."
        )
        % facts,
    )


def _not_served(asked: Asked, answer: Answer, surroundings: Surroundings) -> Problem:
    facts = {
        "names": asked.names,
        "address": asked.address,
        "port": surroundings.challenge_port,
    }
    return Problem(
        code="ipv6-not-served",
        severity=Severity.WARNING,
        explanation=_(
            "%(names)s has the IPv6 address %(address)s of this machine, but the challenge service "
            "does not listen there on port %(port)d. Let's Encrypt tries IPv6 first."
        )
        % facts,
        remedy=(
            _(
                "Let the challenge service listen on IPv6 as well: remove "
                "GATEWAY_ADMIN_CHALLENGE_HOST, or add [::] to it."
            ),
            *after_ipv6(asked),
        ),
        detail=answer.detail,
    )


def _no_view(asked: Asked, answer: Answer, view: View) -> Problem:
    is_6 = asked.address.version == 6
    told = (
        _("Whether the address works is unknown, and Let's Encrypt tries IPv6 first.")
        if is_6
        else _("Whether the address works is unknown.")
    )
    return Problem(
        code="ipv6-unknown" if is_6 else "public-port-unknown",
        severity=Severity.INFO,
        explanation=f"{happened(asked, answer.outcome)} {told}",
        remedy=(advice.open_the_port(view.surroundings, view.elsewhere), *after_ipv6(asked)),
        detail=answer.detail,
        retryable=True,
    )


def _is_served(address: Address, listeners: tuple[ChallengeListener, ...]) -> bool:
    """Whether a challenge process says that it listens there; True where none says anything."""
    bound = [host for row in listeners for host in binding.parse_hosts(row.addresses)]
    return not bound or binding.covers(bound, address)
