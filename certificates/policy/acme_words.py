"""What is filled into the sentences about a CA's error: names, addresses and steps.

Whatever comes from the CA is checked for its form first, so that no hostile text gets through.
"""

from __future__ import annotations

import dataclasses

from certificates.policy import refusal, refusal_details
from certificates.policy.acme_document import CaProblem
from certificates.policy.validation_details import Reading

_IN_THE_DETAIL = "Wait until the time that is given in the technical detail, then try again."


@dataclasses.dataclass(frozen=True)
class Values:
    """What the sentences are filled in with: this gateway's own names, port and scenario.

    ``names`` are all names of the gateway; ``machine`` the address of this machine in its own
    network; ``addresses`` those that the names had in the public DNS when the preflight looked.
    All three may be empty, when they are not known. ``keeps_key`` says that the key was, or might
    have been, that of an earlier certificate.
    """

    hostname: str
    challenge_port: int
    behind_nat: bool
    ca_name: str = "Let's Encrypt"
    names: tuple[str, ...] = ()
    machine: str = ""
    addresses: tuple[str, ...] = ()
    keeps_key: bool = False

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
    def other_key(self) -> str:
        """The step that leads to a key which the CA may accept."""
        if self.keeps_key:
            return (
                "In the gateway's settings, switch off “Keep the same private key at renewal”: the "
                "CA may not accept this key any more, because it is held to be known to others or "
                "too weak. The next certificate then has a new key, and TLSA records in the DNS "
                "have to be changed to it."
            )
        return "Choose another key type in the gateway's settings."

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


def words_for(
    problem: CaProblem, subject: CaProblem, reading: Reading, values: Values
) -> dict[str, str]:
    """By the names of their places. ``subject`` is the part that explains ``problem``."""
    name = name_of(subject) or values.hostname
    return {
        "ca": values.ca_name,
        "name": name,
        "place": f"{name} ({reading.address})" if reading.address else name,
        "address": reading.address,
        "addresses": ", ".join(values.addresses),
        "status": str(reading.status),
        "zone": refusal.subject_of(subject) or name,
        "caa_record": f"The CAA record of {reading.caa_at}" if reading.caa_at else "A CAA record",
        "port": str(values.challenge_port),
        "open_port": values.open_port,
        "own_firewall": values.own_firewall,
        "provider": values.provider,
        "all_sources": values.all_sources,
        "other_key": values.other_key,
        "unpause": _unpause_step(subject),
        "wait": _wait_step(problem),
    }


def name_of(problem: CaProblem) -> str:
    """The name that the error is about; empty unless it looks like one, since the CA wrote it."""
    named = (
        problem.identifier,
        *(sub.identifier for sub in problem.subproblems),
        refusal_details.name_in(problem),
        refusal.subject_of(problem),
    )
    return next((name for name in named if refusal.is_hostname(name)), "")


def _unpause_step(problem: CaProblem) -> str:
    """The CA's own page is the only way out, so its address is told as it is, if it is one."""
    link = refusal.link_in(problem)
    if not link:
        return "Follow the CA's instructions in the technical detail."
    return f"Open {link} in a browser, and end the pause there."


def _wait_step(problem: CaProblem) -> str:
    moment = refusal.said_moment(problem)
    return f"Wait until {moment:%Y-%m-%d %H:%M} UTC." if moment else _IN_THE_DETAIL
