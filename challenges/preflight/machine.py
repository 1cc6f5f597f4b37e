"""What this machine knows of itself: the addresses of its interfaces, and where its routes lead."""

from __future__ import annotations

import dataclasses
import ipaddress
import socket

import psutil

from challenges.preflight.surroundings import Address

# Bridges and pairs that containers and virtual machines hang on: no network of the building.
_VIRTUAL = ("docker", "br-", "veth", "virbr", "cni", "flannel", "cali", "podman", "lxcbr", "lxdbr")
# TEST-NET-1 and the documentation prefix (RFC 5737, RFC 3849): only the route is looked up.
_SOMEWHERE = (ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("2001:db8::1"))


@dataclasses.dataclass(frozen=True)
class Machine:
    """The addresses of its networks, the one of the default route first; no loopback and no
    link-local ones.
    """

    addresses: tuple[Address, ...] = ()

    @property
    def public(self) -> tuple[Address, ...]:
        """Those that the internet could know."""
        return tuple(address for address in self.addresses if address.is_global)

    @property
    def private(self) -> tuple[Address, ...]:
        """All others."""
        return tuple(address for address in self.addresses if not address.is_global)


def look() -> Machine:
    """As it is now; where the interfaces may not be listed, what the routes tell. Sends nothing."""
    found: list[Address] = [source for somewhere in _SOMEWHERE if (source := source_for(somewhere))]
    found += [own for interface, own in _interfaces() if not interface.startswith(_VIRTUAL)]
    usual = [own for own in found if not (own.is_loopback or own.is_link_local)]
    return Machine(tuple(dict.fromkeys(usual)))


def source_for(address: Address) -> Address | None:
    """The address from which this machine would go to ``address``; None without a route."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return ipaddress.ip_address(probe.getsockname()[0])
    except OSError:
        return None


def is_own(address: Address) -> bool:
    """Whether ``address`` belongs to an interface of this machine."""
    # Not by trying to bind it: some systems let programs bind what is not theirs.
    if address.is_loopback or any(own == address for _interface, own in _interfaces()):
        return True
    # The way to an address of our own begins at it.
    return source_for(address) == address


def _interfaces() -> list[tuple[str, Address]]:
    """All of them, or none where a sandbox forbids to list them."""
    try:
        found = psutil.net_if_addrs()
    except (OSError, psutil.Error):
        return []
    return [
        (interface, ipaddress.ip_address(entry.address.partition("%")[0]))
        for interface, entries in found.items()
        for entry in entries
        if entry.family in {socket.AF_INET, socket.AF_INET6}
    ]
