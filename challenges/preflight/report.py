"""What a preflight comes to: what is wrong, and what is known to be right."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable

from challenges.problems import Problem, Severity


class Fact(enum.StrEnum):
    """Something that a preflight can establish; the guidance ticks its steps by them."""

    NAMES_USABLE = "names-usable"
    CLOCK_RIGHT = "clock-right"
    MACHINE_ADDRESS = "machine-address"
    PORT_SERVED = "port-served"
    PORT_ON_LAN = "port-on-lan"
    DNS_PUBLIC = "dns-public"
    DNS_LOCAL = "dns-local"
    CAA_ALLOWS = "caa-allows"
    PORT_PUBLIC = "port-public"
    CA_REACHABLE = "ca-reachable"
    STORAGE_READY = "storage-ready"
    ORDER_ALLOWED = "order-allowed"


@dataclasses.dataclass(frozen=True, slots=True)
class Established:
    """A fact, and a whole sentence that says what was seen, with names, addresses and ports."""

    fact: Fact
    sentence: str


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """Findings in the order of the blocks, and what was established. Either may be empty.

    ``addresses`` are pairs of a name and those of its addresses in the public DNS that can be
    reached from the internet.
    """

    findings: tuple[Problem, ...] = ()
    established: tuple[Established, ...] = ()
    addresses: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def is_fatal(self) -> bool:
        """Whether it holds something that no certificate authority would let pass."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    def softened(self) -> Report:
        """The same with nothing fatal in it."""
        findings = tuple(
            dataclasses.replace(found, severity=Severity.WARNING)
            if found.severity is Severity.ERROR
            else found
            for found in self.findings
        )
        return dataclasses.replace(self, findings=findings)

    def __add__(self, other: Report) -> Report:
        return Report(
            self.findings + other.findings,
            self.established + other.established,
            self.addresses + other.addresses,
        )


def joined(reports: Iterable[Report]) -> Report:
    """All of them as one, in their order."""
    return sum(reports, Report())
