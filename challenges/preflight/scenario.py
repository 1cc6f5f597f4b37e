"""Whether the chosen network scenario fits what this machine and the DNS say. Asks nobody.

Never more than a hint: another machine, a container or a cloud may translate addresses.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from challenges.models import ChallengeListener
from challenges.ports import HTTP_PORT
from challenges.preflight import machine as machines
from challenges.preflight.lookups import Lookup
from challenges.preflight.machine import Machine
from challenges.preflight.report import Established, Fact, Report
from challenges.preflight.surroundings import Address, Surroundings
from challenges.problems import Problem, Severity
from challenges.whereabouts import elsewhere


def check(
    listeners: Sequence[ChallengeListener], machine: Machine, surroundings: Surroundings
) -> Report:
    """The machine's own addresses. Where the challenge port is another machine's, nothing."""
    if elsewhere(listeners):
        return Report()
    if not machine.addresses:
        return Report((_no_address(),))
    if surroundings.is_behind_router:
        own = (machine.private or machine.addresses)[0]
        sentence = _("This machine has the address %(address)s on its network.")
        return Report(established=(_established(sentence, own),))
    if machine.public:
        sentence = _("This machine has the public address %(address)s.")
        return Report(established=(_established(sentence, machine.public[0]),))
    return Report((_only_private(machine, surroundings),))


def contradictions(lookups: Sequence[Lookup], surroundings: Surroundings) -> Report:
    """The local network chosen, although a name points to a public address of this machine."""
    if not surroundings.is_behind_router:
        return Report()
    for lookup in lookups:
        for address in lookup.addresses:
            # Over IPv6 a machine behind a router has a public address as well.
            is_public = address.version == 4 and address.is_global
            if is_public and machines.is_own(address):
                return Report((_no_router(lookup.name, address, surroundings),))
    return Report()


def _established(sentence: str, address: Address) -> Established:
    return Established(Fact.MACHINE_ADDRESS, sentence % {"address": address})


def _no_address() -> Problem:
    return Problem(
        code="machine-no-address",
        severity=Severity.WARNING,
        explanation=_("This machine has no address on any network, so nobody can reach it."),
        remedy=(
            _("Connect it to the network and give it a static address."),
            _("To see its addresses, run: ip address"),
        ),
        retryable=True,
    )


def _only_private(machine: Machine, surroundings: Surroundings) -> Problem:
    facts = {
        "addresses": ", ".join(str(own) for own in machine.addresses[:3]),
        "port": surroundings.challenge_port,
        "public": HTTP_PORT,
        "machine": machine.addresses[0],
    }
    return Problem(
        code="scenario-only-private",
        severity=Severity.INFO,
        explanation=_(
            "The network settings say that this machine has a public address, but it has only "
            "private ones: %(addresses)s."
        )
        % facts,
        remedy=(
            _(
                "If it stands behind a router, choose the local area network in the network "
                "settings, and on the router forward TCP port %(public)d to port %(port)d of "
                "%(machine)s."
            )
            % facts,
            _(
                "If a cloud provider, a firewall or a container's host translates a public address "
                "to it, everything is in order."
            ),
        ),
    )


def _no_router(name: str, address: Address, surroundings: Surroundings) -> Problem:
    facts = {
        "name": name,
        "address": address,
        "port": surroundings.challenge_port,
        "public": HTTP_PORT,
    }
    choose = _("Choose the external network in the network settings.")
    set_port = _("Set the challenge port to %(public)d there: no router translates it.") % facts
    is_80 = surroundings.challenge_port == HTTP_PORT
    return Problem(
        code="scenario-no-router",
        severity=Severity.INFO if is_80 else Severity.WARNING,
        explanation=_(
            "The network settings say that this machine stands behind a router, but %(name)s "
            "points to %(address)s, which is this machine's own address."
        )
        % facts,
        remedy=(choose,) if is_80 else (choose, set_port),
    )
