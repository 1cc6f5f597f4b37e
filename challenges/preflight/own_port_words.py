"""What is said about our own challenge port, as it answers inside of this network."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from django.utils.translation import gettext as _

from challenges import answering, occupants, ports
from challenges.models import ChallengeListener
from challenges.preflight import advice
from challenges.preflight.fetching import Answer
from challenges.preflight.surroundings import Address
from challenges.problems import Problem, Severity


def nobody_there(answer: Answer, port: int) -> Problem:
    """No challenge process is alive, and the port is closed."""
    return Problem(
        code="challenge-listener-down",
        severity=Severity.ERROR,
        explanation=_("The challenge service does not run, so port %(port)d is closed.")
        % {"port": port},
        remedy=(_("Start it: it belongs to ./scripts/run, or is the service “challenges”."),),
        detail=answer.detail,
        retryable=True,
    )


def silent(listener: ChallengeListener, port: int) -> Problem:
    """No challenge process is alive, but one of another machine was, and may only be late."""
    facts = {"host": listener.host, "port": port, "machine": socket.gethostname()}
    return Problem(
        code="challenge-listener-silent",
        severity=Severity.WARNING,
        explanation=_(
            "The challenge service on %(host)s has stopped reporting itself, and from %(machine)s "
            "no port %(port)d is seen to answer."
        )
        % facts,
        remedy=(
            _("If it does not run, start it: it is the service “challenges”."),
            _(
                "If it runs, compare the clock of %(host)s with that of %(machine)s: by one that "
                "is behind, its reports look old."
            )
            % facts,
        ),
        detail=f"{listener.host}: {listener.seen_at:%Y-%m-%d %H:%M:%S} UTC",
        retryable=True,
    )


def of_the_service(answer: Answer, port: int, host: str = "") -> Problem | None:
    """What a challenge service means that answers, but not with the token: None where it is none.

    ``host`` is the other machine that was asked; no word of its answer is repeated.
    """
    detail = answer.without_words if host else answer.detail
    where = host or _("this machine")
    if answer.is_of_service(answering.AWAY):
        return _database_away(where, port, detail)
    if answer.is_of_service(answering.NOT_FOUND):
        return _other_database(where, port, detail)
    return None


def _database_away(where: str, port: int, detail: str) -> Problem:
    facts = {"port": port, "where": where}
    return Problem(
        code="challenge-database-away",
        severity=Severity.ERROR,
        explanation=_(
            "The challenge service answers on port %(port)d of %(where)s, but it cannot ask its "
            "database, so it knows no new token."
        )
        % facts,
        remedy=(
            _("Wait some seconds, then try again."),
            _(
                "If it stays so, see that the database is well and can be reached from %(where)s; "
                "the log of the challenge service says what it is told."
            )
            % facts,
        ),
        detail=detail,
        retryable=True,
    )


def _other_database(where: str, port: int, detail: str) -> Problem:
    facts = {"port": port, "where": where}
    return Problem(
        code="challenge-database-differs",
        severity=Severity.ERROR,
        explanation=_(
            "A challenge service answers on port %(port)d of %(where)s, but it does not know what "
            "this console has just published: it uses another database."
        )
        % facts,
        remedy=(
            _("Give both the same DATABASE_URL, or on one machine the same data directory."),
            _(
                "If it belongs to another console, choose another challenge port in the network "
                "settings."
            ),
        ),
        detail=detail,
    )


def closed(answer: Answer, listener: ChallengeListener, port: int) -> Problem:
    """A challenge process on this machine is alive, but the port gives no answer."""
    return Problem(
        code="challenge-port-closed",
        severity=Severity.ERROR,
        explanation=listener.error
        or _("The challenge service runs, but port %(port)d does not answer.") % {"port": port},
        remedy=_wait_or_change(),
        detail=answer.detail,
        retryable=True,
    )


def another_program(answer: Answer, port: int) -> Problem:
    """Somebody else has the port on this machine."""
    occupant = occupants.find(port)
    facts = {
        "port": port,
        "name": occupant.name if occupant else "",
        "pid": occupant.pid if occupant else 0,
    }
    return Problem(
        code="challenge-port-answers-otherwise",
        severity=Severity.ERROR,
        explanation=(
            _("Port %(port)d of this machine is answered by %(name)s (process %(pid)d).")
            if occupant
            else _("Port %(port)d of this machine is answered by another program.")
        )
        % facts,
        remedy=(
            _("Stop that program, or choose another challenge port in the network settings."),
            ports.who_uses(port),
        ),
        detail=answer.detail,
    )


def not_followed(listener: ChallengeListener, wanted: int) -> Problem:
    """A challenge process still serves another port than the one that is wanted."""
    facts = {"wanted": wanted, "served": listener.port}
    told = _("The challenge port is to be %(wanted)d, but %(served)d is still served.") % facts
    return Problem(
        code="challenge-port-not-followed",
        severity=Severity.WARNING,
        explanation=f"{told} {listener.error}".strip(),
        remedy=_wait_or_change(),
        retryable=True,
    )


def not_seen(answer: Answer, listener: ChallengeListener) -> Problem:
    """Another machine's port: it says that it serves it, and a firewall in between is no fault."""
    facts = {"host": listener.host, "port": listener.port or listener.wanted_port}
    told = _(
        "The challenge service on %(host)s reports itself, but from this machine its port "
        "%(port)d is not seen to answer."
    )
    return Problem(
        code="challenge-port-not-seen",
        severity=Severity.WARNING,
        explanation=f"{told % facts} {listener.error}".strip(),
        remedy=(
            _("If only the network between the two machines forbids it, go on."),
            _("To look at it from there, run on %(host)s: curl -i http://localhost:%(port)d/")
            % facts,
        ),
        # The process itself says where it is: nothing of what is found there belongs on a page.
        detail=answer.without_words,
        retryable=True,
    )


def not_on_network(bad: Sequence[tuple[Address, Answer]], port: int) -> Problem:
    """The loopback answers, an address by which the network reaches this machine does not."""
    facts = {"port": port, "addresses": written([own for own, _answer in bad])}
    return Problem(
        code="challenge-port-not-on-lan",
        severity=Severity.WARNING,
        explanation=_(
            "The challenge port %(port)d answers on this machine itself, but not at its address "
            "%(addresses)s, by which the network reaches it."
        )
        % facts,
        remedy=(
            advice.open_own_firewall(port),
            _("To see its rules, run: sudo nft list ruleset"),
            ports.who_uses(port),
        ),
        detail="\n".join(answer.detail for _own, answer in bad),
        retryable=True,
    )


def loopback_only(bound: Sequence[Address], port: int, machine: Address) -> Problem:
    """Nobody but this machine itself reaches the port."""
    facts = {"port": port, "addresses": written(bound), "machine": machine}
    return Problem(
        code="challenge-port-loopback-only",
        severity=Severity.WARNING,
        explanation=_(
            "The challenge port %(port)d is open only at %(addresses)s, so nothing outside of "
            "this machine reaches it."
        )
        % facts,
        remedy=(
            _("Set GATEWAY_ADMIN_CHALLENGE_HOST to %(machine)s, or remove it.") % facts,
            _("If a web server on this machine passes the requests on to it, go on."),
        ),
    )


def too_slow(port: int) -> Problem:
    """No answer, and not even a failure, in the time that there was."""
    return Problem(
        code="challenge-port-slow",
        severity=Severity.WARNING,
        explanation=_("The challenge port %(port)d was not seen to answer in time.")
        % {"port": port},
        remedy=(_("Try again; if it stays so, look at the load of this machine."),),
        retryable=True,
    )


def written(addresses: Sequence[Address]) -> str:
    """Several addresses in a sentence."""
    return ", ".join(str(address) for address in addresses)


def _wait_or_change() -> tuple[str, ...]:
    return (
        _("Wait some seconds if the port has just been changed, then try again."),
        _("Else choose another challenge port in the network settings."),
    )
