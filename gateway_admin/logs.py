"""Where log lines go: standard output for the services, standard error for the commands."""

from __future__ import annotations

import datetime
import logging
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pythonjsonlogger.json import JsonFormatter


class UtcFormatter(logging.Formatter):
    """One line of text whose time is ISO 8601 in UTC."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """The moment of the record, to the millisecond."""
        moment = datetime.datetime.fromtimestamp(record.created, tz=datetime.UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class UtcTextFormatter(UtcFormatter):
    """One line for each event, whatever is quoted in it; only a traceback adds lines of its own.

    What others wrote can so neither forge a line nor send commands to a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line; with a traceback of our own form, whoever else has written one before."""
        record.exc_text = None
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line, with everything that does not print written as an escape sequence."""
        return _escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """The traceback, its lines indented so that none looks like an event."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        """The stack, indented in the same way."""
        return _indented(super().formatStack(stack_info))


class UtcJsonFormatter(UtcFormatter, JsonFormatter):
    """One JSON document a line, with the same time."""


def _escaped(line: str) -> str:
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in line
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {_escaped(line)}" for line in text.split("\n"))


def is_news(record: logging.LogRecord) -> bool:
    """Whether a line is worth writing: who asks for the health gets told, and asks every second."""
    request = getattr(record, "request", None)
    return getattr(request, "path", "") != "/healthz"


def is_told_briefly(record: logging.LogRecord) -> bool:
    """Always: but a request that is refused for what its sender did gets a line and no traceback.

    Django logs these as errors of the program. What the sender did is in the message.
    """
    if getattr(record, "status_code", None) == HTTPStatus.BAD_REQUEST:
        record.exc_info = record.exc_text = None
        if record.levelno > logging.WARNING:
            record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


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
            "brief": {"()": "django.utils.log.CallbackFilter", "callback": is_told_briefly},
        },
        "formatters": {
            "text": {
                "()": "gateway_admin.logs.UtcTextFormatter",
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
                "filters": ["brief"],
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
