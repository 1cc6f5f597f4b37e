"""Where everything stands in the lab, and the rules of its router and its firewall."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Self

from tests.lab.authority import ADDRESS as CA
from tests.lab.namespaces import FORWARDS, Namespace, cable

# The first is also the CA's own.
RESOLVER = "9.9.9.9"
SECOND_RESOLVER = "8.8.8.8"
# Every address of these networks is a host of the internet that serves one of the strangers.
STRANGERS = "5.9.20."
STRANGERS_6 = "2a01:4f8:20::"

ROUTER = "5.9.40.2"
ROUTER_LAN = "192.168.178.1"
LAN = "192.168.178.0/24"
GATEWAY = "192.168.178.10"
GATEWAY_6 = "2a01:4f8:41::10"
NAS = "192.168.178.20"
NOBODY = "192.168.178.77"

SERVER = "5.9.80.10"
SERVER_6 = "2a01:4f8:80::10"
NEIGHBOUR = "5.9.80.77"
NEIGHBOUR_6 = "2a01:4f8:80::77"

# A CA that meets silence gives up after two or three seconds instead of its fifteen.
_IMPATIENT = """
echo 1 > /proc/sys/net/ipv4/tcp_syn_retries
if [ -e /proc/sys/net/ipv4/tcp_rto_max_ms ]; then
    echo 1000 > /proc/sys/net/ipv4/tcp_rto_max_ms
fi
"""
_INTERNET = f"""
{_IMPATIENT}
ip address add {RESOLVER}/32 dev lo
ip address add {SECOND_RESOLVER}/32 dev lo
ip address add {CA}/32 dev lo
ip route add local {STRANGERS}0/24 dev lo
ip -6 route add local {STRANGERS_6}/64 dev lo
ip address add 5.9.40.1/24 dev home
ip address add 2a01:4f8:40::1/64 dev home
ip address add 5.9.60.1/24 dev centre
ip address add 2a01:4f8:60::1/64 dev centre
ip link set home up
ip link set centre up
ip route add 5.9.80.0/24 via 5.9.60.2
ip -6 route add 2a01:4f8:80::/64 via 2a01:4f8:60::2
ip -6 route add 2a01:4f8:41::/64 via 2a01:4f8:40::2
"""
# A bridge is no router: what it passes on must not be translated on the way, where the kernel can.
_BRIDGES_ONLY = """
for each in /proc/sys/net/bridge/bridge-nf-call-*; do
    if [ -e $each ]; then echo 0 > $each; fi
done
"""
_ROUTER = f"""
{FORWARDS}
{_BRIDGES_ONLY}
ip link add lan0 type bridge
ip link set gateway0 master lan0
ip link set nas0 master lan0
ip address add {ROUTER}/24 dev wan0
ip address add 2a01:4f8:40::2/64 dev wan0
ip address add {ROUTER_LAN}/24 dev lan0
ip address add 2a01:4f8:41::1/64 dev lan0
for each in wan0 lan0 gateway0 nas0; do ip link set $each up; done
ip route add default via 5.9.40.1
ip -6 route add default via 2a01:4f8:40::1
"""
_GATEWAY = f"""
ip address add {GATEWAY}/24 dev eth0
ip address add {GATEWAY_6}/64 dev eth0
ip link set eth0 up
ip route add default via {ROUTER_LAN}
ip -6 route add default via 2a01:4f8:41::1
"""
_NAS = f"""
ip address add {NAS}/24 dev eth0
ip link set eth0 up
ip route add default via {ROUTER_LAN}
"""
_FIREWALL = f"""
{FORWARDS}
ip address add 5.9.60.2/24 dev wan0
ip address add 2a01:4f8:60::2/64 dev wan0
ip address add 5.9.80.1/24 dev dmz0
ip address add 2a01:4f8:80::1/64 dev dmz0
ip link set wan0 up
ip link set dmz0 up
ip route add default via 5.9.60.1
ip -6 route add default via 2a01:4f8:60::1
"""
_SERVER = f"""
ip address add {SERVER}/24 dev eth0
ip address add {SERVER_6}/64 dev eth0
ip link set eth0 up
ip route add default via 5.9.80.1
ip -6 route add default via 2a01:4f8:80::1
"""

DROP = "drop"
REJECT = "reject"
RESET = "reject with tcp reset"
ACCEPT = "accept"
# As what counts connections does; the next ones are dropped.
ONE_AN_HOUR = "limit rate 1/hour burst 1 packets accept"


@dataclasses.dataclass(frozen=True)
class Router:
    """A router with NAT, as its owner has set it up.

    ``forward`` is where port 80 of its public address leads, "" for nowhere; ``hairpin`` whether
    that holds for the LAN too; ``own`` what it does itself with port 80 of its public address
    when a machine of the LAN asks and nothing is translated; ``arriving`` what its firewall does
    with what it has translated; ``six`` with IPv6 to the LAN. ``outgoing`` are rules for what
    leaves the LAN, ``translating`` rules that come before all other translation.
    """

    forward: str = f"{GATEWAY}:8080"
    hairpin: bool = True
    own: str = RESET
    arriving: str = ACCEPT
    six: str = ACCEPT
    outgoing: str = ""
    translating: str = ""

    def ruleset(self) -> str:
        """For nft."""
        port = f"ip daddr {ROUTER} tcp dport 80"
        forward = f'iifname "wan0" {port} dnat ip to {self.forward}' if self.forward else ""
        hairpin = f'iifname "lan0" {port} dnat ip to {self.forward}' if self.forward else ""
        return f"""
            table inet nat {{
                chain prerouting {{
                    type nat hook prerouting priority dstnat;
                    {self.translating}
                    {forward}
                    {hairpin if self.hairpin else ""}
                }}
                chain postrouting {{
                    type nat hook postrouting priority srcnat;
                    oifname "wan0" ip saddr {LAN} masquerade
                    oifname "lan0" ip saddr {LAN} masquerade
                }}
            }}
            table inet filter {{
                chain forward {{
                    type filter hook forward priority filter; policy drop;
                    ct state established,related accept
                    {self.outgoing}
                    iifname "lan0" accept
                    meta l4proto ipv6-icmp accept
                    ct status dnat {self.arriving}
                    meta nfproto ipv6 tcp dport 80 {self.six}
                }}
                chain input {{
                    type filter hook input priority filter; policy accept;
                    iifname "wan0" tcp dport 80 drop
                    iifname "lan0" {port} {self.own}
                }}
            }}
        """


@dataclasses.dataclass(frozen=True)
class Firewall:
    """A firewall in front of a machine with public addresses; ``translating`` as with a router."""

    four: str = ACCEPT
    six: str = ACCEPT
    outgoing: str = ""
    translating: str = ""

    def ruleset(self) -> str:
        """For nft."""
        return f"""
            table inet nat {{
                chain prerouting {{
                    type nat hook prerouting priority dstnat;
                    {self.translating}
                }}
            }}
            table inet filter {{
                chain forward {{
                    type filter hook forward priority filter; policy drop;
                    ct state established,related accept
                    {self.outgoing}
                    iifname "dmz0" accept
                    meta l4proto {{ icmp, ipv6-icmp }} accept
                    meta nfproto ipv4 {self.four}
                    meta nfproto ipv6 {self.six}
                }}
            }}
        """


@dataclasses.dataclass(frozen=True)
class Network:
    """The machines, with cables, addresses and routes."""

    internet: Namespace
    router: Namespace
    nas: Namespace
    gateway: Namespace
    firewall: Namespace
    server: Namespace

    @classmethod
    def make(cls, logs: Path) -> Self:
        """Make all of them; ``close`` what was made."""
        made = cls(*(Namespace(field.name, logs) for field in dataclasses.fields(cls)))
        try:
            made._connect()
        except BaseException:
            made.close()
            raise
        return made

    @property
    def machines(self) -> tuple[Namespace, ...]:
        """All of them."""
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    def close(self) -> None:
        """Everything in them ends, and so do they."""
        for machine in self.machines:
            machine.close()

    def _connect(self) -> None:
        for machine in self.machines:
            machine.wait()
        cable(self.internet, "home", self.router, "wan0")
        cable(self.router, "gateway0", self.gateway, "eth0")
        cable(self.router, "nas0", self.nas, "eth0")
        cable(self.internet, "centre", self.firewall, "wan0")
        cable(self.firewall, "dmz0", self.server, "eth0")
        scripts = (_INTERNET, _ROUTER, _NAS, _GATEWAY, _FIREWALL, _SERVER)
        for machine, script in zip(self.machines, scripts, strict=True):
            machine.run(script)
