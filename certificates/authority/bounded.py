"""HTTPS under one deadline: connecting, handshake, sending, headers and body together.

The timeouts of requests count for single reads, so a server that sends a byte now and then could
hold a worker for ever.
"""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError

CONNECT_TIMEOUT = 10.0  # seconds for one address, and again for the handshake
READ_TIMEOUT = 20.0  # seconds of silence

Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]


class Deadline:
    """When what is going on must have ended. Not for two threads at once."""

    def __init__(self) -> None:
        self._at = math.inf

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Everything inside ends in so many seconds; where one runs already, that one counts."""
        if self._at != math.inf:
            yield
            return
        self._at = time.monotonic() + seconds
        try:
            yield
        finally:
            self._at = math.inf

    @property
    def has_passed(self) -> bool:
        """Whether nothing is left."""
        return time.monotonic() >= self._at

    def left(self, most: float) -> float:
        """Seconds that a single wait may take. Raises TimeoutError when none is left."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the exchange took too long")
        return min(left, most)


class _Socket(ssl.SSLSocket):
    """Waits at each read and write for what is left of the deadline."""

    context: _Context

    def recv_into(self, *args: Any) -> int:
        self.settimeout(self.context.deadline.left(READ_TIMEOUT))
        return super().recv_into(*args)

    def send(self, *args: Any) -> int:
        self.settimeout(self.context.deadline.left(READ_TIMEOUT))
        return super().send(*args)


class _Context(ssl.SSLContext):
    sslsocket_class = _Socket
    deadline: Deadline


class _Connection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        try:
            addresses = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        deadline = cast(_Context, self.ssl_context).deadline
        try:
            return first_to_answer(addresses, deadline, self.socket_options or ())
        except OSError as error:
            raise NewConnectionError(self, f"no connection: {error}") from error


def first_to_answer(
    addresses: Sequence[Address], deadline: Deadline, options: Iterable[tuple[int, int, Any]] = ()
) -> socket.socket:
    """A connection to the first of the addresses that answers. Raises OSError when none does.

    Each gets its share of what is left, so that one that is silent leaves time for the others.
    """
    failure = OSError("the name has no address")
    for position, address in enumerate(addresses):
        try:
            share = deadline.left(math.inf) / (len(addresses) - position)
            return _connect(address, min(share, CONNECT_TIMEOUT), deadline, options)
        except OSError as error:
            failure = error
    raise failure


def _connect(
    address: Address, timeout: float, deadline: Deadline, options: Iterable[tuple[int, int, Any]]
) -> socket.socket:
    family, kind, protocol, _, where = address
    opened = socket.socket(family, kind, protocol)
    try:
        for option in options:
            opened.setsockopt(*option)
        opened.settimeout(timeout)
        opened.connect(where)
        # The handshake takes this over, and it counts for the whole of it.
        opened.settimeout(deadline.left(CONNECT_TIMEOUT))
    except BaseException:
        opened.close()
        raise
    return opened


class _Pool(HTTPSConnectionPool):
    ConnectionCls = _Connection


class BoundedAdapter(HTTPAdapter):
    """For a session whose every exchange happens inside ``deadline.within(...)``."""

    def __init__(self, deadline: Deadline) -> None:
        self._context = _Context(ssl.PROTOCOL_TLS_CLIENT)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.hostname_checks_common_name = False
        self._context.deadline = deadline
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Direct connections."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _Pool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Connections through the environment's proxy."""
        manager = super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)
        manager.pool_classes_by_scheme = {"https": _Pool}
        return manager
