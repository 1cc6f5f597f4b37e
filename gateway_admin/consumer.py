"""The worker's consumer, which is back soon after the broker is.

Celery's own waits up to 30 seconds between two attempts to connect, and gives up after a hundred.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.state import maybe_shutdown

logger = logging.getLogger("gateway_admin.worker")

LONGEST_PAUSE = 5  # seconds
TELL_EVERY = 60.0  # seconds


class Consumer(CeleryConsumer):
    """Named by the setting CELERY_WORKER_CONSUMER."""

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, trying again for as long as it takes, at most :data:`LONGEST_PAUSE` apart."""
        told_at: float | None = None

        def tell(error: Exception, pause: float) -> None:
            nonlocal told_at
            if told_at is None or time.monotonic() - told_at >= TELL_EVERY:
                told_at = time.monotonic()
                logger.warning(
                    "The message broker cannot be reached (%s); the worker goes on trying every "
                    "%d seconds and loses nothing meanwhile.",
                    error,
                    LONGEST_PAUSE,
                )

        conn.ensure_connection(
            tell,
            None,
            interval_start=1,
            interval_step=1,
            interval_max=LONGEST_PAUSE,
            callback=maybe_shutdown,
        )
        self.first_connection_attempt = False
        self.broker_connection_retry_attempt = 0
        if told_at is not None:
            logger.warning("The message broker is there again.")
        return conn
