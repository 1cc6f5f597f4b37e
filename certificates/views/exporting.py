"""Handing out a private key: to an Administrator, after the password once more, by POST alone."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from certificates import exporting, queries
from certificates.forms import ExportForm
from certificates.forms.exporting import Format
from certificates.models import Certificate
from certificates.views.answers import attachment, by, rejected
from certificates.views.certificates import certificate_context
from challenges.problems import ProblemError


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def certificate_export(request: HttpRequest, pk: int) -> HttpResponse:
    """The form, and as its answer the file."""
    context: dict[str, Any] = certificate_context(pk)
    # Everybody who gets here is signed in, or the access rules would have answered.
    certificate: Certificate = context["certificate"]
    form = ExportForm(request.user, certificate, request.POST or None)  # type: ignore[arg-type]
    why_not = exporting.why_not(certificate)
    context |= {"form": form, "problem": why_not, "is_possible": why_not is None}
    if request.method != "POST":
        return render(request, "certificate_export.html", context)
    if why_not or not form.is_valid():
        return rejected(request, "certificate_export.html", context)
    try:
        return _file(request, certificate, form)
    except ProblemError as error:
        return rejected(request, "certificate_export.html", {**context, "problem": error.problem})


def _file(request: HttpRequest, certificate: Certificate, form: ExportForm) -> HttpResponse:
    stem, who = queries.file_stem(certificate), by(request)
    if form.wanted.is_pfx:
        content = exporting.pfx(
            certificate, form.password or "", legacy=form.wanted is Format.PFX_LEGACY, by=who
        )
        return attachment(content, f"{stem}.pfx", "application/x-pkcs12")
    content = exporting.private_key_pem(certificate, form.password, by=who)
    return attachment(content, f"{stem}.privkey.pem", "application/x-pem-file")
