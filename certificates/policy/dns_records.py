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


def records(names: Iterable[str], addresses: Mapping[str, Sequence[str]]) -> tuple[Record, ...]:
    """The names with the addresses that a preflight found for them in the public DNS."""
    return tuple(Record(name, tuple(addresses.get(name, ()))) for name in names)


def common_address(found: Iterable[Record]) -> str:
    """The one IPv4 address that every known record has; empty where they differ or none has."""
    known = {address for record in found for address in record.addresses if ":" not in address}
    return known.pop() if len(known) == 1 else ""


def is_public(address: str) -> bool:
    """Whether it is an IP address of the internet."""
    return is_address(address) and ipaddress.ip_address(address).is_global


def is_address(word: str) -> bool:
    """Whether it is an IP address, and no name."""
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True
