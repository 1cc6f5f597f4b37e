"""Steps that several findings recommend, with this gateway's own addresses and ports filled in."""

from __future__ import annotations

import dataclasses
import socket

from django.utils.translation import gettext as _

from challenges.ports import HTTP_PORT
from challenges.preflight import machine
from challenges.preflight.surroundings import Address, Surroundings


@dataclasses.dataclass(frozen=True)
class Asked:
    """An address that was asked, and the names that lead there, as people read them."""

    names: str
    address: Address

    @property
    def facts(self) -> dict[str, object]:
        """For the placeholders of a sentence, together with the port that a CA comes to."""
        return {"names": self.names, "address": self.address, "port": HTTP_PORT}


def open_the_port(surroundings: Surroundings, host: str = "") -> str:
    """How TCP port 80 gets from the internet to the challenge port, in this scenario.

    ``host`` is the other machine on which the challenge service runs.
    """
    facts = {
        "public": HTTP_PORT,
        "port": surroundings.challenge_port,
        "where": machine_of(host),
    }
    if surroundings.is_behind_router and host:
        return (
            _(
                "On the router, forward TCP port %(public)d of its public address to port "
                "%(port)d of %(where)s, or to the port under which its container is published, "
                "from every source address."
            )
            % facts
        )
    if surroundings.is_behind_router:
        return (
            _(
                "On the router, forward TCP port %(public)d of its public address to port "
                "%(port)d of %(where)s, from every source address."
            )
            % facts
        )
    return (
        _(
            "In every firewall, let TCP port %(public)d through to %(where)s, "
            "from every source address: Let's Encrypt comes from changing ones."
        )
        % facts
    )


def let_the_path_through(surroundings: Surroundings, host: str = "") -> str:
    """What a server in front of the challenge port has to do; ``host`` as above."""
    return _(
        "Have paths that begin with /.well-known/acme-challenge/ passed on unchanged to port "
        "%(port)d of %(where)s."
    ) % {"port": surroundings.challenge_port, "where": machine_of(host)}


def open_own_firewall(port: int, host: str = "") -> str:
    """What the firewall on the machine itself has to let in; ``host`` as above."""
    if host:
        return _(
            "In the firewall of %(where)s, let TCP port %(port)d in from every source address."
        ) % {"port": port, "where": machine_of(host)}
    return _(
        "In this machine's own firewall, let TCP port %(port)d in from every source address."
    ) % {"port": port}


def or_another_address(asked: Asked, surroundings: Surroundings) -> tuple[str, ...]:
    """Behind a router nobody here knows its public address: the record may be the one at fault."""
    if not surroundings.is_behind_router or asked.address.version == 6:
        return ()
    return (
        _(
            "If %(address)s is not the router's public IP address, correct the A record of "
            "%(names)s in the public DNS."
        )
        % {"address": asked.address, "names": asked.names},
    )


def after_ipv6(asked: Asked) -> tuple[str, ...]:
    """The further way out where it is an AAAA record that leads astray."""
    if asked.address.version == 4:
        return ()
    return (
        _(
            "Or remove the AAAA record of %(names)s: Let's Encrypt tries IPv6 first, and tries "
            "IPv4 only where IPv6 gives no answer at all."
        )
        % {"names": asked.names},
    )


def this_machine() -> str:
    """The address by which this machine reaches the internet, or its name when it has none."""
    own = machine.look().addresses
    return str(own[0]) if own else socket.gethostname()


def machine_of(host: str) -> str:
    """The machine that the CA's requests shall come to, for a sentence.

    Another one by its name: the address of this one, a worker's container, would lead astray.
    """
    if host:
        return _("the machine on which the challenge service runs (%(host)s)") % {"host": host}
    return _("this machine (%(machine)s)") % {"machine": this_machine()}
