"""Steps that several findings recommend, with this gateway's own addresses and ports filled in."""

from __future__ import annotations

import socket

from django.utils.translation import gettext as _

from challenges.ports import HTTP_PORT
from challenges.preflight.surroundings import Surroundings

# TEST-NET-1 (RFC 5737): nothing is sent, only the route is looked up.
_SOMEWHERE = ("192.0.2.1", 9)


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


def point_the_name(name: str, surroundings: Surroundings) -> str:
    """Which DNS record the name needs, in this scenario."""
    whose = (
        _("the router's public IP address")
        if surroundings.is_behind_router
        else _("this machine's public IP address")
    )
    return _(
        "In the public DNS zone of the domain, make an A record (or a CNAME) for %(name)s that "
        "points to %(whose)s."
    ) % {"name": name, "whose": whose}


def this_machine() -> str:
    """The address by which this machine reaches the internet, or its name when it has none."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(_SOMEWHERE)
            address: str = probe.getsockname()[0]
            return address
    except OSError:
        return socket.gethostname()


def is_own(address: str) -> bool:
    """Whether ``address`` belongs to an interface of this machine."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
