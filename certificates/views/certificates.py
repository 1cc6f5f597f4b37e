"""The pages of certificates: what there is, one of them, its public files, putting it to use."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from certificates import deploying, exporting, queries, self_signing
from certificates.forms import SelfSignedForm
from certificates.models import Certificate, Gateway, Origin
from certificates.views.answers import attachment, by, rejected, see_other
from challenges.problems import Problem, ProblemError


@require_safe
def certificates(request: HttpRequest) -> HttpResponse:
    """All certificates, or one gateway's, and the requests that wait for an answer."""
    slug = request.GET.get("gateway", "")
    gateway = get_object_or_404(Gateway, slug=slug.replace("\0", "")) if slug else None
    page = queries.certificates_page(request.GET.get("page"), gateway, timezone.now())
    context = {
        "page": page,
        "gateway": gateway,
        "page_query": queries.page_query(gateway=slug),
        "requests": queries.open_requests(gateway) if page.number == 1 else None,
        "needs_first_gateway": not page.object_list and not Gateway.objects.exists(),
    }
    return render(request, "certificates.html", context)


@require_safe
def certificate(request: HttpRequest, pk: int) -> HttpResponse:
    """One certificate, without its private key."""
    context = certificate_context(pk)
    found: Certificate = context["certificate"]
    context |= {
        "details": queries.certificate_page(found, timezone.now()),
        "fingerprint": queries.in_groups(found.sha256),
        "serial": queries.in_groups(found.serial),
        "missing_names": queries.missing_names(found, found.gateway),
        "renewal_information": queries.renewal_information(found),
        "not_trusted": _not_trusted(found),
        "why_not_exported": exporting.why_not(found),
    }
    return render(request, "certificate.html", context)


@require_safe
def certificate_download(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """One of the certificate's public files."""
    found: Certificate = certificate_context(pk)["certificate"]
    try:
        content = exporting.files(found).get(name)
    except ProblemError as error:
        raise Http404 from error
    if not content:
        raise Http404
    return attachment(content, f"{queries.file_stem(found)}.{name}", "application/x-pem-file")


@require_http_methods(["GET", "HEAD", "POST"])
def certificate_use(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what would follow, and after the confirmation put the certificate to use."""
    context = certificate_context(pk)
    if request.method != "POST":
        return render(request, "certificate_use.html", _confirmation(context))
    chosen: Certificate = context["certificate"]
    try:
        deploying.select(chosen, chosen.gateway, timezone.now(), by(request))
    except ProblemError as error:
        return rejected(request, "certificate_use.html", _confirmation(context, error.problem))
    messages.success(request, _("The certificate is in use now."))
    return see_other("gateway", chosen.gateway.slug)


@require_http_methods(["GET", "HEAD", "POST"])
def certificate_self_signed(request: HttpRequest) -> HttpResponse:
    """A certificate that this console signs itself. It is not in use yet."""
    initial = {"gateway": request.GET.get("gateway", Gateway.DEFAULT_SLUG)}
    form = SelfSignedForm(request.POST or None, initial=initial)
    context = {"form": form, "not_trusted": self_signing.not_trusted()}
    if request.method != "POST":
        return render(request, "certificate_self_signed.html", context)
    if not form.is_valid():
        return rejected(request, "certificate_self_signed.html", context)
    try:
        made = self_signing.create(form.cleaned_data["gateway"], timezone.now(), by(request))
    except ProblemError as error:
        context |= {"problem": error.problem}
        return rejected(request, "certificate_self_signed.html", context)
    messages.success(request, _("The certificate was made. It is not in use yet."))
    return see_other("certificate", made.pk)


def certificate_context(pk: int) -> dict[str, Any]:
    """What all pages about one certificate draw; 404 where there is none."""
    found = get_object_or_404(
        Certificate.objects.select_related(
            "gateway__followed_files", "issuance", "renewal_information", "request"
        ).defer("sealed_key", "request__sealed_key"),
        pk=pk,
    )
    return {
        "row": queries.certificate_row(found, timezone.now()),
        "certificate": found,
        "gateway": found.gateway,
    }


def _not_trusted(certificate: Certificate) -> Problem | None:
    is_self_signed = certificate.origin == Origin.SELF_SIGNED
    return self_signing.not_trusted() if is_self_signed else None


def _confirmation(context: dict[str, Any], problem: Problem | None = None) -> dict[str, Any]:
    """The context with what would follow; why it cannot be is known before anybody presses."""
    chosen: Certificate = context["certificate"]
    now = timezone.now()
    problem = problem or deploying.why_not_selectable(chosen, chosen.gateway, now)
    consequences = [] if problem else queries.consequences_of_use(chosen)
    return {
        **context,
        "problem": problem,
        "consequences": consequences,
        "missing_issuer": queries.missing_issuer_of(chosen),
        "not_trusted": _not_trusted(chosen),
    }
