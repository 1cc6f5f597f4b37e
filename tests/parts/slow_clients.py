"""Holds thousands of connections open that ask for nothing, or slowly: `… slow_clients PORT COUNT`.

Each that the server ends is opened anew until SIGINT; after that the program waits for the last to
be ended and ends itself. Prints a line of JSON twice a second: see ``Tally``.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import errno
import itertools
import json
import resource
import selectors
import signal
import socket
import sys
import time

# One address has 28,000 ports for outgoing connections, of which those just ended are not free.
SOURCES = tuple(f"127.0.0.{number}" for number in range(2, 18))
IP_BIND_ADDRESS_NO_PORT = 24  # so that a port is taken that is free for this server
MOST_AT_ONCE = 256
TELL_EVERY = 0.5
TRICKLE_EVERY = 1.0
PATH = f"/.well-known/acme-challenge/{'slow' * 8}"
HEAD = f"GET {PATH} HTTP/1.1\r\nHost: slow.test\r\n"


class Manner(enum.StrEnum):
    """What a client does with its connection."""

    SILENT = "says nothing"
    HALF = "sends half a head"
    TRICKLING = "sends a byte a second"
    LINGERING = "sends a request and does not hang up"

    @property
    def first(self) -> bytes:
        """What it sends at once."""
        match self:
            case Manner.SILENT:
                return b""
            case Manner.HALF:
                return f"{HEAD}User-Ag".encode()
            case Manner.TRICKLING:
                return b"G"
            case Manner.LINGERING:
                return f"{HEAD}\r\n".encode()


# Most of those who have been answered hang up, so that few linger.
MANNERS = (*(Manner.SILENT, Manner.HALF, Manner.TRICKLING) * 3, Manner.LINGERING)


@dataclasses.dataclass
class Tally:
    """What has become of them so far; lifetimes are seconds from connected to ended."""

    open: int = 0
    opened: int = 0
    ended: int = 0
    failed: int = 0
    longest: dict[str, float] = dataclasses.field(
        default_factory=lambda: {manner.value: 0.0 for manner in Manner}
    )


class Client:
    """One connection; ``sent`` counts the bytes of its head."""

    __slots__ = ("connected_at", "manner", "sent", "socket")

    def __init__(self, port: int, source: str, manner: Manner) -> None:
        self.manner = manner
        self.connected_at = 0.0
        self.sent = len(manner.first)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        self.socket.bind((source, 0))
        number = self.socket.connect_ex(("127.0.0.1", port))
        if number not in {0, errno.EINPROGRESS}:
            self.socket.close()
            raise OSError(number, "connect")


class Crowd:
    """So many clients, all the time, until ``is_leaving``."""

    def __init__(self, port: int, count: int) -> None:
        self.port, self.count = port, count
        self.is_leaving = False
        self.tally = Tally()
        self.selector = selectors.DefaultSelector()
        self.pending = 0
        # Strangers are many and not in step: so many a second that all are there after four.
        self.pace = count / 4
        self.allowed = 0.0
        self.allowed_at = time.monotonic()
        self.trickling: collections.deque[tuple[float, Client]] = collections.deque()
        self.next_ones = zip(itertools.cycle(SOURCES), itertools.cycle(MANNERS), strict=False)

    def run(self) -> None:
        """Until all have been left."""
        told_at = 0.0
        while not self.is_leaving or self.tally.open or self.pending:
            self._open_missing()
            for key, _events in self.selector.select(0.02):
                client: Client = key.data
                if client.connected_at:
                    self._read(client)
                else:
                    self._connected(client)
            self._trickle()
            if time.monotonic() - told_at >= TELL_EVERY:
                told_at = time.monotonic()
                self.tell()

    def tell(self) -> None:
        """Print the tally."""
        sys.stdout.write(f"{json.dumps(dataclasses.asdict(self.tally))}\n")
        sys.stdout.flush()

    def _open_missing(self) -> None:
        missing = 0 if self.is_leaving else self.count - self.tally.open - self.pending
        now = time.monotonic()
        self.allowed = min(self.allowed + (now - self.allowed_at) * self.pace, MOST_AT_ONCE)
        self.allowed_at = now
        for _ in range(min(missing, int(self.allowed))):
            self.allowed -= 1
            source, manner = next(self.next_ones)
            try:
                client = Client(self.port, source, manner)
            except OSError:
                self.tally.failed += 1
                return
            self.pending += 1
            self.selector.register(client.socket, selectors.EVENT_WRITE, client)

    def _connected(self, client: Client) -> None:
        self.pending -= 1
        if client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.tally.failed += 1
            self._leave(client)
            return
        client.connected_at = time.monotonic()
        self.tally.opened += 1
        self.tally.open += 1
        self.selector.modify(client.socket, selectors.EVENT_READ, client)
        if client.manner.first:
            client.socket.send(client.manner.first)
        if client.manner is Manner.TRICKLING:
            self.trickling.append((client.connected_at + TRICKLE_EVERY, client))

    def _read(self, client: Client) -> None:
        try:
            if client.socket.recv(4096):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        lifetime = time.monotonic() - client.connected_at
        longest = self.tally.longest
        longest[client.manner] = max(longest[client.manner], round(lifetime, 2))
        self.tally.ended += 1
        self.tally.open -= 1
        self._leave(client)

    def _leave(self, client: Client) -> None:
        self.selector.unregister(client.socket)
        client.socket.close()

    def _trickle(self) -> None:
        now = time.monotonic()
        while self.trickling and self.trickling[0][0] <= now:
            due, client = self.trickling.popleft()
            if client.socket.fileno() < 0:
                continue
            byte = HEAD[client.sent] if client.sent < len(HEAD) else "x"
            try:
                client.socket.send(byte.encode())
            except OSError:
                continue  # its end is about to be read
            client.sent += 1
            self.trickling.append((due + TRICKLE_EVERY, client))


def main(port: int, count: int) -> None:
    """Hold them open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd(port, count)

    def leave(_number: int, _frame: object) -> None:
        crowd.is_leaving = True

    signal.signal(signal.SIGINT, leave)
    crowd.run()
    crowd.tell()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
