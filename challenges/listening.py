"""The challenge port's process: one event loop that answers, one thread that follows the port.

It survives a port that cannot be bound and a database that is away; it holds no keys. The loop
never waits for the database, nor for anything but its sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence

from django.conf import settings

from challenges import binding, following, ports
from challenges.following import Position
from challenges.reporting import Availability, Reporter
from challenges.serving import BACKLOG, Server
from challenges.visits import Book, Visit

logger = logging.getLogger(__name__)

MOST_CONNECTIONS = 20_000
WRITE_EVERY = 0.25  # seconds between two writes of evidence; the first comes at once
PRUNE_EVERY = 60.0
MOST_AT_ONCE = 500
LAST_WORDS = 1.0  # seconds to write what has been noted before the process ends
# Seconds. A name server that does not answer can cost half a minute for each of the questions
# that the follower has in one turn; what takes longer waits for a reply that was lost.
STUCK_AFTER = 180.0
_WATCH_EVERY = 5.0
_SPARE_DESCRIPTORS = 64
# The threads that ask the database wait for the loop to let go of the interpreter: not for long.
_SWITCH_INTERVAL = 0.001


class Follower:
    """The thread that follows the configured port, reports, and writes down who has asked.

    ``switch`` gives sockets that listen to the server, from this thread.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        book: Book,
        reporter: Reporter,
        switch: Callable[[Sequence[socket.socket]], object],
    ) -> None:
        self.hosts = tuple(hosts)
        self.book = book
        self.reporter = reporter
        self.switch = switch
        self.position = Position()
        self.addresses = ""
        self.unwritten: list[Visit] = []
        self.is_over = False
        self._looked_at = self._wrote_at = self._pruned_at = float("-inf")
        self._began_at: float | None = None
        # A daemon: a database that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def is_stuck(self, now: float) -> bool:
        """Whether its turn has lasted too long at ``now``, of the monotonic clock."""
        began_at = self._began_at
        return began_at is not None and now - began_at >= STUCK_AFTER

    def finish(self) -> None:
        """Write what has been noted, if that can be done in a moment, and end."""
        self.is_over = True
        self.book.news.set()
        self._thread.join(LAST_WORDS)

    def _run(self) -> None:
        while not self.is_over:
            now = self._began_at = time.monotonic()
            try:
                self._turn(now)
            except Exception:
                # A defect of ours: whoever is served by now shall be served on.
                logger.exception("The challenge port could not be looked after; trying again")
            self._began_at = None
            self._wait()
        self._write(float("inf"))

    def _turn(self, now: float) -> None:
        if now - self._looked_at >= following.LOOK_EVERY:
            self._looked_at = now
            self.follow()
        self._write(now)

    def _wait(self) -> None:
        """Until there is something to do; evidence is written at once unless it has just been."""
        now = time.monotonic()
        look = max(0.0, self._looked_at + following.LOOK_EVERY - now)
        pause = min(look, max(0.0, self._wrote_at + WRITE_EVERY - now))
        if pause and not self.is_over:
            time.sleep(pause)
            look -= pause
        self.book.news.wait(look)

    def _write(self, now: float) -> None:
        self.book.news.clear()
        if not self.unwritten:
            self.unwritten = self.book.take()
        if self.unwritten:
            self._wrote_at = now
            if self.reporter.keep(self.unwritten[:MOST_AT_ONCE]):
                del self.unwritten[:MOST_AT_ONCE]
        if now - self._pruned_at >= PRUNE_EVERY and not self.is_over:
            self._pruned_at = now
            self.reporter.prune()

    def follow(self) -> None:
        """Look at the settings, bind what they ask for if it is not bound yet, and report."""
        wanted = self.reporter.wanted_port()
        if wanted is not None:
            self.position = following.wants(self.position, wanted)
        port = following.port_to_try(self.position, time.monotonic())
        if port is not None:
            self._try(port)
        current = following.report(self.position)
        if wanted is not None and current:
            self.reporter.tell(current, self.addresses)

    def _try(self, port: int) -> None:
        try:
            sockets = binding.listen(self.hosts, port, backlog=BACKLOG)
        except binding.CannotBind as refusal:
            sentence = ports.sentence(ports.explain(refusal, port))
            before = self.position.refusal
            if not before or (before.port, before.sentence) != (port, sentence):
                logger.error("%s", sentence)
            self.position = following.refused(self.position, port, sentence, time.monotonic())
            return
        self.addresses = binding.written([bound.getsockname()[0] for bound in sockets])
        self.switch(sockets)
        self.position = following.switched(self.position, port)
        logger.info("The challenge port is %d, on %s.", port, self.addresses)


def serve() -> None:
    """Run until SIGTERM or SIGINT.

    Raises SystemExit when only a new process can reach the database: whoever started this one
    starts it again.
    """
    sys.setswitchinterval(_SWITCH_INTERVAL)
    # What is loaded by now stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    host = str(getattr(settings, "CHALLENGE_HOST", binding.EVERYWHERE))
    if not asyncio.run(_serve(binding.parse_hosts(host))):
        sys.exit(1)


async def _serve(hosts: Sequence[str]) -> bool:
    """Serve until told to stop: True, or until nothing but a new process can help: False."""
    loop = asyncio.get_running_loop()
    ending: asyncio.Future[bool] = loop.create_future()

    def end(is_asked_for: bool) -> None:
        if not ending.done():
            ending.set_result(is_asked_for)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, True)
    # There is no configuration to read again: a terminal that goes away is no reason to end.
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    book = Book()
    availability = Availability()
    server = Server(
        loop,
        read=availability.key_authorizations,
        book=book,
        most_connections=most_connections(),
        hopeless=lambda: end(False),
    )

    def switch(sockets: Sequence[socket.socket]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(server.listen, sockets)

    follower = Follower(hosts, book, Reporter(availability), switch)
    follower.start()
    watching = asyncio.create_task(_watch(follower, hopeless=lambda: end(False)))
    is_asked_for = await ending
    watching.cancel()
    if not is_asked_for:
        logger.critical("The database leaves questions unanswered: the process begins anew.")
    await server.stop()
    follower.finish()
    return is_asked_for


async def _watch(follower: Follower, *, hopeless: Callable[[], object]) -> None:
    while not follower.is_stuck(time.monotonic()):
        await asyncio.sleep(_WATCH_EVERY)
    hopeless()


def most_connections() -> int:
    """As many connections as the system lets us have descriptors for, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + _SPARE_DESCRIPTORS
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(1, allowed - _SPARE_DESCRIPTORS)
