"""What can be wrong where the gateway has public addresses of its own, or is thought to have."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.lab.network import (
    DROP,
    GATEWAY,
    GATEWAY_6,
    NEIGHBOUR,
    NEIGHBOUR_6,
    ONE_AN_HOUR,
    REJECT,
    ROUTER,
    SERVER,
    SERVER_6,
    Firewall,
    Router,
)
from tests.lab.rows import (
    ANOTHER_DEVICE,
    NAME,
    NOTHING_CAME,
    REFUSED_BEFORE,
    SOME_PLACES,
    Row,
    Site,
    at,
    info,
    refused,
    warning,
)
from tests.lab.stage import Lab
from tests.lab.strangers import Stranger
from tests.lab.web_servers import address_of

# Challenge port 8080, and this machine's own rules that lead port 80 there.
_REDIRECTED = """
table inet nat {
    chain prerouting {
        type nat hook prerouting priority dstnat;
        tcp dport 80 redirect to :8080
    }
    chain output {
        type nat hook output priority -100;
        fib daddr type local tcp dport 80 redirect to :8080
    }
}
"""


@contextlib.contextmanager
def _redirected(lab: Lab) -> Iterator[None]:
    with lab.server.with_settings("external", 8080), lab.server.with_rules(_REDIRECTED):
        yield


@contextlib.contextmanager
def _private_alone(lab: Lab) -> Iterator[None]:
    """The external scenario and port 80 on a machine that has a private IPv4 address only."""
    change = f"ip -6 address del {GATEWAY_6}/64 dev eth0"
    back = (
        f"ip -6 address add {GATEWAY_6}/64 dev eth0\nip -6 route replace default via 2a01:4f8:41::1"
    )
    with (
        lab.gateway.with_network(change, back),
        lab.gateway.with_settings("external", 80),
    ):
        yield


_ESTABLISHED = (
    *("names-usable", "clock-right", "machine-address", "port-served"),
    *("dns-public", "caa-allows", "ca-reachable"),
)
# What a firewall in front does can never be seen from behind it.
_UNSEEN = ("port-public",)
_ALLOW = f"In the firewall, allow TCP port 80 of this machine ({SERVER}) for all source addresses"

WELL = (
    Row(
        "nothing, with a public IPv4 address",
        validates=True,
        site=Site.EXTERNAL,
        establishes=_ESTABLISHED,
        leaves_open=_UNSEEN,
    ),
    Row(
        "nothing, with public addresses of both families",
        validates=True,
        site=Site.EXTERNAL,
        public=at(SERVER, SERVER_6),
        establishes=_ESTABLISHED,
        leaves_open=_UNSEEN,
    ),
)
FIREWALLS = (
    Row(
        "the firewall in front drops port 80",
        validates=False,
        explains=(refused("connection-timeout", _ALLOW, "hosting provider", says=(NOTHING_CAME,)),),
        site=Site.EXTERNAL,
        firewall=Firewall(four=DROP),
        leaves_open=_UNSEEN,
    ),
    Row(
        "the firewall in front refuses port 80",
        validates=False,
        explains=(refused("connection-refused", _ALLOW, says=(REFUSED_BEFORE,)),),
        site=Site.EXTERNAL,
        firewall=Firewall(four=REJECT),
        leaves_open=_UNSEEN,
    ),
    Row(
        "the firewall in front drops IPv6",
        validates=False,
        explains=(
            refused(
                "connection-timeout",
                "remove the AAAA record",
                "for IPv6",
                says=(NOTHING_CAME, f"{NAME} ({SERVER_6})", "used the IPv6 address"),
            ),
        ),
        site=Site.EXTERNAL,
        public=at(SERVER, SERVER_6),
        firewall=Firewall(six=DROP),
        leaves_open=_UNSEEN,
    ),
    Row(
        "the firewall in front lets the first connection in, and blocks whoever comes again",
        validates=False,
        explains=(
            refused(
                "connection-timeout",
                "every firewall",
                "repeated connections",
                says=("got the right answer", SOME_PLACES),
            ),
        ),
        site=Site.EXTERNAL,
        firewall=Firewall(four=ONE_AN_HOUR),
        leaves_open=_UNSEEN,
    ),
)
RECORDS = (
    Row(
        "the name leads to a neighbour that is not there",
        validates=False,
        explains=(
            refused(
                "connection-timeout",
                "A or CNAME record",
                says=(NOTHING_CAME, f"{NAME} ({NEIGHBOUR})"),
            ),
        ),
        site=Site.EXTERNAL,
        public=at(NEIGHBOUR),
        finds=(
            warning("address-not-here", "type A", f"value {SERVER}", says=(NEIGHBOUR,)),
            warning("public-port-closed", "firewall", "TCP port 80", says=(NEIGHBOUR,)),
        ),
        leaves_open=_UNSEEN,
    ),
    Row(
        "the name leads to a server of somebody else's",
        validates=False,
        explains=(
            refused(
                "http-not-found",
                "A or CNAME record",
                says=(ANOTHER_DEVICE, address_of(Stranger.NOT_FOUND)),
            ),
        ),
        site=Site.EXTERNAL,
        public=at(address_of(Stranger.NOT_FOUND)),
        finds=(
            warning("address-not-here", "type A", f"value {SERVER}"),
            warning(
                "public-port-not-found",
                "TCP port 80",
                SERVER,
                says=(address_of(Stranger.NOT_FOUND),),
            ),
        ),
        leaves_open=_UNSEEN,
    ),
    Row(
        "AAAA leads to a neighbour that is not there",
        validates=False,
        explains=(
            refused("connection-timeout", "AAAA", says=(NOTHING_CAME, NEIGHBOUR_6, "IPv6 first")),
        ),
        site=Site.EXTERNAL,
        public=at(SERVER, NEIGHBOUR_6),
        finds=(
            warning("address-not-here", "delete", "AAAA", NEIGHBOUR_6),
            warning("ipv6-not-reaching", "AAAA", says=(NEIGHBOUR_6, "IPv6 first")),
        ),
        leaves_open=_UNSEEN,
    ),
    Row(
        "AAAA leads to a server of somebody else's",
        validates=False,
        explains=(
            refused(
                "wrong-content",
                "remove the AAAA record",
                says=(ANOTHER_DEVICE, address_of(Stranger.PARKING_PAGE, six=True)),
            ),
        ),
        site=Site.EXTERNAL,
        public=at(SERVER, address_of(Stranger.PARKING_PAGE, six=True)),
        finds=(
            warning("address-not-here", "AAAA", address_of(Stranger.PARKING_PAGE, six=True)),
            warning("public-port-answers-otherwise", "AAAA"),
        ),
        leaves_open=_UNSEEN,
    ),
)
PORTS = (
    Row(
        "AAAA leads here, and the challenge service listens on IPv4 alone",
        validates=False,
        explains=(
            refused(
                "connection-refused",
                "GATEWAY_ADMIN_CHALLENGE_HOST",
                "[::]",
                says=(REFUSED_BEFORE, SERVER_6),
            ),
        ),
        site=Site.EXTERNAL,
        public=at(SERVER, SERVER_6),
        during=lambda lab: lab.server.with_responder_on("0.0.0.0"),
        finds=(
            warning(
                "ipv6-not-served", "GATEWAY_ADMIN_CHALLENGE_HOST", "[::]", "AAAA", says=(SERVER_6,)
            ),
        ),
    ),
    Row(
        "the challenge port is 8080, and nothing leads there",
        validates=False,
        explains=(
            refused(
                "connection-refused",
                "challenge port to 80",
                SERVER,
                says=(REFUSED_BEFORE, "challenge port is 8080"),
            ),
        ),
        site=Site.EXTERNAL,
        during=lambda lab: lab.server.with_settings("external", 8080),
        finds=(warning("challenge-port-not-public", "challenge port to 80", SERVER),),
        leaves_open=_UNSEEN,
    ),
    Row(
        "the challenge port is 8080, and a rule of this machine leads there",
        validates=True,
        site=Site.EXTERNAL,
        during=_redirected,
        establishes=("port-served",),
        leaves_open=_UNSEEN,
    ),
)
SCENARIOS = (
    Row(
        "the scenario says router, and the address is this machine's",
        validates=True,
        site=Site.EXTERNAL,
        during=lambda lab: lab.server.with_settings("lan", 80),
        finds=(info("scenario-no-router", "external network", says=(SERVER,)),),
        leaves_open=_UNSEEN,
    ),
    Row(
        "the scenario says router, the address is this machine's, and the port is 8080",
        validates=False,
        explains=(
            refused("connection-refused", "external network", "80", says=(REFUSED_BEFORE, SERVER)),
        ),
        site=Site.EXTERNAL,
        during=lambda lab: lab.server.with_settings("lan", 8080),
        finds=(
            warning("scenario-no-router", "external network", "80", says=(SERVER,)),
            info("public-port-refuses", "TCP port 80", SERVER),
        ),
        leaves_open=_UNSEEN,
    ),
    Row(
        "the scenario says public address, and this machine stands behind a router",
        validates=False,
        explains=(refused("connection-timeout", "TCP port 80", says=(NOTHING_CAME, ROUTER)),),
        router=Router(forward=""),
        during=_private_alone,
        finds=(
            info("scenario-only-private", "local area network", GATEWAY, says=(GATEWAY,)),
            info("address-not-here", "cloud", says=(ROUTER,)),
            warning("public-port-refuses", "TCP port 80", GATEWAY, says=(ROUTER,)),
        ),
        leaves_open=_UNSEEN,
    ),
    Row(
        "nothing: a cloud provider translates one to one",
        validates=True,
        router=Router(forward=f"{GATEWAY}:80"),
        during=_private_alone,
        finds=(
            info("scenario-only-private", "cloud", "everything is in order"),
            info("address-not-here", "cloud", "everything is in order"),
        ),
    ),
)
ROWS = WELL + FIREWALLS + RECORDS + PORTS + SCENARIOS
