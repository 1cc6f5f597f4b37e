"""The thread that looks, and the end of a process that does not end by itself."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery.worker import state

from certificates.models import Event
from gateway_admin import watchdog
from gateway_admin.beat import HeartbeatScheduler
from gateway_admin.celery import add_steps, app
from gateway_admin.watchdog import Watchdog
from tests.parts.processes import wait_until
from tests.parts.product import CHECKOUT, clean_environment


@dataclasses.dataclass
class Told:
    """A watch that does as it is told, and what it was asked."""

    reason: str | None = None
    fails: bool = False
    looks: int = 0
    excuses: int = 0

    def look(self, now: float) -> str | None:
        self.looks += 1
        if self.fails:
            raise ValueError("a fault of the watch")
        return self.reason

    def excuse(self, now: float) -> None:
        self.excuses += 1


def start(watch: Told, step: float = 1.0) -> tuple[Watchdog, list[str]]:
    """A watchdog whose seconds pass at once, and the reasons it gave for ending the process."""
    reasons: list[str] = []
    seconds: Iterator[float] = itertools.count(1_000.0, step)
    dog = Watchdog([watch], end=reasons.append, clock=lambda: next(seconds), look_every=0.001)
    dog.start()
    return dog, reasons


def test_it_looks_until_a_watch_says_why_the_process_should_end() -> None:
    watch = Told()
    dog, reasons = start(watch)
    wait_until(lambda: watch.looks > 5, "It looks")
    assert reasons == []
    watch.reason = "Enough."
    dog.join(10)
    assert reasons == ["Enough."]
    assert watch.excuses == 0


def test_a_process_that_stops_by_itself_may_take_its_time() -> None:
    watch = Told()
    dog, reasons = start(watch)
    dog.stop()
    watch.reason = "Enough."
    dog.join(10)
    assert reasons == []


def test_after_a_sleep_of_the_machine_everything_is_excused_before_it_is_looked_at() -> None:
    watch = Told()
    dog, _ = start(watch, step=60.0)
    wait_until(lambda: watch.looks > 5, "It looks")
    dog.stop()
    dog.join(10)
    assert watch.excuses == watch.looks


def test_a_watchdog_that_fails_ends_the_process_rather_than_being_blind() -> None:
    dog, reasons = start(Told(fails=True))
    dog.join(10)
    assert reasons == ["The watchdog has failed, so the process ends to be started again."]


HANGS = """
import os, signal, threading, time
os.environ["DJANGO_SETTINGS_MODULE"] = "gateway_admin.settings"
import django
django.setup()
from gateway_admin import watchdog
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("begun", time.monotonic(), flush=True)
threading.Thread(target=watchdog.end_process, args=("The worker sleeps.",)).start()
time.sleep(600)
"""


def test_a_process_that_does_not_obey_is_ended_all_the_same_and_says_why(tmp_path: Path) -> None:
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", HANGS],
        env=clean_environment() | {"GATEWAY_ADMIN_DATA_DIR": str(tmp_path)},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    begun = float(done.stdout.split("begun ")[1].split()[0])
    assert time.monotonic() - max(begin, begun) < watchdog.GRACE + 5
    assert "CRITICAL gateway_admin.watchdog The worker sleeps." in done.stdout
    assert "CRITICAL gateway_admin.watchdog MainThread: " in done.stdout
    # There is no database here at all, and that held nothing up.
    assert "only this log knows of it" in done.stdout


@pytest.mark.django_db(transaction=True)
def test_the_log_that_people_read_says_why_the_worker_was_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signals: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: signals.append((pid, number)))
    monkeypatch.setattr(watchdog, "GRACE", 3600.0)
    watchdog.end_process("The worker sleeps.")

    (event,) = Event.objects.all()
    assert (event.code, event.message) == ("process-ended-itself", "The worker sleeps.")
    assert "MainThread: " in event.detail
    assert signals == [(os.getpid(), signal.SIGTERM)]


def test_each_worker_has_a_queue_of_its_own_that_the_broker_forgets() -> None:
    before = dict(app.amqp.queues.consume_from)
    try:
        one, other = (watchdog.WorkerWatchdog(type("W", (), {"app": app})()) for _ in range(2))
        assert one.queue.name != other.queue.name
        assert {one.queue.name, other.queue.name} <= set(app.amqp.queues.consume_from)
        assert one.queue.as_dict()["expires"] == watchdog.QUEUE_EXPIRES_AFTER
        # No binding either, which the broker would keep.
        assert not one.queue.exchange.name
    finally:
        app.amqp.queues.consume_from.clear()
        app.amqp.queues.consume_from.update(before)


def test_every_worker_gets_the_watchdog_however_it_is_started() -> None:
    add_steps()
    assert watchdog.WorkerWatchdog in app.steps["worker"]


def test_a_round_of_beat_is_seen() -> None:
    scheduler = HeartbeatScheduler(app, lazy=True)
    scheduler.ticked_at = 0.0
    # No heartbeat and nothing due: a round all the same.
    scheduler._next_heartbeat = time.monotonic() + 3600
    scheduler.tick()
    assert time.monotonic() - scheduler.ticked_at < 60


def test_a_broker_that_is_away_costs_beat_a_line_and_no_time(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.conf, "broker_write_url", "redis://127.0.0.1:1/0")
    scheduler = HeartbeatScheduler(app)
    begin = time.monotonic()
    scheduler.apply_entry(scheduler.schedule["heartbeat"], producer=scheduler.producer)
    scheduler.close()

    assert time.monotonic() - begin < 10
    (record,) = caplog.records
    assert record.getMessage().startswith("The message broker did not take heartbeat (")
    assert record.exc_info is None


def test_the_tasks_at_work_are_told_while_others_come_and_go() -> None:
    assert watchdog._active() == frozenset(request.id for request in state.active_requests)
