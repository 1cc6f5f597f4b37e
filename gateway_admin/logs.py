"""Where log lines go: standard output for the services, standard error for the commands."""

from __future__ import annotations

import datetime
import logging
import sys
from pathlib import Path

from pythonjsonlogger.json import JsonFormatter


class UtcFormatter(logging.Formatter):
    """One line of text whose time is ISO 8601 in UTC."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """The moment of the record, to the millisecond."""
        moment = datetime.datetime.fromtimestamp(record.created, tz=datetime.UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class UtcJsonFormatter(UtcFormatter, JsonFormatter):
    """One JSON document a line, with the same time."""


def is_news(record: logging.LogRecord) -> bool:
    """Whether a line is worth writing: who asks for the health gets told, and asks every second."""
    request = getattr(record, "request", None)
    return getattr(request, "path", "") != "/healthz"


def configuration(log_format: str) -> dict[str, object]:
    """Django's LOGGING for ``text`` or ``json`` lines.

    A command's standard output is its answer, so its log lines go to standard error.
    """
    is_command = Path(sys.argv[0]).name == "manage.py"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "news": {"()": "django.utils.log.CallbackFilter", "callback": is_news},
        },
        "formatters": {
            "text": {
                "()": "gateway_admin.logs.UtcFormatter",
                "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
            },
            "json": {
                "()": "gateway_admin.logs.UtcJsonFormatter",
                "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
                "rename_fields": {"asctime": "at", "levelname": "level", "name": "logger"},
            },
        },
        "handlers": {
            "stream": {
                "class": "logging.StreamHandler",
                "stream": f"ext://sys.{'stderr' if is_command else 'stdout'}",
                "formatter": log_format,
            },
        },
        "root": {"handlers": ["stream"], "level": "WARNING"},
        "loggers": {
            "gateway_admin": {"level": "INFO"},
            # Its debug lines quote signed requests and whole answers.
            "acme": {"level": "WARNING"},
            # Warns at each start that the embedded broker's address has no host, as it must not.
            "kombu.connection": {"level": "ERROR"},
            "django.request": {"filters": ["news"]},
            "django": {"handlers": ["stream"], "level": "WARNING", "propagate": False},
        },
    }
