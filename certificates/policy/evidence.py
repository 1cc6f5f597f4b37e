"""What the challenge port has seen of a CA's visits, and what that says."""

from __future__ import annotations

import dataclasses
import datetime
import ipaddress
from collections.abc import Iterable

# Let's Encrypt validates from a primary and at least two remote perspectives (va/va.go), each in
# a network of its own.
FEWEST_PERSPECTIVES = 3
_IPV4_NETWORK, _IPV6_NETWORK = 24, 48
# Where no CA comes from: RFC 1918, RFC 6598, RFC 4193, loopback and link-local.
_INSIDE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclasses.dataclass(frozen=True, slots=True)
class Visit:
    """One request that came to the challenge port; the texts are a stranger's.

    ``is_known`` says whether the token was published at that moment; None when the database could
    not be asked. ``was_sent`` is false where the sender had gone before the answer.
    """

    at: datetime.datetime
    address: str
    is_known: bool | None
    user_agent: str = ""
    host: str = ""
    was_sent: bool = True

    @property
    def family(self) -> str:
        """IPv4 or IPv6, as it came from the peer; empty where the address is none."""
        address = parsed(self.address)
        return f"IPv{address.version}" if address else ""

    @property
    def is_answered(self) -> bool:
        """Whether the key authorization was sent."""
        return self.is_known is True and self.was_sent

    @property
    def is_put_off(self) -> bool:
        """Whether it had to be put off, because the database was away."""
        return self.is_known is None and self.was_sent


@dataclasses.dataclass(frozen=True, slots=True)
class Evidence:
    """Requests for an order's tokens, and those for tokens of nobody in the same time.

    ``was_watched`` says that a challenge process ran all the while, so that none means none.
    ``own_addresses`` are this machine's, as the visits have them: what comes from there says
    nothing about the outside. ``is_open`` says that the CA may still come.
    """

    known: tuple[Visit, ...]
    unknown: tuple[Visit, ...]
    was_watched: bool
    own_addresses: frozenset[str] = frozenset()
    is_open: bool = False

    @property
    def arrived(self) -> tuple[Visit, ...]:
        """The visits from outside for the order's tokens."""
        return self._from_outside(self.known)

    @property
    def answered(self) -> tuple[Visit, ...]:
        """Those of them that got the key authorization."""
        return tuple(visit for visit in self.arrived if visit.is_answered)

    @property
    def put_off(self) -> tuple[Visit, ...]:
        """Those that were told to come again, because the database was away."""
        return tuple(visit for visit in self.arrived if visit.is_put_off)

    @property
    def hung_up(self) -> tuple[Visit, ...]:
        """Those whose sender had gone before the answer."""
        return tuple(visit for visit in self.arrived if not visit.was_sent)

    @property
    def own(self) -> tuple[Visit, ...]:
        """The visits for the order's tokens that came from this machine: by a person who looks
        whether it answers, or by a proxy here behind which the senders are hidden.
        """
        return tuple(visit for visit in self.known if self._is_own(visit))

    @property
    def strangers(self) -> tuple[Visit, ...]:
        """The visits from outside for tokens of nobody."""
        return self._from_outside(self.unknown)

    def for_name(self, name: str, names: tuple[str, ...]) -> Evidence | None:
        """The same with the visits for this name's token alone, told by the Host header.

        ``names`` are all names of the order. None where some visits could be for this name or for
        another one, and no visit is certainly for it: then nothing can be said.
        """
        others = {other.lower() for other in names} - {name.lower()}
        if names and not others:
            return self
        mine = [visit for visit in self.known if visit.host.lower() == name.lower()]
        unsaid = [
            visit for visit in self.known if visit.host.lower() not in {name.lower(), *others}
        ]
        if unsaid and not mine:
            return None
        return dataclasses.replace(self, known=tuple(mine))

    def _from_outside(self, visits: tuple[Visit, ...]) -> tuple[Visit, ...]:
        return tuple(visit for visit in visits if not self._is_own(visit))

    def _is_own(self, visit: Visit) -> bool:
        return visit.address in self.own_addresses


def parsed(address: str) -> Address | None:
    """The address, an IPv4 one that came through an IPv6 socket as IPv4. None if it is none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        return found.ipv4_mapped or found
    return found


def networks(visits: Iterable[Visit]) -> int:
    """From how many networks they came: /24 for IPv4, /48 for IPv6."""
    return len({_network(visit.address) for visit in visits})


def _network(text: str) -> object:
    address = parsed(text)
    if address is None:
        return text
    length = _IPV4_NETWORK if address.version == 4 else _IPV6_NETWORK
    return ipaddress.ip_network((address, length), strict=False)


def families(visits: Iterable[Visit]) -> frozenset[int]:
    """The versions of IP by which they came: 4, 6, both or none."""
    addresses = (parsed(visit.address) for visit in visits)
    return frozenset(address.version for address in addresses if address)


def hiding_address(visits: Iterable[Visit]) -> str:
    """The one private address by which all came, so that the senders are hidden; else empty.

    It is that of a router that rewrites senders, or of a proxy in front of the challenge port.
    """
    addresses = {visit.address for visit in visits}
    if len(addresses) != 1:
        return ""
    (address,) = addresses
    return str(parsed(address)) if is_inside(address) else ""


def is_inside(text: str) -> bool:
    """Whether it is an address of a local network, or of a router or proxy in one."""
    address = parsed(text)
    return address is not None and any(address in network for network in _INSIDE)


def sentence(evidence: Evidence) -> str:
    """What came, for people."""
    if evidence.arrived:
        return _sentence_of_arrivals(evidence)
    if not evidence.was_watched:
        return (
            "Whether validation requests arrived is not known: the challenge service did not run "
            "all the time."
        )
    if evidence.own:
        return (
            f"{counted(len(evidence.own), 'request')} came from this machine itself. Whether any "
            "came from outside, by way of a proxy on it, is not known."
        )
    if evidence.strangers:
        return (
            "None arrived for the tokens of this certificate, but "
            f"{came(evidence.strangers, 'request')} for unknown tokens."
        )
    if evidence.is_open:
        return "None has arrived so far."
    return "None arrived: nothing from outside reached this port."


def came(visits: tuple[Visit, ...], what: str) -> str:
    """``4 validation requests from 4 networks arrived``; the networks only if they are known."""
    told = counted(len(visits), what)
    if not hiding_address(visits):
        told += f" from {counted(networks(visits), 'network')}"
    return f"{told} arrived"


def counted(number: int, what: str) -> str:
    """``1 network`` or ``4 networks``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _sentence_of_arrivals(evidence: Evidence) -> str:
    told = came(evidence.arrived, "validation request")
    if not evidence.was_watched:
        told = f"At least {told}"
    return " ".join([f"{told}{_answered(evidence)}.", *_remarks(evidence)])


def _answered(evidence: Evidence) -> str:
    arrived, answered = evidence.arrived, evidence.answered
    if arrived == answered:
        return ", all answered" if len(arrived) > 1 else " and was answered"
    if arrived == evidence.put_off:
        return ", but could not be answered: the database was away"
    if arrived == evidence.hung_up:
        return ", but hung up before the answer"
    put_off, hung_up = len(evidence.put_off), len(evidence.hung_up)
    unpublished = len(arrived) - len(answered) - put_off - hung_up
    if len(arrived) == unpublished:
        return " while the token was not published, so that none was answered"
    parts = (
        (len(answered), "answered"),
        (unpublished, "while the token was not published"),
        (put_off, "while the database was away"),
        (hung_up, "hung up before the answer"),
    )
    return "; " + ", ".join(f"{number} {what}" for number, what in parts if number)


def _remarks(evidence: Evidence) -> list[str]:
    remarks = []
    hiding = hiding_address(evidence.arrived)
    if hiding:
        remarks.append(f"All came by {hiding}: a router or proxy hides where they come from.")
    elif networks(evidence.arrived) < FEWEST_PERSPECTIVES:
        remarks.append(f"Let's Encrypt comes from at least {FEWEST_PERSPECTIVES} networks.")
    if not evidence.was_watched:
        remarks.append("The challenge service did not run all the time.")
    return remarks
