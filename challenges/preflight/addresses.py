"""Whether a CA can come to the addresses that a name has in the public DNS.

Asks nobody, but looks at this machine's own addresses.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Sequence

from django.utils.translation import gettext as _

from challenges.preflight import machine, zone
from challenges.preflight.lookups import Lookup
from challenges.preflight.surroundings import Address, Surroundings
from challenges.problems import Problem, Severity


class Kind(enum.Enum):
    """What an address is good for."""

    PUBLIC = "public"
    PRIVATE = "private"
    CARRIER_NAT = "carrier-nat"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    DOCUMENTATION = "documentation"
    RESERVED = "reserved"


_NETWORKS = tuple(
    (ipaddress.ip_network(network), kind)
    for kind, networks in {
        Kind.PRIVATE: ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
        Kind.CARRIER_NAT: ("100.64.0.0/10",),  # RFC 6598
        Kind.LOOPBACK: ("127.0.0.0/8", "::1/128"),
        Kind.LINK_LOCAL: ("169.254.0.0/16", "fe80::/10"),
        Kind.DOCUMENTATION: (
            *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),  # RFC 5737
            *("2001:db8::/32", "3fff::/20"),  # RFC 3849, RFC 9637
        ),
        # In IANA's registries of special addresses without "globally reachable", so that Let's
        # Encrypt passes them over: relays and tunnels of the past, site-local, SRv6, protocols'
        # own (RFC 6890), IPv4 inside of IPv6 (RFC 4291 §2.5.5), translation at home (RFC 8215).
        Kind.RESERVED: (
            *("192.88.99.0/24", "2001::/23", "2002::/16", "fec0::/10", "5f00::/16"),
            *("192.0.0.0/24", "::/96", "::ffff:0:0/96", "64:ff9b:1::/48"),
        ),
    }.items()
    for network in networks
)
# Parts of 2001::/23 that are globally reachable after all (RFC 7450, 7723, 7535, 8155, 7343, 9374).
_REACHABLE = tuple(
    ipaddress.ip_network(network)
    for network in ("2001:1::1/128", "2001:1::2/128", "2001:3::/32", "2001:4:112::/48")
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1


def kind_of(address: Address, surroundings: Surroundings) -> Kind:
    """The kind of ``address``; networks that count as public come first."""
    if surroundings.counts_as_public(address) or any(address in net for net in _REACHABLE):
        return Kind.PUBLIC
    if mapped := getattr(address, "ipv4_mapped", None):
        inner = kind_of(mapped, surroundings)
        return Kind.RESERVED if inner is Kind.PUBLIC else inner
    if address in _NAT64:
        # A packet for it ends at the IPv4 address that it wraps.
        return kind_of(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF), surroundings)
    for network, kind in _NETWORKS:
        if address in network:
            return kind
    is_usual = address.is_global and not address.is_multicast
    return Kind.PUBLIC if is_usual else Kind.RESERVED


def reachable(lookup: Lookup, surroundings: Surroundings) -> tuple[Address, ...]:
    """The addresses of a name to which a CA, and we, may connect."""
    return tuple(
        address for address in lookup.addresses if kind_of(address, surroundings) is Kind.PUBLIC
    )


def judge(
    lookup: Lookup, surroundings: Surroundings, own: machine.Machine | None = None
) -> list[Problem]:
    """What is wrong with the addresses of one name; ``own`` is this machine, else looked at."""
    usable = reachable(lookup, surroundings)
    unusable = tuple(address for address in lookup.addresses if address not in usable)
    if unusable and not usable:
        return [_unusable(lookup, unusable, surroundings)]
    found = []
    if unusable:
        found.append(_partly_unusable(lookup.name, usable, unusable))
    if several := _several(lookup, surroundings):
        found.append(several)
    if elsewhere := _elsewhere(lookup.name, usable, surroundings, own):
        found.append(elsewhere)
    return found


def _unusable(lookup: Lookup, addresses: Sequence[Address], surroundings: Surroundings) -> Problem:
    """No CA can come: the answers of all servers hold no other address."""
    kinds = {kind_of(address, surroundings) for address in addresses}
    facts = {"name": lookup.name, "addresses": zone.written(addresses)}
    steps: tuple[str, ...] = (
        zone.address_record(lookup.name, surroundings),
        zone.wait(lookup.ttl),
    )
    if not surroundings.asks_only_lets_encrypt and kinds <= {Kind.PRIVATE, Kind.CARRIER_NAT}:
        steps = (_("If the certificate authority is your own and comes there, go on."), *steps)
    if kinds == {Kind.PRIVATE}:
        return _private(facts, steps, lookup.detail, surroundings)
    if kinds == {Kind.CARRIER_NAT}:
        return _carrier_nat(facts, steps, lookup.detail, surroundings)
    return Problem(
        code="address-reserved",
        severity=Severity.ERROR,
        explanation=_reserved(kinds) % facts,
        remedy=steps,
        detail=lookup.detail,
    )


def _private(
    facts: dict[str, str], steps: tuple[str, ...], detail: str, surroundings: Surroundings
) -> Problem:
    if surroundings.is_behind_router:
        steps = (*steps, _("Keep the private address in the DNS of the local network only."))
    return Problem(
        code="address-private",
        severity=_of_no_public_ca(surroundings),
        explanation=_(
            "In the public DNS %(name)s points to %(addresses)s, a private address that nobody on "
            "the internet can reach."
        )
        % facts,
        remedy=steps,
        detail=detail,
    )


def _carrier_nat(
    facts: dict[str, str], steps: tuple[str, ...], detail: str, surroundings: Surroundings
) -> Problem:
    return Problem(
        code="address-carrier-nat",
        severity=_of_no_public_ca(surroundings),
        explanation=_(
            "%(name)s points to %(addresses)s, an address inside the internet provider's own "
            "network (carrier-grade NAT) that nobody on the internet can reach."
        )
        % facts,
        remedy=(_("Ask the internet provider for a static, public IP address."), *steps),
        detail=detail,
    )


def _of_no_public_ca(surroundings: Surroundings) -> Severity:
    """For an address that no CA on the internet reaches: one inside of the network may."""
    return Severity.ERROR if surroundings.asks_only_lets_encrypt else Severity.WARNING


def _reserved(kinds: set[Kind]) -> str:
    texts = {
        Kind.LOOPBACK: _("%(name)s points to %(addresses)s, by which every machine means itself."),
        Kind.LINK_LOCAL: _(
            "%(name)s points to %(addresses)s, which is valid on a single cable only (link-local)."
        ),
        Kind.DOCUMENTATION: _(
            "%(name)s points to %(addresses)s, which is reserved for examples in documentation."
        ),
    }
    usual = _("%(name)s points to %(addresses)s, which does not exist on the internet.")
    return texts.get(next(iter(kinds)), usual) if len(kinds) == 1 else usual


def _partly_unusable(name: str, usable: Sequence[Address], unusable: Sequence[Address]) -> Problem:
    return Problem(
        code="addresses-partly-unusable",
        severity=Severity.WARNING,
        explanation=_(
            "In the public DNS %(name)s also points to %(unusable)s, which nobody on the internet "
            "can reach; Let's Encrypt passes that over and comes to %(usable)s, but others who "
            "look for %(name)s may not."
        )
        % {"name": name, "unusable": zone.written(unusable), "usable": zone.written(usable)},
        remedy=tuple(
            _(
                "In the public DNS, delete this record: name %(name)s, type %(type)s, "
                "value %(value)s."
            )
            % {"name": name, "type": zone.record_type(address), "value": address}
            for address in unusable
        ),
    )


def _several(lookup: Lookup, surroundings: Surroundings) -> Problem | None:
    """More than one of a family at the same server: the CA takes any of them."""
    several: tuple[Address, ...] = ()
    for reply in lookup.replies:
        usable = tuple(
            address for address in reply.addresses if kind_of(address, surroundings) is Kind.PUBLIC
        )
        if len(usable) > max(1, len(several)):
            several = usable
    if not several:
        return None
    return Problem(
        code="addresses-several",
        severity=Severity.INFO,
        explanation=_(
            "%(name)s has several addresses (%(addresses)s), and Let's Encrypt comes to any of "
            "them, from each of its places to another one."
        )
        % {"name": lookup.name, "addresses": zone.written(several)},
        remedy=(
            _("Make sure that TCP port 80 of every one of them leads to this gateway,"),
            _("or leave only the addresses of this gateway in the public DNS."),
        ),
        detail=lookup.detail,
    )


def _elsewhere(
    name: str,
    usable: Sequence[Address],
    surroundings: Surroundings,
    own: machine.Machine | None,
) -> Problem | None:
    """Without a router in between, the name's address should be one of this machine."""
    others = [address for address in usable if not machine.is_own(address)]
    if surroundings.is_behind_router or not others:
        return None
    translated = _(
        "If a router or a cloud provider translates the address, everything is in order."
    )
    deletions = (
        _("Otherwise delete this record: name %(name)s, type %(type)s, value %(value)s.")
        % {"name": name, "type": zone.record_type(address), "value": address}
        for address in others
    )
    steps = (
        (zone.address_record(name, surroundings), translated)
        if len(others) == len(usable)
        else (translated, *deletions)
    )
    return Problem(
        code="address-not-here",
        severity=_severity(others, own or machine.look()),
        explanation=_("%(name)s points to %(addresses)s, which is not an address of this machine.")
        % {"name": name, "addresses": zone.written(others)},
        remedy=steps,
    )


def _severity(others: Sequence[Address], own: machine.Machine) -> Severity:
    """Where the machine has private addresses alone, somebody has to translate: no fault."""
    public, private = (
        {address.version for address in found} for found in (own.public, own.private)
    )
    is_translated = all(each.version in private - public for each in others)
    return Severity.INFO if is_translated else Severity.WARNING
