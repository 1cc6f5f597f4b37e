"""The page of one issuance, which htmx asks again and again while it runs."""

from __future__ import annotations

import dataclasses

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from certificates import queries
from certificates.models import Issuance
from certificates.views.answers import HtmxHttpRequest, may_change


@require_safe
def issuance(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """Its stages, what went wrong, what came of it."""
    try:
        details = queries.issuance_details(pk, timezone.now())
    except Issuance.DoesNotExist as error:
        raise Http404 from error
    context = {
        **{field.name: getattr(details, field.name) for field in dataclasses.fields(details)},
        "can_retry": details.can_be_retried and may_change(request),
    }
    return render(request, "_issuance.html" if request.htmx else "issuance.html", context)
