"""The overview and the list of warnings."""

from __future__ import annotations

import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from certificates import queries


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """How everything stands."""
    context = _overview_context(request.GET.get("page"), timezone.now())
    return render(request, "overview.html", context)


@require_safe
def warnings(request: HttpRequest) -> HttpResponse:
    """Everything that is wrong now."""
    now = timezone.now()
    console = queries.console(now)
    current = queries.current_warnings(now, console)
    context = {
        "problems": current.problems,
        "problem_count": current.count,
        "components": console.parts,
    }
    return render(request, "warnings.html", context)


def _overview_context(number: str | None, now: datetime.datetime) -> dict[str, Any]:
    found = queries.overview(number, now)
    return {
        "page": found.page,
        "page_query": "",
        "components": found.console.parts,
        "network": found.console.network,
        "listener": found.console.listener,
        "problems": found.warnings.problems,
        "problem_count": found.warnings.count,
        "events": found.events,
        "needs_first_gateway": not found.page.paginator.count,
    }
