"""What the preflight is told: the gateway's names and the network that it stands in."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from challenges.models import NetworkScenario

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What the checks are told: about the gateway, whom they may ask, and the CA.

    ``dns_servers`` are ``host[:port]`` and play the public DNS. ``public_networks`` count as
    public whatever they are; the demonstration's do. ``public_port`` is the port that the CA comes
    to. ``proxies`` are those by which the issuing itself reaches a directory; where none is named,
    it goes straight.
    ``caa_identities`` are the domains by which the CA calls itself in CAA records (RFC 8659),
    ``account_uris`` this console's accounts there (RFC 8657). ``asks_only_lets_encrypt`` is
    said of all that are configured, whichever ``directory_urls`` are asked this time: a CA of
    one's own may reach and certify what Let's Encrypt never will. ``system_resolvers`` stand for
    the resolvers of this machine's own configuration; None takes that.
    """

    hostnames: tuple[str, ...]
    scenario: str
    challenge_port: int
    dns_servers: tuple[str, ...]
    public_networks: tuple[Network, ...]
    directory_urls: tuple[str, ...]
    ca_bundle: Path | None
    now: datetime
    public_port: int = 80
    proxies: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    caa_identities: tuple[str, ...] = ("letsencrypt.org",)
    account_uris: tuple[str, ...] = ()
    asks_only_lets_encrypt: bool = True
    system_resolvers: tuple[str, ...] | None = None

    @property
    def is_behind_router(self) -> bool:
        """Whether the public address is a router's."""
        return self.scenario == NetworkScenario.LAN

    @property
    def plays_the_internet(self) -> bool:
        """Whether networks of one's own stand for the public ones, as in the demonstration.

        Reserved names are the point there, and the machine's own resolvers know none of them.
        """
        return bool(self.public_networks)

    def counts_as_public(self, address: Address) -> bool:
        """Whether ``address`` is in one of the networks that count as public."""
        return any(address in network for network in self.public_networks)
