"""Opening the sockets of the challenge port, on every configured address or on none."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Sequence

# Both families, each with a socket of its own, so that a machine without IPv6 works as well.
EVERYWHERE = "0.0.0.0,[::]"
_NO_SUCH_FAMILY = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


class CannotBind(Exception):
    """A port that could not be bound: which address, and the operating system's error number."""

    def __init__(self, host: str, number: int) -> None:
        super().__init__(f"{host}: {errno.errorcode.get(number, number)}")
        self.host = host
        self.number = number


def parse_hosts(text: str) -> tuple[str, ...]:
    """The addresses in a comma-separated list, IPv6 with or without its brackets."""
    return tuple(part.strip().strip("[]") for part in text.split(",") if part.strip())


def written(hosts: Sequence[str]) -> str:
    """The inverse of :func:`parse_hosts`."""
    return ",".join(f"[{host}]" if ":" in host else host for host in hosts)


def covers(hosts: Sequence[str], address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether sockets on ``hosts`` take connections to ``address``, also by a wildcard."""
    wildcard = "::" if address.version == 6 else "0.0.0.0"  # noqa: S104 - only compared
    return wildcard in hosts or str(address) in hosts


def bind(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Sockets bound to ``port`` on all of ``hosts``; they do not listen yet.

    All or nothing: half a port would look open from here and closed to a CA that comes by the
    other family. Only a wildcard of a family that this machine does not have is left out.
    Raises CannotBind.
    """
    with contextlib.ExitStack() as on_failure:
        sockets = []
        left_out = 0
        for host in hosts:
            try:
                bound = _bind_one(host, port)
            except OSError as error:
                number = error.errno or errno.EADDRNOTAVAIL
                if host == "::" and number in _NO_SUCH_FAMILY:
                    left_out = number
                    continue
                raise CannotBind(host, number) from error
            on_failure.callback(bound.close)
            sockets.append(bound)
        if not sockets:
            raise CannotBind(written(hosts), left_out or errno.EADDRNOTAVAIL)
        on_failure.pop_all()
        return sockets


def listen(hosts: Sequence[str], port: int, *, backlog: int) -> list[socket.socket]:
    """Like :func:`bind`, and listening. Raises CannotBind."""
    sockets = bind(hosts, port)
    for bound in sockets:
        try:
            bound.listen(backlog)
        except OSError as error:
            for other in sockets:
                other.close()
            raise CannotBind(written(hosts), error.errno or errno.EADDRINUSE) from error
    return sockets


def _bind_one(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise OSError(errno.EADDRNOTAVAIL, str(error)) from error
    family, _type, protocol, _name, address = found[0]
    bound = socket.socket(family, socket.SOCK_STREAM, protocol)
    try:
        # A port that we have just left shall not be refused to us for a minute (TIME_WAIT).
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
