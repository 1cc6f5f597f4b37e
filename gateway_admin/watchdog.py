"""Ends a worker or beat that runs but does nothing any more, so that it is started again.

A worker's consumer has been known to stay up and take no more messages after the broker was
away. What would notice it from outside, a heartbeat row, cannot tell two workers apart, and a
container engine does not restart what is unhealthy: so every process watches itself, from a thread
of its own that needs neither the pool nor the database. What counts as dead is in watches.py.
Whoever started the process starts it again: supervisord under `run`, the restart policy of a
container, systemd.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from celery import bootsteps
from celery.worker import state
from django.db import Error as DatabaseError
from django.db import connection
from kombu import Queue

from certificates import events
from certificates.models import Level
from gateway_admin import health
from gateway_admin.beat import EmbeddedBeat, HeartbeatScheduler
from gateway_admin.celery import app
from gateway_admin.watches import BeatWatch, ConsumerWatch, PoolWatch, Watch

logger = logging.getLogger("gateway_admin.watchdog")

LOOK_EVERY = 1.0  # seconds
# A thread that wakes up later than this was stopped together with everything else: the machine
# slept, or somebody sent SIGSTOP.
LATE = 5.0  # seconds
# For the events to be written and the process to stop by itself; everything can be resumed.
GRACE = 4.0  # seconds
# Redis forgets the queue of a worker that was killed.
QUEUE_EXPIRES_AFTER = 60.0  # seconds


@app.task(name="gateway_admin.watchdog.ping", ignore_result=True)
def ping() -> None:
    """Nothing; that it was begun is all that counts."""


class Watchdog(threading.Thread):
    """Looks every second, and ends the process when a watch says why."""

    def __init__(
        self,
        watches: Sequence[Watch],
        *,
        end: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        look_every: float = LOOK_EVERY,
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._watches = watches
        self._end = end or end_process
        self._clock = clock
        self._look_every = look_every
        self._stopped = threading.Event()

    def run(self) -> None:
        """Until it is stopped; a fault of its own ends the process too."""
        try:
            reason = self._watch()
        except Exception:
            logger.exception("The watchdog met a fault of its own.")
            reason = "The watchdog has failed, so the process ends to be started again."
        if reason is not None:
            self._end(reason)

    def stop(self) -> None:
        """Look no more: the process is stopping, and may take its time."""
        self._stopped.set()

    def _watch(self) -> str | None:
        last = self._clock()
        while not self._stopped.wait(self._look_every):
            now = self._clock()
            if now - last > LATE:
                for watch in self._watches:
                    watch.excuse(now)
            last = now
            for watch in self._watches:
                if (reason := watch.look(now)) is not None and not self._stopped.is_set():
                    return reason
        return None


def end_process(reason: str) -> None:
    """End this process within :data:`GRACE` seconds, whatever its other threads do."""
    # First of all, because a database that hangs must not hold up the end.
    killer = threading.Timer(GRACE, os._exit, [1])
    killer.daemon = True
    killer.start()
    whereabouts = _whereabouts()
    # An event of the log is one line.
    for line in (f"{reason} Where its threads are:", *whereabouts.splitlines()):
        logger.critical("%s", line)
    try:
        events.record("process-ended-itself", reason, level=Level.WARNING, detail=whereabouts)
    except DatabaseError:
        logger.warning("The database cannot be reached, so only this log knows of it.")
    os.kill(os.getpid(), signal.SIGTERM)


class WorkerWatchdog(bootsteps.StartStopStep):
    """The worker's step: a queue of its own, and the thread."""

    requires = (EmbeddedBeat,)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self.thread: Watchdog | None = None
        name = f"watch-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        # Without an exchange, so that no table of bindings grows with every start.
        self.queue = Queue(name, routing_key=name, expires=QUEUE_EXPIRES_AFTER)
        worker.app.amqp.queues.consume_from[name] = self.queue

    def start(self, worker: Any) -> None:
        """Start watching, before the consumer connects."""
        self.thread = Watchdog(self._watches(worker))
        self.thread.start()

    def close(self, worker: Any) -> None:
        """The worker begins to stop: messages are taken no more, tasks are finished."""
        if self.thread is not None:
            self.thread.stop()

    def stop(self, worker: Any) -> None:
        """Stop, if :meth:`close` has not been called before."""
        self.close(worker)

    def _watches(self, worker: Any) -> list[Watch]:
        now = time.monotonic()
        found: list[Watch] = [
            ConsumerWatch(
                now,
                ping=self._send,
                begun=lambda: int(state.total_count[ping.name]),
                is_saturated=lambda: len(_active()) >= worker.concurrency,
            ),
            PoolWatch(worker.concurrency, _active),
        ]
        beat = worker.embedded_beat.thread
        if beat is not None:
            found.append(_beat_watch(beat.service.scheduler))
        return found

    def _send(self) -> bool:
        try:
            ping.apply_async(queue=self.queue, retry=False)
        except Exception:
            # Whatever it is, it is the broker's; the consumer and /healthz tell of that.
            logger.debug("The broker took no message.", exc_info=True)
            return False
        return True


def watch_beat(service: Any) -> None:
    """Watch the beat of a process that is nothing else (`celery beat`)."""
    Watchdog([_beat_watch(service.scheduler)]).start()


def _beat_watch(scheduler: HeartbeatScheduler) -> BeatWatch:
    return BeatWatch(
        time.monotonic(),
        ticked_at=lambda: scheduler.ticked_at,
        surroundings_answer=lambda: health.broker_answers() and _database_answers(),
    )


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    finally:
        connection.close()
    return True


def _active() -> frozenset[str]:
    """The tasks that are being carried out."""
    while True:
        try:
            return frozenset(request.id for request in state.active_requests)
        except RuntimeError:
            # Another thread began or ended one meanwhile.
            continue


def _whereabouts() -> str:
    """The innermost line of ours or others that each thread is at."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"{names.get(ident, ident)}: {frame.f_globals.get('__name__')}, "
        f"{frame.f_code.co_name}, line {frame.f_lineno}"
        for ident, frame in sys._current_frames().items()
    )
