"""Gunicorn's worker with threads, in which only requests that have arrived get one of its threads.

Gunicorn's own gives a thread to each connection, waits in it without an end for the handshake and
the request, and waits in its only loop for those who have been answered to hang up.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
import time
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from gunicorn import http, sock
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from gateway_admin.launch.arriving import Arrival, RefusedError

logger = logging.getLogger("gateway_admin.console")

# Seconds for handshake and request, for the rest of a long body, and for hanging up.
ARRIVAL_PATIENCE = 10.0
BODY_PATIENCE = 30.0
HANGING_UP_PATIENCE = 2.0
# Of those that have not said all yet the oldest makes room for the next.
MOST_ARRIVING = 256
_DISCARDED = 16 * 1024


@dataclass(slots=True)
class Visit:
    """A connection that the loop waits for; without an arrival it is being hung up."""

    deadline: float
    arrival: Arrival | None = None
    is_registered: bool = False


class PatientUnreader(SocketUnreader):  # type: ignore[misc]
    """Reads what is missing of a body, until its deadline."""

    deadline = 0.0

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Raises ConnectionResetError, which gunicorn passes over in silence, when it is late."""
        before = self.sock.gettimeout()
        left = self.deadline - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            self.sock.settimeout(left if before is None else min(left, before))
            data: bytes = super().chunk(size_hint)
            return data
        except TimeoutError as error:
            raise ConnectionResetError(errno.ECONNRESET, "the body is late") from error
        finally:
            with contextlib.suppress(OSError):
                self.sock.settimeout(before)


class ConsoleWorker(ThreadWorker):  # type: ignore[misc]
    """Everything but :meth:`handle`, which is gunicorn's, is in the loop and waits for nobody."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # In the order of coming, so that those of a kind are in the order of their deadlines.
        self._visits: dict[TConn, Visit] = {}

    def enqueue_req(self, conn: TConn) -> None:
        """Gunicorn's one way into a thread: every request has to arrive first."""
        conn.sock.setblocking(False)
        is_new = conn.parser is None
        wrap = partial(sock.ssl_wrap_socket, conf=self.cfg) if is_new and self.cfg.is_ssl else None
        received = b"" if is_new else conn.parser.unreader.take_buffered()
        arrival = Arrival(conn.sock, wrap, received)
        self._visits[conn] = Visit(time.monotonic() + ARRIVAL_PATIENCE, arrival)
        self._make_room()
        self._go_on(conn)

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """A connection that is over is hung up beside all others, unlike gunicorn does it."""
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
        else:
            self._hang_up(conn)

    def murder_pending(self) -> None:
        """Gunicorn calls it once a second: end those whose time is over."""
        now = time.monotonic()
        for conn, visit in list(self._visits.items()):
            is_idle = visit.arrival is not None and not visit.arrival.received
            if visit.deadline <= now or (is_idle and not self.alive):
                self._drop(conn)

    def _make_room(self) -> None:
        if len(self._visits) > MOST_ARRIVING:
            self._drop(next(iter(self._visits)))

    def _go_on(self, conn: TConn, _readable: object = None) -> None:
        visit = self._visits[conn]
        self._forget(conn, visit)
        try:
            events = self._advance(conn, visit)
        except RefusedError as refusal:
            with contextlib.suppress(OSError):
                conn.sock.send(refusal.answer)
            self._hang_up(conn)
        except (OSError, ValueError) as error:
            # Browsers break it off wherever somebody has not accepted the certificate yet.
            logger.debug("A connection has failed: %s", error)
            self._drop(conn)
        else:
            self._wait_for(conn, visit, events)

    def _advance(self, conn: TConn, visit: Visit) -> int:
        if not visit.arrival:
            return self._hung_up(conn)
        try:
            return visit.arrival.go_on()
        finally:
            conn.sock = visit.arrival.connection

    def _wait_for(self, conn: TConn, visit: Visit, events: int) -> None:
        if events:
            self.poller.register(conn.sock, events, partial(self._go_on, conn))
            visit.is_registered = True
        elif visit.arrival:
            del self._visits[conn]
            self._answer(conn, visit.arrival.received)
        else:
            self._drop(conn)

    def _answer(self, conn: TConn, received: bytes) -> None:
        if conn.parser is None:
            conn.initialized = True
            conn.parser = http.get_parser(self.cfg, conn.sock, conn.client)
            conn.parser.unreader = PatientUnreader(conn.sock)
        conn.parser.unreader.unread(received)
        conn.parser.unreader.deadline = time.monotonic() + BODY_PATIENCE
        super().enqueue_req(conn)

    def _hang_up(self, conn: TConn) -> None:
        """RFC 9112 §9.6: only when the client has, or has had time to, is the answer safe."""
        self._visits.pop(conn, None)
        visit = self._visits[conn] = Visit(time.monotonic() + HANGING_UP_PATIENCE)
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self._wait_for(conn, visit, selectors.EVENT_READ)
        except (OSError, ValueError):
            self._drop(conn)

    def _hung_up(self, conn: TConn) -> int:
        try:
            return selectors.EVENT_READ if conn.sock.recv(_DISCARDED) else 0
        except BlockingIOError:
            return selectors.EVENT_READ

    def _forget(self, conn: TConn, visit: Visit) -> None:
        if visit.is_registered:
            self.poller.unregister(conn.sock)
            visit.is_registered = False

    def _drop(self, conn: TConn) -> None:
        self._forget(conn, self._visits.pop(conn))
        self.nr_conns -= 1
        conn.close()
