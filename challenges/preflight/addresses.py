"""Third block: whether the addresses of a name can be reached from the internet. Asks nobody."""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Sequence

from django.utils.translation import gettext as _

from challenges.preflight import advice
from challenges.preflight.dns import Lookup
from challenges.preflight.surroundings import Address, Surroundings
from challenges.problems import Problem, Severity

_CARRIER_NAT = ipaddress.ip_network("100.64.0.0/10")  # RFC 6598
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")  # RFC 1918, 4193
)


class Kind(enum.Enum):
    """What an address is good for."""

    PUBLIC = "public"
    PRIVATE = "private"
    CARRIER_NAT = "carrier-nat"
    RESERVED = "reserved"


def kind_of(address: Address, surroundings: Surroundings) -> Kind:
    """The kind of ``address``; networks that count as public come first."""
    if surroundings.counts_as_public(address):
        return Kind.PUBLIC
    plain = getattr(address, "ipv4_mapped", None) or address
    if any(plain in network for network in _PRIVATE):
        return Kind.PRIVATE
    if plain in _CARRIER_NAT:
        return Kind.CARRIER_NAT
    return Kind.PUBLIC if plain.is_global and not plain.is_multicast else Kind.RESERVED


def reachable(lookup: Lookup, surroundings: Surroundings) -> tuple[Address, ...]:
    """The addresses of a name to which a CA, and we, may connect."""
    return tuple(
        address for address in lookup.addresses if kind_of(address, surroundings) is Kind.PUBLIC
    )


def findings(lookups: Sequence[Lookup], surroundings: Surroundings) -> list[Problem]:
    """What is wrong with the addresses of all names."""
    return [
        problem
        for lookup in lookups
        for address in lookup.addresses
        if (problem := judge(lookup.name, address, surroundings))
    ]


def judge(name: str, address: Address, surroundings: Surroundings) -> Problem | None:
    """What is wrong with one address of ``name``."""
    kind = kind_of(address, surroundings)
    if kind is Kind.PUBLIC:
        return _elsewhere(name, address, surroundings)
    explanations = {
        Kind.PRIVATE: _(
            "In the public DNS %(name)s points to %(address)s, a private address that nobody on "
            "the internet can reach."
        ),
        Kind.CARRIER_NAT: _(
            "%(name)s points to %(address)s, an address inside the internet provider's own "
            "network (carrier-grade NAT) that nobody on the internet can reach."
        ),
        Kind.RESERVED: _(
            "%(name)s points to %(address)s, an address that does not exist on the internet."
        ),
    }
    steps = [advice.point_the_name(name, surroundings)]
    if kind is Kind.CARRIER_NAT:
        steps.insert(0, _("Ask the internet provider for a static, public IP address."))
    elif kind is Kind.PRIVATE and surroundings.is_behind_router:
        steps.append(_("Keep the private address in the DNS of the local network only."))
    return Problem(
        code=f"address-{kind.value}",
        severity=Severity.ERROR,
        explanation=explanations[kind] % {"name": name, "address": address},
        remedy=tuple(steps),
    )


def _elsewhere(name: str, address: Address, surroundings: Surroundings) -> Problem | None:
    """Without a router in between, the name's address should be one of this machine."""
    if surroundings.is_behind_router or advice.is_own(str(address)):
        return None
    return Problem(
        code="address-not-here",
        severity=Severity.WARNING,
        explanation=_("%(name)s points to %(address)s, which is not an address of this machine.")
        % {"name": name, "address": address},
        remedy=(
            advice.point_the_name(name, surroundings),
            _("If a router or a cloud provider translates the address, everything is in order."),
        ),
    )
