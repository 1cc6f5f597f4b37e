"""The network that a gateway stands in, and the steps by which its port 80 is opened there."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What the sentences are filled in with: this gateway's own names, port and scenario.

    ``names`` are all names of the gateway; ``machine`` the address of this machine in its own
    network; ``addresses`` those that the names had in the public DNS when the preflight looked.
    All three may be empty, when they are not known.
    """

    hostname: str
    challenge_port: int
    behind_nat: bool
    ca_name: str = "Let's Encrypt"
    names: tuple[str, ...] = ()
    machine: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def open_port(self) -> str:
        """The step that opens the way to the challenge port."""
        machine = f"this machine ({self.machine})" if self.machine else "this machine"
        if self.behind_nat:
            return (
                f"On the router, forward TCP port 80 of its public address to {machine}, "
                f"port {self.challenge_port}, for all source addresses."
            )
        if self.challenge_port == 80:
            return f"In the firewall, allow TCP port 80 of {machine} for all source addresses."
        return (
            "The CA connects to TCP port 80, but the challenge port is "
            f"{self.challenge_port}: set the challenge port to 80, or forward port 80 to it."
        )

    @property
    def own_firewall(self) -> str:
        """The step that opens the challenge port on this machine itself."""
        return (
            f"If a firewall runs on this machine, open TCP port {self.challenge_port} in it, for "
            f"example with: sudo ufw allow {self.challenge_port}/tcp."
        )

    @property
    def provider(self) -> str:
        """What else there may be on the way, in this scenario."""
        if self.behind_nat:
            return (
                "If the rule is there, ask the internet provider whether this line has a public "
                "IP address of its own, and whether TCP port 80 is blocked."
            )
        return (
            "Look into the hosting provider's own firewall or security group as well, and allow "
            "TCP port 80 there."
        )

    @property
    def all_sources(self) -> str:
        """The step for a way that is open to some of a CA's places only."""
        where = "the router and in every firewall" if self.behind_nat else "every firewall"
        return (
            f"In {where}, check that the rule for TCP port 80 is not limited to certain source "
            "addresses or countries, and that nothing counts or blocks repeated connections: "
            f"{self.ca_name} comes from several places in the world, and from changing addresses."
        )
