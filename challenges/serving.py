"""The challenge port's server: listening sockets, connections and deadlines in one event loop.

Changing the port is one step: the new sockets are served, then the old ones closed; connections
belong to no listening socket and are finished wherever they came in.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import errno
import socket
import time
from collections.abc import Callable, Iterable, Sequence

from challenges.answering import AWAY, Answer
from challenges.asking import Questions, Read
from challenges.connection import Connection, State
from challenges.heads import Request
from challenges.visits import Book, visit

LOOK_EVERY = 0.5  # seconds between two looks at the deadlines
STOP_DEADLINE = 2.0  # seconds for requests under way at the end; all of it is over within five
USER_TIMEOUT = 5000  # milliseconds
BACKLOG = 4096
MOST_HELD = 8 << 20  # bytes of heads that have not come to their end
_ACCEPTED_AT_ONCE = 128
_NO_MEANS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE_WITHOUT_MEANS = 0.1
_SPARED = 16


class Server:
    """Serves whatever sockets it is given. All methods are for the event loop's thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        read: Read,
        book: Book,
        most_connections: int,
        most_held: int = MOST_HELD,
        hopeless: Callable[[], object] = lambda: None,
    ) -> None:
        self._loop = loop
        self._questions = Questions(
            read,
            time=loop.time,
            call_soon=loop.call_soon,
            call_back=loop.call_soon_threadsafe,
            hopeless=hopeless,
        )
        self._book = book
        self._most = most_connections
        # How many fewer there can be at the moment, because something has run out.
        self._retreated = 0
        self._listeners: list[socket.socket] = []
        # In the order in which they began.
        self._connections: dict[Connection, None] = {}
        self._most_held = most_held
        self._holders: dict[Connection, None] = {}
        self._held = 0
        self._date_second = 0
        self._date = ""
        self._stopped = loop.create_future()
        self._is_stopping = False
        self._loop.call_later(LOOK_EVERY, self._look)

    def listen(self, listeners: Sequence[socket.socket]) -> None:
        """Serve these sockets, which listen already, instead of those until now."""
        if self._is_stopping:
            self._close(listeners)
            return
        old, self._listeners = self._listeners, list(listeners)
        for listener in self._listeners:
            listener.setblocking(False)
            # Inherited by what it accepts: no answer waits for the receipt of the one before, nor
            # the kernel for a peer that has vanished.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT)
            self._loop.add_reader(listener, self._accept, listener)
        self._close(old)

    async def stop(self) -> None:
        """Let go of the port and finish what is under way, for as long as STOP_DEADLINE."""
        self._is_stopping = True
        listeners, self._listeners = self._listeners, []
        self._close(listeners)
        deadline = self._loop.time() + STOP_DEADLINE
        for connection in tuple(self._connections):
            connection.is_stopping = True
            connection.deadline = min(connection.deadline, deadline)
            if connection.is_watched:
                connection.readable()  # what has arrived is a request under way
            if connection.is_idle:
                connection.close()
        self._see_whether_all_is_over()
        await self._stopped
        self._questions.end()

    # What a connection needs.

    def time(self) -> float:
        """The event loop's clock."""
        return self._loop.time()

    def date(self) -> str:
        """The Date header (RFC 9110 §5.6.7), made once a second."""
        now = int(time.time())
        if now != self._date_second:
            self._date_second = now
            # Nothing here sets a locale: the names are English.
            self._date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now))
        return self._date

    def watch(self, connection: Connection) -> None:
        """Call ``readable`` when something arrives."""
        if not connection.is_watched:
            connection.is_watched = True
            self._loop.add_reader(connection.socket, connection.readable)

    def unwatch(self, connection: Connection) -> None:
        """Do not, for now."""
        if connection.is_watched:
            connection.is_watched = False
            self._loop.remove_reader(connection.socket)

    def ask(self, token: str, connection: Connection) -> None:
        """Have ``hear`` called with the answer."""
        self._questions.ask(token, connection)

    def forget(self, token: str, connection: Connection) -> None:
        """Nobody waits for that answer any longer."""
        self._questions.forget(token, connection)

    def remembered(self, token: str) -> Answer:
        """The answer to give without the database."""
        return self._questions.remembered(token)

    def note(
        self, request: Request, token: str, answer: Answer, address: str, *, was_sent: bool
    ) -> None:
        """Keep evidence of a request, within bounds."""
        is_known = None if answer is AWAY else answer.status == 200
        if not self._book.has_room():
            return
        if self._book.quota.allows(token, is_known=is_known, now=self._loop.time()):
            made = visit(
                token,
                is_known=is_known,
                now=datetime.datetime.now(tz=datetime.UTC),
                address=address,
                host=request.host,
                user_agent=request.user_agent,
                was_sent=was_sent,
            )
            self._book.note(made)

    def hold(self, connection: Connection, more: int, total: int) -> None:
        """What has come of an unfinished head: the oldest of them make room when it is too much."""
        self._held += more
        if total:
            self._holders[connection] = None
        else:
            self._holders.pop(connection, None)
        while more > 0 and self._held > self._most_held:
            next(iter(self._holders)).give_up()

    def gone(self, connection: Connection) -> None:
        """The connection is closed."""
        self._connections.pop(connection, None)
        if self._is_stopping:
            self._see_whether_all_is_over()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            if not self._accept_one(listener):
                return

    def _accept_one(self, listener: socket.socket) -> bool:
        try:
            accepted, address = listener.accept()
        except OSError as error:
            if error.errno in _NO_MEANS:
                self._retreat(listener)
            return False  # of the others one is that nobody is there, and the rest is the peer's
        if len(self._connections) >= self._most - self._retreated and not self._make_room():
            accepted.close()
            return True
        accepted.setblocking(False)
        connection = Connection(self, accepted, address[0].partition("%")[0])
        self._connections[connection] = None
        self.watch(connection)
        return True

    def _make_room(self) -> bool:
        """Hang up on whoever has been silent the longest: a CA speaks at once."""
        for connection in self._connections:
            if connection.state is not State.ASKING:
                connection.give_up()
                return True
        return False

    def _retreat(self, listener: socket.socket) -> None:
        """Do with fewer connections for a while: the database needs descriptors as well."""
        unused = max(0, self._most - len(self._connections))
        self._retreated = max(0, min(unused, self._most - 2 * _SPARED)) + _SPARED
        for _ in range(_SPARED):
            self._make_room()
        # The socket stays readable, and the loop would spin.
        self._loop.remove_reader(listener)
        self._loop.call_later(_PAUSE_WITHOUT_MEANS, self._resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener)

    def _look(self) -> None:
        """Tell everybody whose deadline has passed."""
        self._loop.call_later(LOOK_EVERY, self._look)
        self._retreated -= (self._retreated + 19) // 20
        self._questions.tend()
        now = self._loop.time()
        for connection in [late for late in self._connections if late.deadline <= now]:
            connection.late()

    def _close(self, listeners: Iterable[socket.socket]) -> None:
        """Let go of sockets, after taking whoever has already connected.

        No more of them than could wait at once: others come while they are taken.
        """
        for listener in listeners:
            with contextlib.suppress(OSError):
                for _ in range(BACKLOG):
                    if not self._accept_one(listener):
                        break
            self._loop.remove_reader(listener)
            listener.close()

    def _see_whether_all_is_over(self) -> None:
        if not self._connections and not self._stopped.done():
            self._stopped.set_result(None)
