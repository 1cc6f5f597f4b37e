"""The worker of `run`, with beat inside: `python -m gateway_admin.worker`.

The same as `celery -A gateway_admin worker --pool threads --embedded-beat`, without Celery's
command line, whose interactive shell alone takes seven megabytes for as long as the worker runs.
"""

from __future__ import annotations

import os
import sys

CONCURRENCY = 4


def main() -> int:
    """Work until a signal; returns the exit status."""
    # The commands have checked the project; doing it again here would load every view.
    os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
    # Here, because importing the application reads the environment.
    from gateway_admin.celery import app  # noqa: PLC0415

    worker = app.Worker(
        pool="threads",
        concurrency=CONCURRENCY,
        loglevel="WARNING",
        quiet=True,
        embedded_beat=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
