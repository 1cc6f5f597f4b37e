"""The pages of certificates: what there is, bringing one in, and putting one to use."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from certificates import deploying, queries
from certificates.forms import CertificateImportForm
from certificates.models import Certificate, Gateway
from certificates.views.answers import by, rejected, see_other
from challenges.problems import Problem, ProblemError


@require_safe
def certificates(request: HttpRequest) -> HttpResponse:
    """All certificates, or one gateway's."""
    slug = request.GET.get("gateway", "")
    gateway = get_object_or_404(Gateway, slug=slug.replace("\0", "")) if slug else None
    context = {
        "page": queries.certificates_page(request.GET.get("page"), gateway, timezone.now()),
        "gateway": gateway,
        "page_query": queries.page_query(gateway=slug),
    }
    return render(request, "certificates.html", context)


@require_safe
def certificate(request: HttpRequest, pk: int) -> HttpResponse:
    """One certificate, without its private key."""
    context = _context(pk)
    found: Certificate = context["certificate"]
    context |= {
        "fingerprint": queries.in_groups(found.sha256),
        "serial": queries.in_groups(found.serial),
        "missing_names": queries.missing_names(found, found.gateway),
        "renewal_information": queries.renewal_information(found),
    }
    return render(request, "certificate.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def certificate_import(request: HttpRequest) -> HttpResponse:
    """Bring in a certificate from elsewhere. It is not put to use yet."""
    form = _import_form(request)
    if request.method != "POST":
        return render(request, "certificate_import.html", {"form": form, "problem": None})
    if not form.is_valid():
        context = {"form": form, "problem": form.problem}
        return rejected(request, "certificate_import.html", context)
    stored, notes = form.store(timezone.now(), by(request))
    messages.success(request, _("The certificate was imported. It is not in use yet."))
    for note in notes:
        messages.warning(request, note.explanation)
    return see_other("certificate", stored.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def certificate_use(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what would follow, and after the confirmation put the certificate to use."""
    context = _context(pk)
    if request.method != "POST":
        return render(request, "certificate_use.html", _confirmation(context))
    chosen: Certificate = context["certificate"]
    try:
        deploying.select(chosen, chosen.gateway, timezone.now(), by(request))
    except ProblemError as error:
        return rejected(request, "certificate_use.html", _confirmation(context, error.problem))
    messages.success(request, _("The certificate is in use now."))
    return see_other("gateway", chosen.gateway.slug)


def _import_form(request: HttpRequest) -> CertificateImportForm:
    initial = {"gateway": request.GET.get("gateway", Gateway.DEFAULT_SLUG)}
    if request.method == "POST":
        return CertificateImportForm(request.POST, request.FILES, initial=initial)
    return CertificateImportForm(initial=initial)


def _context(pk: int) -> dict[str, Any]:
    found = get_object_or_404(
        Certificate.objects.select_related("gateway", "issuance", "renewal_information").defer(
            "sealed_key"
        ),
        pk=pk,
    )
    return {
        "row": queries.certificate_row(found, timezone.now()),
        "certificate": found,
        "gateway": found.gateway,
    }


def _confirmation(context: dict[str, Any], problem: Problem | None = None) -> dict[str, Any]:
    """The context with what would follow; why it cannot be is known before anybody presses."""
    chosen: Certificate = context["certificate"]
    now = timezone.now()
    problem = problem or deploying.why_not_selectable(chosen, chosen.gateway, now)
    consequences = [] if problem else queries.consequences_of_use(chosen)
    return {**context, "problem": problem, "consequences": consequences}
