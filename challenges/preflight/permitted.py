"""Where the preflight may connect to, so that nobody can turn it against others. Asks nobody.

A name's owner decides what it points to: whatever is said here holds for that address as it is.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from challenges.preflight.surroundings import Address, Surroundings

_INTERNET_6 = ipaddress.IPv6Network("2000::/3")  # all that IANA gives out (RFC 4291 §2.4)
# Where clouds tell a machine its own secrets; the link-local one is refused with its kind.
_METADATA = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
        "fd00:42::42/128",
    )
)
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")  # RFC 791 §3.2
# What belongs to machines in IPv6: no mapped or translated IPv4, no loopback, no link-local.
_MACHINES_6 = (_INTERNET_6, ipaddress.IPv6Network("fc00::/7"))
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214 §6.1


def may_connect(address: Address, surroundings: Surroundings) -> bool:
    """Whether the preflight may connect to ``address``, which the DNS gave for a name.

    Public addresses, and those networks that the machine's owner has said to count as public.
    Never else a private, loopback, link-local, multicast, unspecified or reserved address, and
    never a cloud's metadata service, also not wrapped into an IPv6 address.
    """
    if _is_metadata(address):
        return False
    if surroundings.counts_as_public(address):
        return True
    return _is_internet(address) and all(_is_internet(form) for form in _wrapped(address))


def may_ask_process(address: Address, surroundings: Surroundings) -> bool:
    """Whether a challenge process of another machine may be asked at ``address``.

    Where it is, it says itself, and strangers talk to it all day: whoever got into it shall not
    send us to what only this machine reaches. So never a loopback, link-local, multicast,
    unspecified or reserved address or a cloud's metadata service; a private one is usual.
    """
    if surroundings.counts_as_public(address) and not _is_metadata(address):
        return True
    return all(_is_machine(form) for form in (address, *_wrapped(address)))


def _is_machine(address: Address) -> bool:
    if _is_metadata(address):
        return False
    if isinstance(address, ipaddress.IPv6Address):
        return any(address in network for network in _MACHINES_6) and not _scope(address)
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address in _THIS_NETWORK
    )


def _is_metadata(address: Address) -> bool:
    return any(address in network for network in _METADATA)


def _is_internet(address: Address) -> bool:
    if _is_metadata(address):
        return False
    if isinstance(address, ipaddress.IPv6Address) and address not in _INTERNET_6:
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or _scope(address)
    )


def _scope(address: Address) -> str:
    return getattr(address, "scope_id", None) or ""


def _wrapped(address: Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 addresses to which a packet for this IPv6 address may be sent on.

    Mapped and NAT64 addresses lie outside of 2000::/3 and are refused for that.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    if int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
