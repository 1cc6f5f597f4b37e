"""What can be wrong on the way through a router with NAT, and with what answers instead."""

from __future__ import annotations

from tests.lab import web_servers
from tests.lab.network import (
    DROP,
    GATEWAY,
    GATEWAY_6,
    NAS,
    NOBODY,
    ONE_AN_HOUR,
    REJECT,
    RESET,
    ROUTER,
    SERVER_6,
    Router,
)
from tests.lab.rows import (
    ANOTHER_DEVICE,
    ANOTHER_TOOK,
    NAME,
    NOTHING_CAME,
    OPEN_PORT,
    REFUSED_BEFORE,
    SOME_PLACES,
    Finding,
    Row,
    at,
    info,
    refused,
    warning,
)
from tests.lab.strangers import PORTS, Stranger
from tests.lab.web_servers import address_of, port_of

_RULE = ("On the router, forward TCP port 80", "to port 8080", GATEWAY)
_PASS_ON = ("/.well-known/acme-challenge/", "port 8080", GATEWAY)
_TO_LOGIN = f"ip daddr {ROUTER} tcp dport 80 redirect to :{PORTS[Stranger.LOGIN_PAGE]}"

WELL = (
    Row(
        "nothing, with hairpin NAT",
        validates=True,
        finds=(info("dns-local-public", NAME, GATEWAY, "loopback", says=("router",)),),
        establishes=(
            *("names-usable", "clock-right", "machine-address", "port-served", "port-on-lan"),
            *("dns-public", "caa-allows", "port-public", "ca-reachable"),
        ),
    ),
    Row(
        "nothing, and from the LAN the router refuses",
        validates=True,
        router=Router(hairpin=False, own=RESET),
        finds=(info("public-port-refuses", *_RULE, says=("unknown",)),),
        establishes=("port-served", "port-on-lan", "dns-public", "ca-reachable"),
        leaves_open=("port-public",),
    ),
    Row(
        "nothing, and from the LAN the router is silent",
        validates=True,
        router=Router(hairpin=False, own=DROP),
        finds=(info("public-port-unknown", *_RULE, says=("unknown",)),),
        establishes=("port-served", "port-on-lan", "dns-public", "ca-reachable"),
        leaves_open=("port-public",),
    ),
    Row(
        "nothing, and from the LAN the router shows its login page",
        validates=True,
        router=Router(hairpin=False, translating=f'iifname "lan0" {_TO_LOGIN}'),
        finds=(info("public-port-router-page", *_RULE, "cannot be known from here"),),
        establishes=("port-served", "port-on-lan", "dns-public", "ca-reachable"),
        leaves_open=("port-public",),
    ),
)
FORWARDING = (
    Row(
        "the router forwards nothing, and refuses",
        validates=False,
        explains=(refused("connection-timeout", *OPEN_PORT, says=(NOTHING_CAME,)),),
        router=Router(forward="", own=RESET),
        finds=(info("public-port-refuses", *_RULE, says=("unknown",)),),
        leaves_open=("port-public",),
    ),
    Row(
        "the router forwards nothing, and is silent",
        validates=False,
        explains=(refused("connection-timeout", *OPEN_PORT, says=(NOTHING_CAME,)),),
        router=Router(forward="", own=DROP),
        finds=(info("public-port-unknown", *_RULE, says=("unknown",)),),
        leaves_open=("port-public",),
    ),
    Row(
        "the router's login page is open to the internet",
        validates=False,
        explains=(refused("wrong-content", *OPEN_PORT, says=(ANOTHER_DEVICE,)),),
        router=Router(hairpin=False, forward="", translating=_TO_LOGIN),
        finds=(info("public-port-router-page", *_RULE),),
        leaves_open=("port-public",),
    ),
    Row(
        "the router forwards to another machine with a web server",
        validates=False,
        explains=(refused("http-not-found", *_RULE, says=(ANOTHER_DEVICE, "nginx")),),
        router=Router(forward=f"{NAS}:{web_servers.WELCOME_PAGE}"),
        finds=(warning("public-port-not-found", *_RULE, says=("nginx",)),),
        leaves_open=("port-public",),
    ),
    Row(
        "the router forwards to another machine without one",
        validates=False,
        explains=(refused("connection-refused", *OPEN_PORT, says=(REFUSED_BEFORE,)),),
        router=Router(forward=f"{NAS}:80"),
        finds=(info("public-port-refuses", *_RULE, says=("unknown",)),),
        leaves_open=("port-public",),
    ),
    Row(
        "the router forwards to an address that nobody has",
        validates=False,
        explains=(refused("connection-timeout", *OPEN_PORT, says=(NOTHING_CAME,)),),
        router=Router(forward=f"{NOBODY}:8080"),
        finds=(info("public-port-unknown", *_RULE, says=("unknown",)),),
        leaves_open=("port-public",),
    ),
    Row(
        "the router forwards to another port of this machine",
        validates=False,
        explains=(refused("connection-refused", *OPEN_PORT, says=(REFUSED_BEFORE,)),),
        router=Router(forward=f"{GATEWAY}:80"),
        finds=(info("public-port-refuses", *_RULE, says=("unknown",)),),
        leaves_open=("port-public",),
    ),
    # From inside these two look like a rule that is right: what is established says so.
    Row(
        "the router's rule is for some source addresses, and silent to others",
        validates=False,
        explains=(
            refused(
                "connection-timeout", *OPEN_PORT, "for all source addresses", says=(NOTHING_CAME,)
            ),
        ),
        router=Router(arriving=DROP),
    ),
    Row(
        "the router's rule is for some source addresses, and refuses others",
        validates=False,
        explains=(
            refused(
                "connection-refused", *OPEN_PORT, "for all source addresses", says=(REFUSED_BEFORE,)
            ),
        ),
        router=Router(arriving=REJECT),
    ),
    Row(
        "the router lets the first connection in, and blocks whoever comes again",
        validates=False,
        explains=(
            refused(
                "connection-timeout",
                "repeated connections",
                "router",
                says=("got the right answer", SOME_PLACES),
            ),
        ),
        router=Router(arriving=f'iifname "wan0" {ONE_AN_HOUR}'),
    ),
)


def _behind(stranger: Stranger, finding: Finding, explained: Finding) -> Row:
    """The port forward leads to a server in the LAN that behaves so."""
    return Row(
        f"the router forwards to {stranger.value}",
        validates=False,
        router=Router(forward=port_of(stranger)),
        finds=(finding,),
        explains=(explained,),
        leaves_open=("port-public",),
    )


def _another(kind: str, *remedy: str, says: tuple[str, ...] = ()) -> Finding:
    return refused(kind, *remedy, says=(ANOTHER_DEVICE, *says))


INSTEAD = (
    _behind(
        Stranger.LOGIN_PAGE,
        info("public-port-router-page", *_RULE, says=("Router login",)),
        _another("wrong-content", *OPEN_PORT),
    ),
    _behind(
        Stranger.PARKING_PAGE,
        warning("public-port-answers-otherwise", *_RULE),
        _another("wrong-content", *_RULE, says=("Apache",)),
    ),
    _behind(
        Stranger.NOT_FOUND,
        warning("public-port-not-found", *_RULE, says=("Apache",)),
        _another("http-not-found", *_RULE, says=("Apache",)),
    ),
    _behind(
        Stranger.AUTHENTICATION,
        warning("public-port-asks-password", *_PASS_ON),
        _another("http-forbidden", *_PASS_ON, says=("password",)),
    ),
    _behind(
        Stranger.MAINTENANCE,
        warning("public-port-server-error", *_PASS_ON),
        refused("http-server-error", *_PASS_ON, says=("503",)),
    ),
    _behind(
        Stranger.OTHER_TOKEN,
        warning("public-port-wrong-token", "ACME client", *_PASS_ON),
        _another("wrong-content", "ACME client", *_PASS_ON),
    ),
    _behind(
        Stranger.TO_HTTPS,
        warning("public-port-redirects-to-https", "TCP port 443", *_PASS_ON),
        _another("redirect-broken", "TCP port 443", *_PASS_ON, says=("https://",)),
    ),
    _behind(
        Stranger.TO_ELSEWHERE,
        warning("public-port-redirects", *_PASS_ON, says=("www.elsewhere-kontor.de",)),
        _another("redirect-broken", *_PASS_ON, says=("www.elsewhere-kontor.de",)),
    ),
    _behind(
        Stranger.TO_OTHER_PORT,
        warning("public-port-redirects", *_PASS_ON, says=(":8080",)),
        # Pebble follows to any port; Let's Encrypt would say that it does not.
        refused("connection-refused", *_PASS_ON, says=("redirects to",)),
    ),
    _behind(
        Stranger.TO_ITSELF,
        warning("public-port-redirects", *_PASS_ON),
        _another("too-many-redirects", *_PASS_ON, says=("redirects to",)),
    ),
    _behind(
        Stranger.PORTAL,
        warning("public-port-captive-portal", "sign-in", says=("login.hotel-portal.net",)),
        _another("redirect-broken", "sign-in", says=("login.hotel-portal.net",)),
    ),
    _behind(
        Stranger.SSH,
        warning("public-port-not-http", *_RULE, says=("SSH-2.0",)),
        refused("answer-unreadable", *_RULE, says=(ANOTHER_TOOK, "SSH-2.0")),
    ),
    _behind(
        Stranger.HANGS_UP,
        info("public-port-hangs-up", *_RULE, says=("unknown",)),
        refused("connection-closed", *OPEN_PORT, says=(ANOTHER_TOOK,)),
    ),
    _behind(
        Stranger.SAYS_NOTHING,
        info("public-port-unknown", *_RULE, says=("unknown",)),
        refused("connection-closed", *OPEN_PORT, says=(ANOTHER_TOOK,)),
    ),
    Row(
        "the name leads to a content delivery network",
        validates=False,
        explains=(refused("http-not-found", "Cloudflare", "proxy off", says=(ANOTHER_DEVICE,)),),
        public=at(address_of(Stranger.CDN)),
        finds=(warning("public-port-cdn", "Cloudflare", NAME, "proxy off"),),
        leaves_open=("port-public",),
    ),
    Row(
        "the name leads to a content delivery network that refuses robots",
        validates=False,
        explains=(refused("http-forbidden", "protection", says=(ANOTHER_DEVICE, "Cloudflare")),),
        public=at(address_of(Stranger.BLOCKED)),
        finds=(warning("public-port-blocked", "protection", says=("Cloudflare",)),),
        leaves_open=("port-public",),
    ),
    Row(
        "nothing: a reverse proxy passes the requests on",
        validates=True,
        router=Router(forward=f"{NAS}:{web_servers.PROXY}"),
        establishes=("port-public",),
    ),
    Row(
        "a reverse proxy redirects to HTTPS, which works",
        validates=True,
        router=Router(
            forward=f"{NAS}:{web_servers.PROXY_TO_HTTPS}",
            translating=f"ip daddr {ROUTER} tcp dport 443 dnat ip to {NAS}:443",
        ),
        finds=(warning("public-port-redirects-to-https", "TCP port 443", *_PASS_ON),),
        leaves_open=("port-public",),
    ),
    Row(
        "the router forwards port 80 to a port for HTTPS",
        validates=False,
        explains=(refused("http-status", *_RULE, says=(ANOTHER_DEVICE, "expects HTTPS")),),
        router=Router(forward=f"{NAS}:{web_servers.PROXY_HTTPS}"),
        finds=(warning("public-port-speaks-tls", *_RULE),),
        leaves_open=("port-public",),
    ),
)
_SIX_80 = Router(forward=f"{GATEWAY}:80")
SIX = (
    Row(
        "AAAA leads here, where over IPv6 nothing leads from port 80 to port 8080",
        validates=False,
        explains=(
            refused(
                "connection-refused", "AAAA", "8080", says=(f"{NAME} ({GATEWAY_6})", "IPv6 first")
            ),
        ),
        public=at(ROUTER, GATEWAY_6),
        finds=(warning("ipv6-not-reaching", "AAAA", "8080", GATEWAY_6, says=("IPv6 first",)),),
    ),
    Row(
        "AAAA leads to an address that nobody has",
        validates=False,
        explains=(refused("connection-timeout", "AAAA", says=(NOTHING_CAME, "IPv6 first")),),
        public=at(ROUTER, "2a01:4f8:41::99"),
        finds=(warning("ipv6-not-reaching", "AAAA", says=("2a01:4f8:41::99", "IPv6 first")),),
    ),
    Row(
        "AAAA leads to another server",
        validates=False,
        explains=(
            refused(
                "http-not-found",
                "AAAA",
                says=(ANOTHER_DEVICE, address_of(Stranger.NOT_FOUND, six=True)),
            ),
        ),
        public=at(ROUTER, address_of(Stranger.NOT_FOUND, six=True)),
        finds=(
            warning(
                "public-port-not-found", "AAAA", says=(address_of(Stranger.NOT_FOUND, six=True),)
            ),
        ),
    ),
    Row(
        "nothing, with challenge port 80 and an AAAA record",
        validates=True,
        public=at(ROUTER, GATEWAY_6),
        router=_SIX_80,
        during=lambda lab: lab.gateway.with_settings("lan", 80),
        establishes=("port-served", "dns-public", "port-public"),
    ),
    Row(
        "AAAA leads to another machine, and this one has no way into the IPv6 internet",
        validates=False,
        explains=(refused("http-not-found", "AAAA", says=(ANOTHER_DEVICE,)),),
        public=at(ROUTER, SERVER_6),
        during=lambda lab: lab.gateway.with_network(
            "ip -6 route del default", "ip -6 route add default via 2a01:4f8:41::1"
        ),
        finds=(info("ipv6-unknown", "AAAA", says=(SERVER_6, "unknown")),),
    ),
    Row(
        # What is asked at an address of this machine's own never meets the router.
        "AAAA leads here, and the router lets no IPv6 in",
        validates=False,
        explains=(
            refused(
                "connection-timeout",
                "remove the AAAA record",
                "for IPv6",
                says=(NOTHING_CAME, f"{NAME} ({GATEWAY_6})", "used the IPv6 address"),
            ),
        ),
        public=at(ROUTER, GATEWAY_6),
        router=Router(forward=f"{GATEWAY}:80", six=DROP),
        during=lambda lab: lab.gateway.with_settings("lan", 80),
    ),
)
ROWS = WELL + FORWARDING + INSTEAD + SIX
