"""What can be wrong in the DNS: records, aliases, servers, and the view from inside."""

from __future__ import annotations

import itertools

from tests.lab import network
from tests.lab.network import (
    DROP,
    GATEWAY,
    RESOLVER,
    ROUTER,
    ROUTER_LAN,
    SECOND_RESOLVER,
    Router,
)
from tests.lab.rows import (
    ANOTHER_DEVICE,
    DOMAIN,
    NAME,
    Finding,
    Row,
    Stricter,
    at,
    error,
    info,
    refused,
    suffering,
    warning,
)
from tests.lab.strangers import Stranger
from tests.lab.web_servers import address_of
from tests.parts.zones import Fault, Zone

OTHER = "mail.kontor-berg.de"
# The preflight's finding, in what is said of the CA's refusal.
_FOUND = "The preflight has already found"
_RECORD = (DOMAIN, f"name {NAME}", "type A", "router's public IP address")


def _named(fault: str, name: str, finding: Finding) -> Row:
    """A name that nobody certifies, even where something answers for it."""
    return Row(
        fault,
        validates=True,
        names=(name,),
        public=Zone({name: {"A": [ROUTER]}}),
        finds=(finding,),
        blocks=Stricter.NAMES,
        leaves_open=("names-usable",),
    )


NAMES = (
    _named(
        "the name is in a domain for local networks",
        "mx.kontor.local",
        error("hostname-not-public", "registered", says=("mx.kontor.local", ".local")),
    ),
    _named(
        "the name has an ending that nobody runs",
        "mx.kontor.fritz",
        warning("hostname-unknown-ending", ".fritz", says=("mx.kontor.fritz",)),
    ),
    _named(
        "the name is a whole registry",
        "co.uk",
        error("hostname-public-suffix", "registered to you", says=("co.uk",)),
    ),
)


def _chain(length: int) -> Zone:
    """As many aliases, and at the end of them an address."""
    names = [NAME, *(f"alias-{number}.{DOMAIN}" for number in range(1, length + 1))]
    zone = Zone({name: {"CNAME": [target]} for name, target in itertools.pairwise(names)})
    zone.records[names[-1]] = {"A": [ROUTER]}
    return zone


RECORDS = (
    Row(
        "the name does not exist",
        validates=False,
        explains=(
            refused("dns-no-address", *_RECORD, says=(_FOUND, "does not exist in the public DNS")),
        ),
        public=Zone({DOMAIN: {"A": [ROUTER]}}),
        finds=(error("dns-no-such-name", *_RECORD),),
        leaves_open=("dns-public",),
    ),
    Row(
        "the name has a record, but no address",
        validates=False,
        explains=(refused("dns-no-address", *_RECORD, says=(_FOUND, "neither an A nor an AAAA")),),
        public=at(MX=["10 mx.kontor-berg.de."]),
        finds=(error("dns-no-address", *_RECORD),),
        leaves_open=("dns-public",),
    ),
    Row(
        "the name is an alias of a name that does not exist",
        validates=False,
        explains=(
            refused(
                "dns-no-address",
                "name gone.kontor-berg.de",
                "CNAME",
                says=(_FOUND, "an alias (CNAME)"),
            ),
        ),
        public=at(CNAME=["gone.kontor-berg.de"]),
        finds=(error("dns-alias-target-missing", "name gone.kontor-berg.de", "CNAME"),),
    ),
    Row(
        "aliases lead in a circle",
        validates=False,
        explains=(refused("dns-no-address", "CNAME", says=(_FOUND, "in a circle")),),
        public=Zone({NAME: {"CNAME": [OTHER]}, OTHER: {"CNAME": [NAME]}}),
        finds=(error("dns-alias-loop", "CNAME", says=(f"{NAME} → {OTHER} → {NAME}",)),),
    ),
    Row(
        "more aliases in a row than anybody follows",
        validates=False,
        explains=(
            refused(
                "dns-no-address", f"CNAME record of {NAME}", says=(_FOUND, "more than 10 aliases")
            ),
        ),
        public=_chain(12),
        finds=(error("dns-alias-chain-long", f"CNAME record of {NAME}", "the last name itself"),),
    ),
    Row(
        "the DNS servers of the domain fail",
        validates=False,
        explains=(
            refused("dns-no-address", "name servers", DOMAIN, says=(_FOUND, "fail to answer")),
        ),
        public=suffering(Fault.SERVFAIL),
        finds=(error("dns-server-failure", "name servers", DOMAIN),),
    ),
    Row(
        "the DNSSEC signatures are not valid",
        validates=False,
        explains=(refused("dns-no-address", "DS records", DOMAIN, says=(_FOUND, "DNSSEC")),),
        public=suffering(Fault.BOGUS),
        finds=(error("dns-dnssec-invalid", "DS records", DOMAIN),),
    ),
    Row(
        "questions for AAAA fail",
        # Let's Encrypt, too, goes on with what it has.
        validates=True,
        public=suffering(Fault.SERVFAIL, "AAAA"),
        finds=(warning("dns-partly-broken", DOMAIN, "AAAA"),),
    ),
    Row(
        "of two names one does not exist",
        validates=False,
        explains=(
            refused("dns-no-address", f"name {OTHER}", says=(_FOUND, f"{OTHER} does not exist")),
        ),
        names=(NAME, OTHER),
        public=at(ROUTER),
        finds=(error("dns-no-such-name", f"name {OTHER}"),),
    ),
    Row(
        "the name still leads to the old web host",
        validates=False,
        explains=(
            refused(
                "wrong-content",
                "correct the A record",
                NAME,
                says=(ANOTHER_DEVICE, _FOUND, "Apache"),
            ),
        ),
        public=at(address_of(Stranger.PARKING_PAGE)),
        finds=(
            warning(
                "public-port-answers-otherwise",
                "correct the A record",
                address_of(Stranger.PARKING_PAGE),
                NAME,
                says=(address_of(Stranger.PARKING_PAGE), "Apache"),
            ),
        ),
        leaves_open=("port-public",),
    ),
)


def _pointing(
    fault: str, address: str, code: str, *remedy: str, kind: str = "network-unreachable"
) -> Row:
    """The only address of the name is none that a CA can come to; ``kind`` is what it then says."""
    return Row(
        fault,
        validates=False,
        public=at(address),
        finds=(error(code, *_RECORD, *remedy, says=(address,)),),
        explains=(refused(kind, *_RECORD, *remedy, says=(f"{NAME} ({address})", _FOUND)),),
        leaves_open=("dns-public",),
    )


ADDRESSES = (
    _pointing(
        "the public DNS holds a private address", GATEWAY, "address-private", "local network only"
    ),
    _pointing(
        "the public DNS holds an address of the provider's own network",
        "100.64.12.7",
        "address-carrier-nat",
        "internet provider",
    ),
    _pointing(
        "the public DNS holds an address for documentation", "192.0.2.10", "address-reserved"
    ),
    _pointing(
        "the public DNS holds the loopback address",
        "127.0.0.1",
        "address-reserved",
        kind="connection-refused",
    ),
    _pointing(
        "the public DNS holds an address of the cloud's own", "169.254.169.254", "address-reserved"
    ),
    Row(
        "of two addresses one is private",
        # Let's Encrypt passes the private one over, Pebble takes the first.
        validates=None,
        explains=(
            refused("network-unreachable", f"name {NAME}", "10.0.0.10", says=(_FOUND, "10.0.0.10")),
        ),
        public=at("10.0.0.10", ROUTER),
        finds=(warning("addresses-partly-unusable", f"name {NAME}", "type A", "10.0.0.10"),),
    ),
    Row(
        "the public DNS holds a private IPv6 address besides",
        # Let's Encrypt passes it over, Pebble does not.
        validates=False,
        explains=(
            refused(
                "network-unreachable",
                "AAAA",
                "fd00:178::10",
                says=(_FOUND, f"{NAME} (fd00:178::10)"),
            ),
        ),
        public=at(ROUTER, "fd00:178::10"),
        finds=(warning("addresses-partly-unusable", f"name {NAME}", "AAAA", "fd00:178::10"),),
    ),
    Row(
        "of two addresses one is another server's",
        validates=None,
        explains=(refused("http-not-found", "At your DNS provider", says=("server",)),),
        public=at(address_of(Stranger.NOT_FOUND), ROUTER),
        finds=(
            info("addresses-several", "every one of them"),
            warning(
                "public-port-not-found", "A record", NAME, says=(address_of(Stranger.NOT_FOUND),)
            ),
        ),
    ),
)
# Things that look odd and do no harm.
HARMLESS = (
    Row(
        "answers that do not fit into a datagram",
        # Pebble asks by UDP alone.
        validates=False,
        explains=(refused("dns-no-address", "public IP address"),),
        public=suffering(Fault.TRUNCATED),
        establishes=("dns-public",),
    ),
    Row(
        "the name is an alias",
        validates=True,
        public=Zone({NAME: {"CNAME": ["gw.kontor-berg.de"]}, "gw.kontor-berg.de": {"A": [ROUTER]}}),
        establishes=("dns-public", "port-public"),
    ),
    Row(
        "the DNS takes a second",
        validates=True,
        public=suffering(f"{Fault.SLOW}1", "A"),
        establishes=("dns-public",),
    ),
)
_INTERCEPTING = Router(
    translating=f'iifname "lan0" udp dport 53 dnat ip to {ROUTER_LAN}\n'
    f'iifname "lan0" tcp dport 53 dnat ip to {ROUTER_LAN}'
)
# The first of the two public resolvers is the one that the CA asks as well.
SERVERS = (
    Row(
        "one of the public DNS servers still has the old address",
        validates=True,
        second=at(address_of(Stranger.PARKING_PAGE)),
        finds=(
            warning("dns-servers-differ", DOMAIN, says=(RESOLVER, SECOND_RESOLVER)),
            warning(
                "public-port-answers-otherwise",
                "A record",
                NAME,
                says=(address_of(Stranger.PARKING_PAGE),),
            ),
        ),
        leaves_open=("dns-public",),
    ),
    Row(
        "one of the public DNS servers refuses",
        validates=True,
        second=suffering(Fault.REFUSED),
        finds=(info("dns-server-refuses", "GATEWAY_ADMIN_DNS_SERVERS", says=(SECOND_RESOLVER,)),),
        establishes=("dns-public",),
    ),
    Row(
        "the only public DNS server that is configured refuses",
        validates=True,
        second=suffering(Fault.REFUSED),
        dns_servers=(SECOND_RESOLVER,),
        finds=(warning("dns-server-refuses", "GATEWAY_ADMIN_DNS_SERVERS"),),
        leaves_open=("dns-public",),
    ),
    Row(
        "one of the public DNS servers is out of reach",
        validates=True,
        router=Router(outgoing=f"ip daddr {SECOND_RESOLVER} {DROP}"),
        finds=(info("dns-timeout", "port 53", SECOND_RESOLVER),),
        establishes=("dns-public",),
    ),
    Row(
        "what answers in place of a public DNS server is none",
        validates=True,
        second=suffering(Fault.GARBAGE),
        dns_servers=(SECOND_RESOLVER,),
        finds=(warning("dns-server-odd", "firewall", "GATEWAY_ADMIN_DNS_SERVERS"),),
        leaves_open=("dns-public",),
    ),
    Row(
        "the DNS servers of one of two domains are silent",
        validates=False,
        explains=(
            refused(
                "dns-timeout", "name servers", "andere-firma.de", says=("did not answer", _FOUND)
            ),
        ),
        names=(NAME, "mx.andere-firma.de"),
        public=Zone({NAME: {"A": [ROUTER]}}, {"mx.andere-firma.de": {"*": Fault.SILENT}}),
        finds=(warning("dns-name-unanswered", "name servers", "andere-firma.de"),),
        leaves_open=("dns-public",),
    ),
    Row(
        "the router lets no DNS out",
        validates=True,
        router=Router(outgoing=f"udp dport 53 {DROP}\ntcp dport 53 {DROP}"),
        finds=(warning("dns-timeout", "port 53", RESOLVER),),
        leaves_open=("dns-public", "caa-allows"),
    ),
    Row(
        "the router answers in place of the public DNS servers",
        validates=True,
        local=at(GATEWAY),
        router=_INTERCEPTING,
        finds=(
            warning("dns-intercepted", "port 53", "exempt this machine", says=(RESOLVER,)),
            warning("address-private", *_RECORD, says=(GATEWAY,)),
        ),
        leaves_open=("dns-public",),
    ),
    Row(
        "the router answers in place of the public DNS servers, and does not know the name",
        validates=True,
        local=Zone(),
        router=_INTERCEPTING,
        finds=(
            warning("dns-intercepted", "port 53", "exempt this machine", says=(RESOLVER,)),
            warning("dns-no-such-name", *_RECORD),
        ),
        leaves_open=("dns-public",),
    ),
)
# What the machines of the LAN see, which is of no concern to a CA.
HORIZONS = (
    Row(
        "nothing, and the local DNS leads to this machine",
        validates=True,
        local=at(GATEWAY),
        establishes=("dns-public", "dns-local"),
    ),
    Row(
        "the local DNS leads to another machine",
        validates=True,
        local=at(network.NAS),
        finds=(info("dns-local-elsewhere", f"name {NAME}", GATEWAY, says=(network.NAS,)),),
        establishes=("dns-public",),
        leaves_open=("dns-local",),
    ),
    Row(
        "the local DNS has another public address",
        validates=True,
        local=at(address_of(Stranger.PARKING_PAGE)),
        finds=(
            warning("dns-local-differs", "public DNS", says=(address_of(Stranger.PARKING_PAGE),)),
        ),
        establishes=("dns-public",),
        leaves_open=("dns-local",),
    ),
    Row(
        "the local DNS does not know the name",
        validates=True,
        local=Zone(),
        finds=(warning("dns-local-missing", f"name {NAME}", GATEWAY, says=("does not matter",)),),
        establishes=("dns-public", "port-public"),
        leaves_open=("dns-local",),
    ),
    Row(
        "the local DNS gives no answer for the name",
        validates=True,
        local=suffering(Fault.SERVFAIL),
        finds=(info("dns-local-unanswered", "DNS servers", says=("does not matter", ROUTER_LAN)),),
        establishes=("dns-public",),
        leaves_open=("dns-local",),
    ),
    Row(
        "only the local DNS knows the name",
        validates=False,
        explains=(
            refused("dns-no-address", *_RECORD, says=(_FOUND, "does not exist in the public DNS")),
        ),
        public=Zone({DOMAIN: {"A": [ROUTER]}}),
        local=at(GATEWAY),
        finds=(
            error("dns-no-such-name", *_RECORD),
            warning("dns-only-local", "public DNS", says=(GATEWAY,)),
        ),
        leaves_open=("dns-public",),
    ),
)
ROWS = NAMES + RECORDS + ADDRESSES + HARMLESS + SERVERS + HORIZONS
