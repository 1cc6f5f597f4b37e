"""The page for monitoring."""

from __future__ import annotations

import datetime
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from certificates.policy.health import PartStatus, is_healthy, last_sweep
from gateway_admin import health


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """200 only while everything necessary is alive; else 503, naming what is down.

    For each silent part: since when, and what to do. Times are ISO 8601 in UTC.
    """
    now = timezone.now()
    statuses = health.read(now)
    healthy = is_healthy(statuses)
    body = {
        "status": "ok" if healthy else "down",
        "components": {status.name: status.status for status in statuses},
        "explanations": [status.explanation for status in statuses if not status.is_ok],
        **_silences(statuses),
        **_sweep(statuses, now),
    }
    return JsonResponse(body, status=HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE)


def _silences(statuses: tuple[PartStatus, ...]) -> dict[str, object]:
    return {
        "silent_since": {
            status.name: _moment(status.silent_since) for status in statuses if status.silent_since
        },
        "remedy": {status.name: status.remedy for status in statuses if not status.is_ok},
    }


def _sweep(statuses: tuple[PartStatus, ...], now: datetime.datetime) -> dict[str, object]:
    ended_at = last_sweep(statuses)
    return {
        "last_sweep_at": _moment(ended_at) if ended_at else None,
        "last_sweep_age_seconds": (
            max(0, int((now - ended_at).total_seconds())) if ended_at else None
        ),
    }


def _moment(value: datetime.datetime) -> str:
    return value.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
