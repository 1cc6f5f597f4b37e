"""HTTPS connections that end at a deadline, all together: connecting, a proxy's words, handshake,
headers and body. Timeouts alone count for single reads, and a drip now and then resets them.
"""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import threading
import time
from types import TracebackType
from typing import Any, Self, cast

from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError


class Limit:
    """While entered: whatever is connected under it is cut off when so many seconds are over."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            for each in self._sockets:
                each.close()
            self._sockets.clear()

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._deadline

    def left(self) -> float:
        """The seconds that are left. Raises TimeoutError when none are."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the exchange took too long")
        return left

    def watch(self, connected: socket.socket) -> None:
        """Cut this connection off, too. Raises TimeoutError when it is too late already."""
        self.left()
        # TLS takes the socket over and detaches it; a duplicate still ends the same connection.
        duplicate = connected.dup()
        with self._lock:
            self._sockets.append(duplicate)

    def _cut(self) -> None:
        with self._lock:
            for each in self._sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


class LimitedContext(ssl.SSLContext):
    """A TLS context that carries the limit of the connections that are made with it."""

    limit: Limit


class LimitedConnection(HTTPSConnection):
    """Made with a ``LimitedContext``. Each address gets its share of the time that is left."""

    def _new_conn(self) -> socket.socket:
        limit = cast(LimitedContext, self.ssl_context).limit
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        most = self.timeout if isinstance(self.timeout, int | float) else math.inf
        try:
            connected = _first_to_answer(found, limit, most)
        except OSError as error:
            raise NewConnectionError(self, f"no connection: {error}") from error
        try:
            limit.watch(connected)
        except OSError as error:
            connected.close()
            raise NewConnectionError(self, f"no connection: {error}") from error
        return connected


class LimitedPool(HTTPSConnectionPool):
    """For a pool manager's ``pool_classes_by_scheme``."""

    ConnectionCls = LimitedConnection


def _first_to_answer(found: list[Any], limit: Limit, most: float) -> socket.socket:
    failure = OSError("the name has no address")
    for position, (family, kind, protocol, _name, where) in enumerate(found):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(min(most, limit.left() / (len(found) - position)))
            opened.connect(where)
            opened.settimeout(most if most < math.inf else None)
        except OSError as error:
            opened.close()
            failure = error
        else:
            return opened
    raise failure
