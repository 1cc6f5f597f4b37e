"""The pages of certificate requests: making one, its CSR, the CA's answer, giving it up."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from certificates import applying, queries
from certificates.forms import AnswerForm, RequestForm
from certificates.models import CertificateRequest, Gateway
from certificates.views.answers import attachment, by, rejected, see_other
from certificates.views.uploads import sent, tell_stored


@require_http_methods(["GET", "HEAD", "POST"])
def request_add(request: HttpRequest) -> HttpResponse:
    """Make a key and a request for it."""
    slug = request.GET.get("gateway", Gateway.DEFAULT_SLUG).replace("\0", "")
    gateway = Gateway.objects.filter(slug=slug).first()
    form = RequestForm(gateway, request.POST or None)
    if request.method != "POST":
        return render(request, "request_form.html", {"form": form})
    made = form.store(timezone.now(), by(request)) if form.is_valid() else None
    if made is None:
        return rejected(request, "request_form.html", {"form": form})
    messages.success(request, _("The private key was made and sealed. Send the request to the CA."))
    return see_other("certificate_request", made.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def certificate_request(request: HttpRequest, pk: int) -> HttpResponse:
    """One request, and where the CA's answer to it is brought."""
    found = _request(pk)
    form = AnswerForm(found, **sent(request))
    context = {
        "found": found,
        "gateway": found.gateway,
        "form": form,
        "subject": queries.subject_rows(found),
        "key_type": queries.key_label(found.key_type),
    }
    if request.method != "POST":
        return render(request, "request.html", context)
    stored = form.store(timezone.now(), by(request)) if form.is_valid() else None
    if stored is None:
        return rejected(request, "request.html", {**context, "problem": form.problem})
    certificate, notes = stored
    tell_stored(request, certificate, notes)
    return see_other("certificate", certificate.pk)


@require_safe
def request_csr(request: HttpRequest, pk: int) -> HttpResponse:
    """The request as a file for the CA."""
    found = _request(pk)
    name = f"{queries.file_stem(found)}.csr"
    return attachment(found.csr_pem.encode(), name, "application/pkcs10")


@require_http_methods(["GET", "HEAD", "POST"])
def request_discard(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a request up together with its key, once that was confirmed."""
    found = _request(pk)
    if request.method != "POST":
        context = {"found": found, "gateway": found.gateway}
        return render(request, "request_discard.html", context)
    if applying.discard(found, timezone.now(), by(request)):
        messages.success(request, _("The request and its private key were deleted."))
    else:
        messages.success(
            request,
            _("The request was deleted. The certificate that answered it keeps its private key."),
        )
    return see_other("certificates")


def _request(pk: int) -> CertificateRequest:
    return get_object_or_404(
        CertificateRequest.objects.select_related("gateway", "certificate").defer(
            "sealed_key", "certificate__sealed_key", "certificate__chain_pem"
        ),
        pk=pk,
    )
