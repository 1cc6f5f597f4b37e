"""Asks the parts whether they are alive. What their answers mean is in policy/health.py."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from kombu.exceptions import KombuError

from certificates import queries
from certificates.policy import health
from certificates.policy.health import PartStatus
from gateway_admin.celery import app

BROKER_PATIENCE = 2  # seconds


def read(now: datetime.datetime) -> tuple[PartStatus, ...]:
    """The status of every part, the broker included. Never raises."""
    broker_ok = broker_answers()
    try:
        return queries.part_statuses(now, broker_ok=broker_ok)
    except DatabaseError:
        # A broken connection is not used again; the next request makes a new one.
        connection.close()
        return health.parts(
            now, heartbeats={}, listener=None, database_ok=False, broker_ok=broker_ok
        )


def broker_answers() -> bool:
    """Whether messages can be sent: the embedded broker's folders, or the server's greeting."""
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    if "data_folder_in" in options:
        folder = str(options["data_folder_in"])
        return Path(folder).is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    patience = {"socket_timeout": BROKER_PATIENCE, "socket_connect_timeout": BROKER_PATIENCE}
    with app.connection_for_write(transport_options=patience) as broker:
        try:
            broker.ensure_connection(max_retries=0)
        except (KombuError, OSError):
            return False
        return True
