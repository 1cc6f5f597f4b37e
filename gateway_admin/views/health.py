"""The page for monitoring."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from certificates.policy.health import is_healthy
from gateway_admin import health


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """200 only while everything necessary is alive; else 503, naming what is down."""
    statuses = health.read(timezone.now())
    healthy = is_healthy(statuses)
    body = {
        "status": "ok" if healthy else "down",
        "components": {status.name: status.status for status in statuses},
        "explanations": [status.explanation for status in statuses if not status.is_ok],
    }
    return JsonResponse(body, status=HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE)
