"""The log that people read: a row, and the same as a structured line once it is committed."""

from __future__ import annotations

import datetime
import functools
import logging

from django.db import transaction
from django.utils import timezone

from certificates.models import Event, Gateway, Issuance, Level

logger = logging.getLogger("gateway_admin.events")

_LOGGING_LEVELS = {
    Level.INFO: logging.INFO,
    Level.WARNING: logging.WARNING,
    Level.ERROR: logging.ERROR,
}


def by_whom(name: str) -> str:
    """Who did it, to be put behind a verb; nothing where nobody has a name, as on the machine."""
    return f" by {name}" if name else ""


def record(
    code: str,
    message: str,
    *,
    level: Level = Level.INFO,
    gateway: Gateway | None = None,
    issuance: Issuance | None = None,
    detail: str = "",
    at: datetime.datetime | None = None,
) -> Event:
    """Write one event, in the caller's transaction: no change without its line, and no line
    without its change. ``message`` is our own sentence; what others said belongs in ``detail``.
    """
    event = Event.objects.create(
        at=at or timezone.now(),
        level=level,
        gateway=gateway,
        issuance=issuance,
        code=code,
        message=message,
        detail=detail,
    )
    fields: dict[str, object] = {
        "event": code,
        "gateway": gateway.slug if gateway else None,
        "issuance": issuance.pk if issuance else None,
        "detail": detail,
    }
    transaction.on_commit(
        functools.partial(logger.log, _LOGGING_LEVELS[level], "%s", message, extra=fields)
    )
    return event
