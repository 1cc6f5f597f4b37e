"""The overview and the list of warnings."""

from __future__ import annotations

import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from certificates import queries

GATEWAYS_ON_OVERVIEW = 20
PROBLEMS_ON_OVERVIEW = 5
EVENTS_ON_OVERVIEW = 8


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
    console = queries.console(now)
    current = queries.current_warnings(now, console, most=PROBLEMS_ON_OVERVIEW)
    page = queries.gateways_page(number, "", now, size=GATEWAYS_ON_OVERVIEW)
    return {
        "page": page,
        "page_query": "",
        "components": console.parts,
        "network": console.network,
        "listener": console.listener,
        "problems": current.problems,
        "problem_count": current.count,
        "events": queries.newest_events(EVENTS_ON_OVERVIEW),
        "needs_first_gateway": not page.paginator.count,
    }
