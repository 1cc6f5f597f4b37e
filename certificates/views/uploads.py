"""Bringing certificates in: new ones, and new versions of those that are here."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from certificates import adding, queries
from certificates.forms import CertificateImportForm, CertificateReplaceForm
from certificates.models import Certificate, Gateway
from certificates.views.answers import by, rejected, see_other
from certificates.views.certificates import certificate_context
from challenges.problems import Problem, Severity


@require_http_methods(["GET", "HEAD", "POST"])
def certificate_import(request: HttpRequest) -> HttpResponse:
    """Bring in a certificate from elsewhere. It is not put to use yet."""
    initial = {"gateway": request.GET.get("gateway", Gateway.DEFAULT_SLUG)}
    form = CertificateImportForm(initial=initial, **sent(request))
    if request.method != "POST":
        return render(request, "certificate_import.html", {"form": form})
    stored = form.store(timezone.now(), by(request)) if form.is_valid() else None
    if stored is None:
        return rejected(request, "certificate_import.html", {"form": form, "problem": form.problem})
    certificate, notes = stored
    tell_stored(request, certificate, notes)
    return see_other("certificate", certificate.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def certificate_replace(request: HttpRequest, pk: int) -> HttpResponse:
    """A new version of a certificate; where that one is in use, the new one is from now on."""
    context = certificate_context(pk)
    replaced: Certificate = context["certificate"]
    form = CertificateReplaceForm(replaced, **sent(request))
    context |= {
        "form": form,
        "why_not": queries.why_not_replaceable(replaced),
        "is_line_used": queries.is_line_used(replaced),
    }
    if request.method != "POST":
        return render(request, "certificate_replace.html", context)
    possible = not context["why_not"] and form.is_valid()
    stored = form.store(timezone.now(), by(request)) if possible else None
    if stored is None:
        context["problem"] = form.problem
        return rejected(request, "certificate_replace.html", context)
    certificate, notes = stored
    tell_stored(request, certificate, notes)
    return see_other("certificate", certificate.pk)


def sent(request: HttpRequest) -> dict[str, Any]:
    """What a form with files is made of; nothing before it was sent."""
    if request.method != "POST":
        return {}
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    # Django keeps no file of a request that is longer.
    is_too_large = length > settings.FILE_UPLOAD_MAX_MEMORY_SIZE
    return {"data": request.POST, "files": request.FILES, "is_too_large": is_too_large}


def tell_stored(request: HttpRequest, certificate: Certificate, notes: list[Problem]) -> None:
    """Say what became of it, and what was found that does not forbid keeping it."""
    is_in_use = Gateway.objects.filter(selected_certificate=certificate).exists()
    if adding.was_known(notes):
        # The note says what there is to say.
        pass
    elif is_in_use:
        messages.success(request, _("The certificate was imported, and it is in use."))
    else:
        messages.success(request, _("The certificate was imported. It is not in use yet."))
    for note in notes:
        tell = messages.info if note.severity is Severity.INFO else messages.warning
        tell(request, " ".join((note.explanation, *note.remedy)))
