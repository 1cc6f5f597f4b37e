"""The log."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from certificates import queries
from certificates.forms import LogFilterForm
from certificates.views.answers import HtmxHttpRequest, rejected


@require_safe
def log(request: HtmxHttpRequest) -> HttpResponse:
    """Lines of the log, newest first; for htmx only the lines after those it has."""
    form = LogFilterForm(request.GET)
    template = "_events.html" if request.htmx else "log.html"
    if not form.is_valid():
        return rejected(request, template, {"form": form, "events": [], "newest_url": _url("")})
    page = queries.log_page(
        gateway=form.cleaned_data["gateway"],
        level=form.cleaned_data["level"],
        before=queries.Cut.parse(request.GET.get("before", "")),
    )
    return render(request, template, _context(form, page))


def _context(form: LogFilterForm, page: queries.LogPage) -> dict[str, Any]:
    return {
        "form": form,
        "events": page.events,
        "older_url": _url(page.older_query) if page.older_query else "",
        "newest_url": _url(page.newest_query),
        "is_newest": page.is_newest,
    }


def _url(query: str) -> str:
    return f"{reverse('log')}?{query}" if query else reverse("log")
