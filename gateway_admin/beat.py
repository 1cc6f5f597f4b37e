"""Beat: its scheduler keeps the schedule in memory and gives a sign of life."""

from __future__ import annotations

import datetime
import logging
import os
import signal
import threading
import time
from typing import Any

from celery import bootsteps
from celery.beat import Scheduler, SchedulingError, Service
from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone

from certificates import heartbeats
from certificates.models import Component

logger = logging.getLogger("gateway_admin.beat")

HEARTBEAT_EVERY = 10.0  # seconds
# Farther ahead than what a clock that is kept right moves by.
CLOCK_STEP = datetime.timedelta(seconds=5)
# How long stopping may have to wait for the thread to look up.
LONGEST_NAP = 1  # seconds


class HeartbeatScheduler(Scheduler):
    """Remembers nothing across restarts: what is due is in the database, so all is due at start."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._next_heartbeat = 0.0
        # By the monotonic clock, for the watchdog.
        self.ticked_at = time.monotonic()
        super().__init__(*arguments, **options)

    def setup_schedule(self) -> None:
        """Read the schedule and let every entry run at once."""
        self.merge_inplace(self.app.conf.beat_schedule)
        long_ago = self.app.now() - datetime.timedelta(days=1)
        for entry in self.schedule.values():
            entry.last_run_at = long_ago

    def tick(self, *arguments: Any, **options: Any) -> float:
        """One round; a database that is away must not end the beat."""
        self.ticked_at = time.monotonic()
        self._forget_the_future()
        if time.monotonic() >= self._next_heartbeat:
            self._next_heartbeat = time.monotonic() + HEARTBEAT_EVERY
            self._show_life()
        return float(super().tick(*arguments, **options))

    def _forget_the_future(self) -> None:
        """A clock that was set back would leave everything undue until it has caught up."""
        now = self.app.now()
        last_runs = [entry.last_run_at for entry in self.schedule.values()]
        if any(last_run is not None and last_run > now + CLOCK_STEP for last_run in last_runs):
            for entry in self.schedule.values():
                entry.last_run_at = now - datetime.timedelta(days=1)
            self._heap = None

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send what is due; a broker that is away gets it when it is due next."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            logger.warning(
                "The message broker did not take %s (%s); it is sent when it is due next.",
                entry.name,
                error.__context__ or error,
            )

    def _ensure_connected(self) -> Any:
        """Not before there is something to send: waiting for the broker here would be silence."""
        return self.connection

    def _show_life(self) -> None:
        close_old_connections()
        try:
            heartbeats.beat(Component.BEAT, timezone.now())
        except DatabaseError:
            logger.warning("The database cannot be reached; beat goes on without a heartbeat.")
            connection.close()


class BeatThread(threading.Thread):
    """Beat inside the worker: a thread costs a few kilobytes, a process 45 megabytes."""

    def __init__(self, app: Any) -> None:
        super().__init__(name="beat", daemon=True)
        self.service = Service(app, max_interval=LONGEST_NAP, scheduler_cls=HeartbeatScheduler)

    def run(self) -> None:
        """Until it is stopped; a fault ends the worker too, which is then started again."""
        try:
            self.service.start()
        except Exception:
            logger.exception("Beat has failed, so the worker ends with it.")
            os.kill(os.getpid(), signal.SIGTERM)


class EmbeddedBeat(bootsteps.StartStopStep):
    """The worker's option ``--embedded-beat``."""

    def __init__(self, worker: Any, embedded_beat: bool = False, **options: Any) -> None:
        super().__init__(worker, **options)
        self.enabled = embedded_beat
        self.thread: BeatThread | None = None
        worker.embedded_beat = self

    def start(self, worker: Any) -> None:
        """Start the thread once the worker is up."""
        self.thread = BeatThread(worker.app)
        self.thread.start()

    def stop(self, worker: Any) -> None:
        """Stop within :data:`LONGEST_NAP`."""
        if self.thread is not None:
            self.thread.service.stop(wait=True)
