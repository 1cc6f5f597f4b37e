"""Found by every Python program with this folder in PYTHONPATH: faults for a worker, on order.

A file named `deaf` in the folder that FAULTS_ORDERED_IN names has the consumer take no more
messages, as after some reconnects of Celery's own; `beatless` has beat hang in its round. The
file is taken away once it has been obeyed, so that the next worker is sound. The task `tests.busy`
keeps a thread for so many seconds.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def obey(order: Path, fault: Callable[[], object]) -> None:
    """Wait for the order."""
    while not order.exists():
        time.sleep(0.05)
    fault()
    order.unlink()


def install(folder: Path) -> None:
    """Have the worker that is about to be started obey."""
    # Only in this worker: every other Python program reads this file as well.
    from celery import signals  # noqa: PLC0415

    def listen(sender: Any, **_: object) -> None:
        consumer = sender

        def go_deaf() -> None:
            consumer.call_soon(consumer.task_consumer.cancel)

        def lose_beat() -> None:
            from gateway_admin.beat import HeartbeatScheduler  # noqa: PLC0415

            setattr(HeartbeatScheduler, "_show_life", lambda _: time.sleep(3600))  # noqa: B010

        for name, fault in (("deaf", go_deaf), ("beatless", lose_beat)):
            threading.Thread(target=obey, args=(folder / name, fault), daemon=True).start()

    def learn(sender: Any, **_: object) -> None:
        def busy(seconds: float) -> None:
            time.sleep(seconds)
            sys.stdout.write("A long task has ended.\n")
            sys.stdout.flush()

        sender.app.task(busy, name="tests.busy", ignore_result=True)

    # Kept by a strong reference, since nothing else does.
    signals.worker_init.connect(learn, weak=False)
    signals.worker_ready.connect(listen, weak=False)


if "gateway_admin.worker" in sys.orig_argv:
    install(Path(os.environ["FAULTS_ORDERED_IN"]))
