"""What can be wrong with this machine itself, and on its way to the CA."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.lab import authority, web_servers
from tests.lab.network import DROP, GATEWAY, GATEWAY_6, NAS, RESET, ROUTER, ROUTER_LAN, Router
from tests.lab.rows import (
    NOTHING_CAME,
    OPEN_PORT,
    REFUSED_BEFORE,
    Finding,
    Row,
    Stricter,
    at,
    error,
    info,
    refused,
    warning,
)
from tests.lab.stage import Lab
from tests.lab.strangers import PORTS, Stranger
from tests.parts.processes import find_program
from tests.parts.zones import Fault, Zone


@contextlib.contextmanager
def _silent_for_long(lab: Lab) -> Iterator[None]:
    with lab.gateway.without_responder():
        lab.gateway.remote.call("forget_listener")
        yield


@contextlib.contextmanager
def _other_program_on(lab: Lab, port: int) -> Iterator[None]:
    """While nginx of this machine has the port."""
    machine = lab.gateway
    config = lab.directory / "taken.conf"
    config.write_text(
        "daemon off; master_process off; pid /dev/null; error_log stderr; events {}\n"
        f"http {{ access_log off; server {{ listen {port}; root /nonexistent; }} }}"
    )
    nginx = machine.where.start(
        "nginx", [find_program("nginx", package="nginx-light"), "-c", config]
    )
    nginx.wait_until(lambda: machine.is_listening(port), "nginx has the port")
    try:
        yield
    finally:
        nginx.kill()


@contextlib.contextmanager
def _port_taken(lab: Lab) -> Iterator[None]:
    machine = lab.gateway
    machine.responder.kill()
    with _other_program_on(lab, 8080):
        machine.start_responder()
        machine.wait_for_port(None)
        yield
    machine.wait_for_port(8080)


@contextlib.contextmanager
def _next_port_taken(lab: Lab) -> Iterator[None]:
    with _other_program_on(lab, 8090), lab.gateway.with_refused_port("lan", 8090):
        yield


# Not the loopback interface: what this machine asks itself gets through.
_OWN_FIREWALL = """
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        iifname "eth0" tcp dport 8080 drop
    }
}
"""
# Also for what the machine asks itself, other than by the loopback address.
_SHUT = """
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        ip daddr 192.168.178.10 tcp dport 8080 reject with tcp reset
    }
}
"""
OWN = (
    Row(
        "the challenge service has just died",
        validates=False,
        explains=(refused("connection-refused", says=("port 8080 does not answer",)),),
        during=lambda lab: lab.gateway.without_responder(),
        finds=(error("challenge-port-closed", "another challenge port", says=("8080",)),),
        leaves_open=("port-served", "port-public"),
    ),
    Row(
        "the challenge service does not run",
        validates=False,
        explains=(
            refused(
                "connection-refused", "scripts/run", says=("The challenge service does not run",)
            ),
        ),
        during=_silent_for_long,
        finds=(error("challenge-listener-down", "scripts/run"),),
        leaves_open=("port-served", "port-public"),
    ),
    Row(
        "the challenge service hangs",
        validates=False,
        explains=(refused("connection-reset", says=("port 8080 does not answer",)),),
        during=lambda lab: lab.gateway.with_hanging_responder(),
        finds=(error("challenge-port-closed", "another challenge port", says=("8080",)),),
        leaves_open=("port-served", "port-public"),
    ),
    Row(
        "another program has the challenge port",
        validates=False,
        explains=(refused("http-not-found", "ss -ltnp", says=("nginx",)),),
        during=_port_taken,
        finds=(error("challenge-port-answers-otherwise", "ss -ltnp", ":8080", says=("nginx",)),),
        leaves_open=("port-served", "port-public"),
    ),
    Row(
        "the challenge service listens on the loopback address alone",
        validates=False,
        explains=(
            refused(
                "connection-refused",
                "GATEWAY_ADMIN_CHALLENGE_HOST",
                GATEWAY,
                says=(REFUSED_BEFORE, "127.0.0.1"),
            ),
        ),
        during=lambda lab: lab.gateway.with_responder_on("127.0.0.1"),
        finds=(
            # A web server of this machine may pass the requests on.
            warning("challenge-port-loopback-only", "GATEWAY_ADMIN_CHALLENGE_HOST", GATEWAY),
            info("public-port-refuses", *OPEN_PORT),
        ),
        leaves_open=("port-on-lan", "port-public"),
    ),
    Row(
        "this machine's own firewall drops what comes from outside",
        validates=False,
        explains=(
            refused("connection-timeout", *OPEN_PORT, "ufw allow 8080", says=(NOTHING_CAME,)),
        ),
        during=lambda lab: lab.gateway.with_rules(_OWN_FIREWALL),
        finds=(info("public-port-unknown", "own firewall", "TCP port 8080", says=("unknown",)),),
        leaves_open=("port-public",),
    ),
    Row(
        "this machine's own firewall refuses whatever comes to its address",
        validates=False,
        explains=(
            refused(
                "connection-refused", "own firewall", "nft list", says=(REFUSED_BEFORE, GATEWAY)
            ),
        ),
        during=lambda lab: lab.gateway.with_rules(_SHUT),
        finds=(
            warning("challenge-port-not-on-lan", "own firewall", "nft list", says=(GATEWAY,)),
            info("public-port-refuses", *OPEN_PORT),
        ),
        leaves_open=("port-public",),
    ),
    Row(
        "the challenge port is to be one that another program has",
        # The old one is served until then, and the router still leads there.
        validates=True,
        during=_next_port_taken,
        finds=(
            warning(
                "challenge-port-not-followed", "another challenge port", says=("8090", "nginx")
            ),
        ),
    ),
    Row(
        "this machine has lost its addresses",
        validates=False,
        explains=(refused("connection-timeout", says=(NOTHING_CAME,)),),
        during=lambda lab: lab.gateway.with_network(
            f"ip address del {GATEWAY}/24 dev eth0; ip -6 address del {GATEWAY_6}/64 dev eth0",
            f"ip address add {GATEWAY}/24 dev eth0; ip -6 address add {GATEWAY_6}/64 dev eth0\n"
            f"ip route replace default via {ROUTER_LAN}; "
            "ip -6 route replace default via 2a01:4f8:41::1",
        ),
        finds=(
            warning("machine-no-address", "static address", "ip address"),
            warning("dns-timeout", "port 53"),
            warning("directory-name-unanswered", "resolvectl"),
        ),
        leaves_open=("dns-public", "ca-reachable", "port-public"),
    ),
)


def _intercepted(port: int) -> Router:
    """Something between us and the CA answers in its place."""
    return Router(
        translating=f'iifname "lan0" ip daddr {authority.ADDRESS} tcp dport 443 '
        f"dnat ip to {NAS}:{port}"
    )


def _cut_off(
    fault: str,
    router: Router,
    finding: Finding,
    *,
    local: Zone | None = None,
    proxy: str = "",
) -> Row:
    return Row(
        fault,
        validates=True,
        router=router,
        local=local,
        during=lambda lab: lab.gateway.with_proxy(proxy),
        finds=(finding,),
        blocks=Stricter.NO_WAY,
        leaves_open=("ca-reachable",),
    )


CA = (
    _cut_off(
        "the router lets no HTTPS out, and is silent",
        Router(outgoing=f"tcp dport 443 {DROP}"),
        warning("directory-silent", authority.NAME, "HTTPS"),
    ),
    _cut_off(
        "the router lets no HTTPS out, and refuses",
        Router(outgoing=f"tcp dport 443 {RESET}"),
        error("directory-refused", authority.NAME, "HTTPS"),
    ),
    _cut_off(
        "a firewall inspects HTTPS",
        _intercepted(web_servers.HTTPS_UNTRUSTED),
        error("directory-not-trusted", "inspects", authority.NAME),
    ),
    _cut_off(
        "something that speaks no TLS answers in place of the CA",
        _intercepted(web_servers.WELCOME_PAGE),
        error("directory-tls-failed", authority.NAME),
    ),
    _cut_off(
        "the CA is down for maintenance",
        _intercepted(web_servers.HTTPS_ERROR),
        warning("directory-status", "Try again later"),
    ),
    _cut_off(
        "something that is not the CA answers in its place",
        _intercepted(web_servers.HTTPS_OTHER),
        error("directory-not-a-directory", authority.DIRECTORY_URL),
    ),
    _cut_off(
        "the CA's address redirects to a captive portal",
        _intercepted(web_servers.HTTPS_REDIRECT),
        warning("directory-status", authority.DIRECTORY_URL),
    ),
    _cut_off(
        "this machine's own resolver does not know the CA",
        Router(),
        error("directory-name-unknown", "resolvectl", authority.NAME),
        local=Zone(at(ROUTER).records, {authority.NAME: {"*": Fault.NXDOMAIN}}),
    ),
    _cut_off(
        "the CA's certificate is out of date",
        _intercepted(web_servers.HTTPS_EXPIRED),
        error("directory-certificate-time", "timedatectl", says=(authority.NAME, "valid from")),
    ),
    _cut_off(
        "the proxy that is configured refuses",
        Router(),
        error("directory-proxy-refuses", authority.NAME, "HTTPS_PROXY", says=("403",)),
        proxy=f"http://{NAS}:{PORTS[Stranger.BLOCKED]}",
    ),
    _cut_off(
        "the proxy that is configured is not there",
        Router(),
        error("directory-proxy-unreachable", "HTTPS_PROXY", says=(f"{NAS}:3128",)),
        proxy=f"http://{NAS}:3128",
    ),
    Row(
        "the clock differs from the CA's",
        validates=True,
        router=_intercepted(web_servers.HTTPS_OTHER_TIME),
        finds=(warning("clock-differs", "timedatectl"),),
        leaves_open=("clock-right",),
    ),
    Row(
        "this machine has no way to the internet",
        validates=False,
        explains=(refused("connection-timeout", says=(NOTHING_CAME,)),),
        during=lambda lab: lab.gateway.with_network(
            "ip route del default", f"ip route add default via {ROUTER_LAN}"
        ),
        finds=(warning("dns-timeout", "port 53"), error("directory-no-route", "default route")),
        leaves_open=("dns-public", "ca-reachable", "port-public"),
    ),
)
ROWS = OWN + CA
