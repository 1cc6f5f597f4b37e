"""The Celery application."""

from __future__ import annotations

import logging.config
import os
import threading
from pathlib import Path

from celery import Celery, signals
from click import Option
from django.conf import settings
from django.db import close_old_connections
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_admin.settings")

# What filesystem:// means is Kombu's own to register, and this is where it looks.
TRANSPORT_ALIASES["filesystem"] = "gateway_admin.embedded_broker:Transport"

app = Celery("gateway_admin")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["certificates"])
app.user_options["worker"].add(
    Option(["--embedded-beat"], is_flag=True, help="Run beat in a thread of this worker.")
)


@signals.celeryd_init.connect
def add_steps(**_: object) -> None:
    """Give the worker its beat and its watchdog, however it was started.

    Imported here because they need the models, hence Django set up.
    """
    from gateway_admin.beat import EmbeddedBeat  # noqa: PLC0415
    from gateway_admin.watchdog import WorkerWatchdog  # noqa: PLC0415

    app.steps["worker"].update((EmbeddedBeat, WorkerWatchdog))


@signals.beat_init.connect
def watch_beat(sender: object, **_: object) -> None:
    """Give a beat that is a process of its own its watchdog; the worker's is watched by that."""
    from gateway_admin import watchdog  # noqa: PLC0415

    if threading.current_thread() is threading.main_thread():
        watchdog.watch_beat(sender)


@signals.setup_logging.connect
def use_our_logging(**_: object) -> None:
    """Keep Celery from installing handlers of its own."""
    logging.config.dictConfig(settings.LOGGING)


@signals.task_prerun.connect
@signals.task_postrun.connect
def keep_sound_connections(**_: object) -> None:
    """What Django does around a request: a task keeps its thread's connection while it is sound.

    Celery would close it before and after every task (CELERY_DB_REUSE_MAX keeps it from that), and
    on PostgreSQL a new one costs as much as a third of an order.
    """
    close_old_connections()


def prepare_broker() -> None:
    """Make the folder of the embedded broker; a no-op for Redis and Valkey."""
    folder = settings.CELERY_BROKER_TRANSPORT_OPTIONS.get("data_folder_in")
    if folder is not None:
        Path(str(folder)).mkdir(mode=0o700, parents=True, exist_ok=True)
