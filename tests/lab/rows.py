"""The shape of the table of faults: what is wrong, what the preflight says, what the CA says."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
from collections.abc import Callable
from contextlib import AbstractContextManager

from tests.lab import network
from tests.lab.network import Firewall, Router
from tests.lab.stage import Lab
from tests.parts.zones import Zone

NAME = "mx.kontor-berg.de"
DOMAIN = "kontor-berg.de"
During = Callable[[Lab], AbstractContextManager[object]]
_ROUTER, _FIREWALL = Router(), Firewall()
# What the evidence of the challenge port adds to a CA's word.
NOTHING_CAME = "nothing from outside has come through"
REFUSED_BEFORE = "it was refused before it came there"
ANOTHER_DEVICE = "it was another device that answered"
ANOTHER_TOOK = "another device took the connection"
SOME_PLACES = "open for some of the places"
OPEN_PORT = ("On the router, forward TCP port 80", "port 8080", network.GATEWAY)


def _nothing(_lab: Lab) -> AbstractContextManager[object]:
    return contextlib.nullcontext()


class Stricter(enum.Enum):
    """Why an error is right although Pebble validates."""

    CAA = "Let's Encrypt checks CAA (RFC 8659), Pebble does not"
    NAMES = "Let's Encrypt issues only for names in the public DNS, Pebble for any"
    NO_WAY = "without a way to the CA nothing can be ordered, whatever Pebble sees of us"


class Site(enum.Enum):
    """Where the gateway of a row stands, and how it is set up there."""

    LAN = ("gateway", network.ROUTER)
    EXTERNAL = ("server", network.SERVER)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One that must be there: its code and severity, words of its remedy, words of what it says."""

    code: str
    severity: str
    remedy: tuple[str, ...] = ()
    says: tuple[str, ...] = ()


def error(code: str, *remedy: str, says: tuple[str, ...] = ()) -> Finding:
    """What no CA could pass."""
    return Finding(code, "error", remedy, says)


def warning(code: str, *remedy: str, says: tuple[str, ...] = ()) -> Finding:
    """What stands in the way as seen from here."""
    return Finding(code, "warning", remedy, says)


def info(code: str, *remedy: str, says: tuple[str, ...] = ()) -> Finding:
    """What cannot be known from here, or is only good to know."""
    return Finding(code, "info", remedy, says)


def refused(kind: str, *remedy: str, says: tuple[str, ...] = ()) -> Finding:
    """What becomes of the CA's refusal, with what the challenge port and the preflight have seen.

    One that has come to nothing but the bare words of the CA is none: it must say something of
    this gateway's own, or of what arrived.
    """
    return Finding(f"acme-{kind}", "error", remedy, says)


@dataclasses.dataclass(frozen=True)
class Row:
    """One state of the world. All that is not said is well.

    ``validates`` is what the CA must say; None where that depends on which of several addresses it
    takes. ``explains`` is what the product makes of each refusal. ``finds`` are all warnings and
    errors of the preflight, in any order, and the informations that matter. ``blocks`` is why an
    error is right although Pebble validates. ``establishes`` and ``leaves_open`` are facts that
    the preflight must, and must not, say to be established.
    """

    fault: str
    validates: bool | None
    finds: tuple[Finding, ...] = ()
    explains: tuple[Finding, ...] = ()
    site: Site = Site.LAN
    names: tuple[str, ...] = (NAME,)
    public: Zone | None = None
    second: Zone | None = None
    local: Zone | None = None
    router: Router = _ROUTER
    firewall: Firewall = _FIREWALL
    during: During = _nothing
    dns_servers: tuple[str, ...] = ()
    blocks: Stricter | None = None
    establishes: tuple[str, ...] = ()
    leaves_open: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.fault


def at(*addresses: str, **records: list[str]) -> Zone:
    """A zone with the gateway's name at these addresses."""
    four = [address for address in addresses if ":" not in address]
    six = [address for address in addresses if ":" in address]
    found = {"A": four, "AAAA": six} | records
    return Zone({NAME: {kind: values for kind, values in found.items() if values}})


def suffering(fault: str, kind: str = "*", *, address: str = network.ROUTER) -> Zone:
    """A zone in which questions for the gateway's name go wrong."""
    return Zone({NAME: {"A": [address]}}, {NAME: {kind: fault}})


def with_caa(*records: str, at_name: str = NAME, address: str = network.ROUTER) -> Zone:
    """A zone with CAA records."""
    zone = Zone({NAME: {"A": [address]}, DOMAIN: {"NS": ["ns.kontor-berg.de."]}})
    zone.records[at_name] = zone.records[at_name] | {"CAA": list(records)}
    return zone
