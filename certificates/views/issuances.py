"""The page of one issuance, which htmx asks again and again while it runs."""

from __future__ import annotations

import dataclasses

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from certificates import queries, requesting
from certificates.models import Issuance
from certificates.views.answers import HtmxHttpRequest, by, may_change, see_other, tell
from challenges.problems import ProblemError


@require_safe
def issuance(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """Its stages, what went wrong, what came of it."""
    try:
        details = queries.issuance_details(pk, timezone.now())
    except Issuance.DoesNotExist as error:
        raise Http404 from error
    may = may_change(request)
    can_hasten, can_cancel = details.can_be_hastened and may, details.can_be_cancelled and may
    context = {
        **{field.name: getattr(details, field.name) for field in dataclasses.fields(details)},
        "can_retry": details.can_be_retried and may,
        "can_hasten": can_hasten,
        "can_cancel": can_cancel,
        # What htmx tells back, so that only a change is told and drawn anew outside of the part.
        "sight": f"{details.issuance.state}-{can_hasten:d}{can_cancel:d}",
    }
    return render(request, "_issuance.html" if request.htmx else "issuance.html", context)


@require_POST
def issuance_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Give it up, and show what it looks like then."""
    running = get_object_or_404(Issuance, pk=pk)
    try:
        requesting.cancel(running, timezone.now(), by(request))
    except ProblemError as error:
        tell(request, error.problem)
    else:
        messages.success(request, _("The issuance was cancelled."))
    return see_other("issuance", pk)
