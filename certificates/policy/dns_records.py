"""Which address records the names need, and which addresses the public DNS has for them. Pure."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterable, Mapping, Sequence


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """A name that needs an address record, and the addresses it has had in the public DNS."""

    name: str
    addresses: tuple[str, ...] = ()

    @property
    def ipv4(self) -> tuple[str, ...]:
        """Those of its A records."""
        return tuple(address for address in self.addresses if is_ipv4(address))

    @property
    def ipv6(self) -> tuple[str, ...]:
        """Those of its AAAA records."""
        return tuple(address for address in self.addresses if not is_ipv4(address))


def records(names: Iterable[str], addresses: Mapping[str, Sequence[str]]) -> tuple[Record, ...]:
    """The names with the addresses that a preflight found for them in the public DNS."""
    return tuple(Record(name, tuple(addresses.get(name, ()))) for name in names)


@dataclasses.dataclass(frozen=True, slots=True)
class SharedAddress:
    """An address that AAAA records hold, and the names whose records they are."""

    address: str
    names: tuple[str, ...]


def ipv6_addresses(found: Iterable[Record]) -> tuple[SharedAddress, ...]:
    """Each IPv6 address once, since many names mostly lead to the same one."""
    names: dict[str, list[str]] = {}
    for record in found:
        for address in record.ipv6:
            names.setdefault(address, []).append(record.name)
    return tuple(SharedAddress(address, tuple(whose)) for address, whose in names.items())


def common_address(found: Iterable[Record]) -> str:
    """The one IPv4 address that every known record has; empty where they differ or none has."""
    known = {address for record in found for address in record.ipv4}
    return known.pop() if len(known) == 1 else ""


def is_public(address: str) -> bool:
    """Whether it is an IPv4 address of the internet."""
    return is_ipv4(address) and ipaddress.IPv4Address(address).is_global


def is_ipv4(word: str) -> bool:
    """Whether it can stand in an A record: an IPv4 address, and no name."""
    try:
        ipaddress.IPv4Address(word)
    except ValueError:
        return False
    return True
