"""Steps that several findings recommend, with this gateway's own addresses and ports filled in."""

from __future__ import annotations

import socket

from django.utils.translation import gettext as _

from challenges.ports import HTTP_PORT
from challenges.preflight import machine
from challenges.preflight.surroundings import Surroundings


def open_the_port(surroundings: Surroundings) -> str:
    """How TCP port 80 gets from the internet to the challenge port, in this scenario."""
    facts = {
        "public": HTTP_PORT,
        "port": surroundings.challenge_port,
        "machine": this_machine(),
    }
    if surroundings.is_behind_router:
        return (
            _(
                "On the router, forward TCP port %(public)d of its public address to port "
                "%(port)d of this machine (%(machine)s), from every source address."
            )
            % facts
        )
    return (
        _(
            "In every firewall, let TCP port %(public)d through to this machine (%(machine)s), "
            "from every source address: Let's Encrypt comes from changing ones."
        )
        % facts
    )


def let_the_path_through(surroundings: Surroundings) -> str:
    """What a server in front of the challenge port has to do."""
    return _(
        "Have paths that begin with /.well-known/acme-challenge/ passed on unchanged to port "
        "%(port)d of this machine (%(machine)s)."
    ) % {"port": surroundings.challenge_port, "machine": this_machine()}


def open_own_firewall(port: int) -> str:
    """What the firewall on this machine itself has to let in."""
    return _(
        "In this machine's own firewall, let TCP port %(port)d in from every source address."
    ) % {"port": port}


def who_uses(port: int) -> str:
    """How to see which program has a port."""
    return _("To see what uses the port, run: sudo ss -ltnp 'sport = :%(port)d'") % {"port": port}


def this_machine() -> str:
    """The address by which this machine reaches the internet, or its name when it has none."""
    own = machine.look().addresses
    return str(own[0]) if own else socket.gethostname()
