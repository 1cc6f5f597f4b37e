"""What can be wrong with this machine itself, and on its way to the CA."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.lab import authority, web_servers
from tests.lab.network import DROP, GATEWAY, NAS, RESET, ROUTER, ROUTER_LAN, Router
from tests.lab.rows import Finding, Row, at, error, info, warning
from tests.lab.stage import Lab
from tests.parts.processes import find_program
from tests.parts.zones import Fault, Zone

NEEDS_THE_CA = "without a way to the CA nothing can be ordered, whatever Pebble sees of us"


@contextlib.contextmanager
def _silent_for_long(lab: Lab) -> Iterator[None]:
    with lab.gateway.without_responder():
        lab.gateway.remote.call("forget_listener")
        yield


@contextlib.contextmanager
def _port_taken(lab: Lab) -> Iterator[None]:
    machine = lab.gateway
    machine.responder.kill()
    config = lab.directory / "taken.conf"
    config.write_text(
        "daemon off; master_process off; pid /dev/null; error_log stderr; events {}\n"
        "http { access_log off; server { listen 8080; root /nonexistent; } }"
    )
    nginx = machine.where.start(
        "nginx", [find_program("nginx", package="nginx-light"), "-c", config]
    )
    nginx.wait_until(lambda: machine.is_listening(8080), "nginx has the port")
    try:
        machine.start_responder()
        machine.wait_for_port(None)
        yield
    finally:
        nginx.kill()
        machine.wait_for_port(8080)


# Not the loopback interface: what this machine asks itself gets through.
_OWN_FIREWALL = """
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        iifname "eth0" tcp dport 8080 drop
    }
}
"""
OWN = (
    Row(
        "the challenge service has just died",
        validates=False,
        during=lambda lab: lab.gateway.without_responder(),
        finds=(error("challenge-port-closed", says=("8080",)),),
        leaves_open=("port-served", "port-public"),
    ),
    Row(
        "the challenge service does not run",
        validates=False,
        during=_silent_for_long,
        finds=(error("challenge-listener-down", "scripts/run"),),
        leaves_open=("port-served", "port-public"),
    ),
    Row(
        "the challenge service hangs",
        validates=False,
        during=lambda lab: lab.gateway.with_hanging_responder(),
        finds=(error("challenge-port-closed", says=("8080",)),),
        leaves_open=("port-served", "port-public"),
    ),
    Row(
        "another program has the challenge port",
        validates=False,
        during=_port_taken,
        finds=(error("challenge-port-answers-otherwise", "ss -ltnp", ":8080", says=("nginx",)),),
        leaves_open=("port-served", "port-public"),
    ),
    Row(
        "the challenge service listens on the loopback address alone",
        validates=False,
        during=lambda lab: lab.gateway.with_responder_on("127.0.0.1"),
        finds=(
            # A web server of this machine may pass the requests on.
            warning("challenge-port-loopback-only", "GATEWAY_ADMIN_CHALLENGE_HOST", GATEWAY),
            info("public-port-refuses"),
        ),
        leaves_open=("port-on-lan", "port-public"),
    ),
    Row(
        "this machine's own firewall drops what comes from outside",
        validates=False,
        during=lambda lab: lab.gateway.with_rules(_OWN_FIREWALL),
        finds=(info("public-port-unknown", "own firewall", "TCP port 8080", says=("unknown",)),),
        leaves_open=("port-public",),
    ),
)


def _intercepted(port: int) -> Router:
    """Something between us and the CA answers in its place."""
    return Router(
        translating=f'iifname "lan0" ip daddr {authority.ADDRESS} tcp dport 443 '
        f"dnat ip to {NAS}:{port}"
    )


def _cut_off(fault: str, router: Router, finding: Finding, *, local: Zone | None = None) -> Row:
    return Row(
        fault,
        validates=True,
        router=router,
        local=local,
        finds=(finding,),
        blocks=NEEDS_THE_CA,
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
        during=lambda lab: lab.gateway.with_network(
            "ip route del default", f"ip route add default via {ROUTER_LAN}"
        ),
        finds=(warning("dns-timeout"), error("directory-no-route", "default route")),
        leaves_open=("dns-public", "ca-reachable", "port-public"),
    ),
)
ROWS = OWN + CA
