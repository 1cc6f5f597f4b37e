"""The process that answers on the challenge port: gunicorn's threads behind an event loop of ours.

A thread is taken only once a whole request head has arrived, within a deadline, so connections
that say nothing, or say it slowly, cost no thread. Nothing names a product; one request each.
"""

from __future__ import annotations

import contextlib
import socket
import time
from functools import partial
from http import HTTPStatus
from selectors import EVENT_READ
from typing import Any

from gunicorn.http import errors, get_parser, wsgi
from gunicorn.workers.gthread import TConn, ThreadWorker

# Let's Encrypt's own requests have about 300 bytes; a forwarding proxy may add some headers.
LONGEST_HEAD = 4096
HEAD_DEADLINE = 5.0
STOP_DEADLINE = 2.0
WRITE_DEADLINE = 2.0
_END_OF_HEAD = b"\r\n\r\n"
_MOST_DRAINED = 16


class Connection(TConn):
    """An accepted connection and what has arrived of its request."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.head = b""
        self.deadline = time.monotonic() + HEAD_DEADLINE


class BareResponse(wsgi.Response):
    """A response without the Server header."""

    def default_headers(self) -> list[str]:
        """Status line, Date and Connection."""
        headers: list[str] = super().default_headers()
        return [line for line in headers if not line.startswith("Server:")]


class ChallengeWorker(ThreadWorker):
    """One process, a few threads, any number of slow strangers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # In the order of their deadlines, which all lie equally far ahead.
        self.waiting: dict[Connection, None] = {}

    def accept(self, listener: Any) -> None:
        """Take one connection and wait for its request in the event loop."""
        self._accept_one(listener)

    def set_accept_enabled(self, enabled: bool | None) -> None:
        """Besides: a worker that stops takes whoever has already connected and lets go of the port.

        The kernel would otherwise go on taking connections that nobody will answer, until this
        process has ended.
        """
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            while self._accept_one(listener):
                pass
            listener.close()
        deadline = time.monotonic() + STOP_DEADLINE
        for connection in self.waiting:
            connection.deadline = min(connection.deadline, deadline)

    def murder_pending(self) -> None:
        """Close what has not sent its request in time."""
        now = time.monotonic()
        late = []
        for connection in self.waiting:
            if connection.deadline > now:
                break
            late.append(connection)
        for connection in late:
            self._forget(connection)
            connection.close()

    def _accept_one(self, listener: Any) -> bool:
        try:
            client, address = listener.accept()
        except OSError:  # nobody there any more, or no descriptor left: others must finish first
            return False
        connection = Connection(self.cfg, client, address, listener.getsockname())
        self.nr_conns += 1
        self.waiting[connection] = None
        self.poller.register(client, EVENT_READ, partial(self._on_readable, connection))
        return True

    def _on_readable(self, connection: Connection, client: socket.socket) -> None:
        try:
            data = client.recv(LONGEST_HEAD)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        # An empty line before the request line is allowed (RFC 9112 §2.2).
        connection.head = (connection.head + data).lstrip(b"\r\n")
        if data and _END_OF_HEAD in connection.head:
            self._forget(connection, finished=False)
            self._take_thread(connection)
        elif not data or len(connection.head) > LONGEST_HEAD:
            self._forget(connection)
            if data:
                _refuse(client, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            _close(client)

    def _forget(self, connection: Connection, *, finished: bool = True) -> None:
        with contextlib.suppress(KeyError, ValueError, OSError):
            self.poller.unregister(connection.sock)
        del self.waiting[connection]
        if finished:
            self.nr_conns -= 1

    def _take_thread(self, connection: Connection) -> None:
        future = self.tpool.submit(self._serve, connection)
        future.add_done_callback(lambda _future: self.method_queue.defer(self._served))

    def _served(self) -> None:
        """Back in the event loop."""
        self.nr_conns -= 1

    def _serve(self, connection: Connection) -> None:
        """Answer the request in ``connection.head``, in a thread, and close the connection."""
        client = connection.sock
        try:
            client.settimeout(WRITE_DEADLINE)
            # The parser gets the head alone: it can never wait for the network.
            request = next(get_parser(self.cfg, iter([connection.head]), connection.client))
            self._answer(request, connection)
        except (OSError, StopIteration, errors.NoMoreData) as error:
            self.log.debug("Connection given up: %s", error)
        except errors.ParseException:
            _refuse(client, HTTPStatus.BAD_REQUEST)
        except Exception:
            self.log.exception("A request could not be answered")
            _refuse(client, HTTPStatus.INTERNAL_SERVER_ERROR)
        finally:
            _close(client)

    def _answer(self, request: Any, connection: Connection) -> None:
        response, environ = wsgi.create(
            request,
            connection.sock,
            connection.client,
            connection.server,
            self.cfg,
            response_class=BareResponse,
        )
        response.force_close()
        environ["wsgi.multithread"] = True
        application: Any = self.wsgi
        result = application(environ, response.start_response)
        try:
            if request.method != "HEAD":
                for part in result:
                    response.write(part)
            response.close()
        finally:
            result.close()


def _refuse(client: socket.socket, status: HTTPStatus) -> None:
    line = f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\n"
    with contextlib.suppress(OSError):
        client.sendall(f"{line}Content-Length: 0\r\n\r\n".encode("ascii"))


def _close(client: socket.socket) -> None:
    """Close without cutting off the answer: unread bytes would turn the end into a reset."""
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_WR)
        client.setblocking(False)
        for _ in range(_MOST_DRAINED):
            if not client.recv(LONGEST_HEAD):
                break
    client.close()
