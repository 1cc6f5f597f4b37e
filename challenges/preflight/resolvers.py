"""Which DNS servers are asked: the configured public ones, and the resolvers of this machine."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Sequence
from functools import partial

import dns.exception
import dns.resolver

from challenges.preflight.parallel import in_parallel
from challenges.preflight.surroundings import Surroundings

MOST_SYSTEM_RESOLVERS = 2
_SECONDS = 2.0


@dataclasses.dataclass(frozen=True)
class Server:
    """One DNS server; ``shown`` is how its owner writes it, which is what people read."""

    address: str
    port: int
    shown: str


def public(surroundings: Surroundings) -> tuple[Server, ...]:
    """The servers that play the public DNS; those whose own name is unknown are left out."""
    return _servers(surroundings.dns_servers)


def system(surroundings: Surroundings, public: Sequence[Server]) -> tuple[Server, ...]:
    """The resolvers of this machine, without those that are ``public`` ones themselves."""
    shown = surroundings.system_resolvers
    if shown is None:
        # Of an internet that is played here the machine's own resolver knows nothing.
        shown = () if surroundings.plays_the_internet else _configured()
    asked_already = {(server.address, server.port) for server in public}
    return tuple(
        server
        for server in _servers(shown[:MOST_SYSTEM_RESOLVERS])
        if (server.address, server.port) not in asked_already
    )


def endpoint_of(server: str) -> tuple[str, int] | None:
    """Address and port of ``host[:port]``; None when the host's own name cannot be resolved."""
    host, colon, port = server.rpartition(":")
    if not colon or "]" in port or (":" in host.strip("[]") and not host.endswith("]")):
        host, port = server, "53"
    host = host.strip("[]")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)
    except (OSError, ValueError):
        return None
    return str(found[0][4][0]), int(port)


def _servers(shown: Sequence[str]) -> tuple[Server, ...]:
    endpoints = in_parallel([partial(endpoint_of, text) for text in shown], seconds=_SECONDS)
    return tuple(
        Server(*endpoint, text) for text, endpoint in zip(shown, endpoints, strict=True) if endpoint
    )


def _configured() -> tuple[str, ...]:
    try:
        resolver = dns.resolver.Resolver()
    except (dns.exception.DNSException, OSError, ValueError):
        return ()
    return tuple(str(server) for server in resolver.nameservers)
