"""Where the console listens: how that is written, whether it is free, what names lead there."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from dataclasses import dataclass

from gateway_admin.launch.errors import LaunchError

# Documentation addresses (RFC 5737, RFC 3849): connecting a datagram socket there sends nothing,
# but makes the kernel say which of our own addresses it would use.
ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name or IP address) and a port, as given with --host and --port."""

    host: str
    port: int
    # Whether HTTPS is spoken there.
    tls: bool = False

    @property
    def bare_host(self) -> str:
        """The host without the brackets that an IPv6 address may have been given with."""
        return self.host.removeprefix("[").removesuffix("]")

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for all addresses of the machine."""
        address = self._ip
        return address is not None and address.is_unspecified

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        address = self._ip
        return self.bare_host == "localhost" if address is None else address.is_loopback

    @property
    def bind(self) -> str:
        """HOST:PORT for the web server."""
        return f"{_bracketed(self.bare_host)}:{self.port}"

    @property
    def connect_host(self) -> str:
        """Where a program on this machine reaches it."""
        if not self.is_wildcard:
            return self.bare_host
        return "::1" if ":" in self.bare_host else "127.0.0.1"

    @property
    def url(self) -> str:
        """What to type into a browser, without a slash at the end."""
        host = socket.gethostname() if self.is_wildcard else self.bare_host
        return f"{'https' if self.tls else 'http'}://{_bracketed(host)}:{self.port}"

    @property
    def _ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        try:
            return ipaddress.ip_address(self.bare_host)
        except ValueError:
            return None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def check_free(address: Address) -> None:
    """Raise LaunchError, naming the port, when the console could not listen there."""
    try:
        places = socket.getaddrinfo(
            address.bare_host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError):
        raise LaunchError(f"The host {address.host!r} given with --host is not known.") from None
    for family, kind, protocol, _, place in places:
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(place)
            except OSError as error:
                raise LaunchError(_why_not(address, error)) from None


def _why_not(address: Address, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"Port {address.port} on {address.bare_host} is taken by another program: "
                "stop that, or choose another port with --port."
            )
        case errno.EACCES:
            return (
                f"Port {address.port} needs rights that this user does not have: "
                "choose one above 1023 with --port."
            )
        case errno.EADDRNOTAVAIL:
            return f"{address.bare_host} is not an address of this machine (--host)."
    reason = os.strerror(error.errno or 0)
    return f"Port {address.port} on {address.bare_host} cannot be used: {reason}."


def names(address: Address) -> tuple[str, ...]:
    """The Host headers to expect for an address that others can reach, as Django writes them."""
    if not address.is_wildcard:
        return (_bracketed(address.bare_host),)
    own = [socket.gethostname(), socket.getfqdn(), *_own_addresses()]
    return tuple(dict.fromkeys(_bracketed(name) for name in own))


def _own_addresses() -> list[str]:
    found: list[str] = []
    for family, elsewhere in ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as trial:
                trial.connect((elsewhere, 9))
                found.append(str(trial.getsockname()[0]))
        except OSError:
            continue  # no route, or no IPv6 at all
    return found
