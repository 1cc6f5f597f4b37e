"""The pages of gateways, and what can be done with one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render, resolve_url
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from certificates import (
    configuring,
    deploying,
    preflighting,
    queries,
    requesting,
    self_signing,
    tasks,
)
from certificates.forms import GatewayForm
from certificates.models import Gateway, Origin, Trigger
from certificates.views.answers import (
    HtmxHttpRequest,
    SeeOther,
    by,
    rejected,
    see_other,
    tell,
)
from challenges.models import NetworkSettings
from challenges.problems import Problem, ProblemError


@require_safe
def gateways(request: HttpRequest) -> HttpResponse:
    """All gateways, or those that were searched for."""
    search = request.GET.get("q", "").replace("\0", "").strip()
    page = queries.gateways_page(request.GET.get("page"), search, timezone.now())
    context = {"page": page, "search": search, "page_query": queries.page_query(q=search)}
    return render(request, "gateways.html", context)


@require_safe
def gateway(request: HtmxHttpRequest, slug: str) -> HttpResponse:
    """One gateway; htmx gets the part that tells of its preflight alone."""
    try:
        if request.htmx:
            row, preflight = queries.gateway_preflight(slug, timezone.now())
            return render(request, "_preflight.html", {"gateway": row, "preflight": preflight})
        return render(request, "gateway.html", _gateway_context(slug))
    except Gateway.DoesNotExist as error:
        raise Http404 from error


@require_http_methods(["GET", "HEAD", "POST"])
def gateway_add(request: HttpRequest) -> HttpResponse:
    """A new gateway. The first one is asked for without a short name: it is the default one."""
    first_steps = not Gateway.objects.exists()
    new = Gateway(slug=Gateway.DEFAULT_SLUG if first_steps else "")
    form = GatewayForm(new, timezone.now(), data=request.POST or None, ask_slug=not first_steps)
    return _configure(request, form, first_steps=first_steps)


@require_http_methods(["GET", "HEAD", "POST"])
def gateway_settings(request: HttpRequest, slug: str) -> HttpResponse:
    """The settings of one gateway."""
    existing = get_object_or_404(Gateway, slug=slug)
    form = GatewayForm(existing, timezone.now(), data=request.POST or None)
    return _configure(request, form, first_steps=False)


@require_POST
def gateway_issue(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for a certificate, whichever the button's word; or go to the issuance that is running."""
    return _request(request, slug, Trigger.MANUAL)


@require_POST
def gateway_rehearse(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for a rehearsal of the renewal; or go to the one that is running."""
    return _request(request, slug, Trigger.REHEARSAL)


@require_POST
def gateway_preflight(request: HttpRequest, slug: str) -> HttpResponse:
    """Have a worker look at the surroundings; or go to the preflight that is running."""
    existing = get_object_or_404(Gateway, slug=slug)
    preflight = preflighting.begin(existing, timezone.now())
    tasks.enqueue_preflight(preflight.pk)
    return SeeOther(f"{resolve_url('gateway', slug)}#findings")


@require_POST
def gateway_use_lets_encrypt(request: HttpRequest, slug: str) -> HttpResponse:
    """Leave the manual source."""
    existing = get_object_or_404(Gateway, slug=slug)
    try:
        returned = deploying.return_to_lets_encrypt(existing, timezone.now(), by(request))
    except ProblemError as error:
        tell(request, error.problem)
        return see_other("gateway", slug)
    existing.refresh_from_db()
    _follow_up(request, existing, returned)
    return see_other("gateway", slug)


def _request(request: HttpRequest, slug: str, trigger: Trigger) -> HttpResponse:
    gateway = get_object_or_404(Gateway, slug=slug)
    try:
        issuance = requesting.request(gateway, trigger=trigger, now=timezone.now(), by=by(request))
    except ProblemError as error:
        tell(request, error.problem)
        return see_other("gateway", slug)
    tasks.enqueue_advance(issuance.pk)
    return see_other("issuance", issuance.pk)


def _follow_up(request: HttpRequest, gateway: Gateway, returned: deploying.Returned) -> None:
    """After a return to Let's Encrypt: say what comes of it, and have begun what was asked for."""
    sentence = configuring.what_follows(gateway, returned)
    if returned.held_back is None:
        messages.success(request, sentence)
    else:
        messages.warning(request, sentence)
        tell(request, returned.held_back)
    if returned.issuance is not None:
        tasks.enqueue_advance(returned.issuance.pk)


def _configure(request: HttpRequest, form: GatewayForm, *, first_steps: bool) -> HttpResponse:
    context = _form_context(form, first_steps)
    if request.method != "POST":
        return render(request, "gateway_form.html", context)
    configured = form.store(by(request))
    if configured is None or configured.gateway is None:
        return rejected(request, "gateway_form.html", context)
    messages.success(request, _("The settings were saved."))
    for typed, stored in form.converted():
        sentence = _("“%(typed)s” is written “%(stored)s” in the DNS and in certificates.")
        messages.info(request, sentence % {"typed": typed, "stored": stored})
    if configured.returned is not None:
        _follow_up(request, configured.gateway, configured.returned)
    return see_other("gateway", configured.gateway.slug)


def _form_context(form: GatewayForm, first_steps: bool) -> dict[str, Any]:
    network = NetworkSettings.load()
    return {
        "form": form,
        "gateway": form.gateway if form.gateway.pk else None,
        "first_steps": first_steps,
        "network": network,
        "challenge_port": network.challenge_port,
        "hostname": form.gateway.hostname,
        "scenario": form["network_scenario"].value(),
    }


def _gateway_context(slug: str) -> dict[str, Any]:
    details = queries.gateway_details(slug, timezone.now())
    summary, network = details.summary, details.network
    return {
        "summary": summary,
        "gateway": summary.gateway,
        "network": network,
        "challenge_port": network.challenge_port,
        "hostname": summary.gateway.hostname,
        "scenario": network.scenario,
        "issue_label": summary.issue_label,
        "live_issuance": summary.live_issuance,
        "waiting_until": details.waiting_until,
        "failed_issuance": summary.failed_issuance,
        "preflight": details.preflight,
        "allowances": details.allowances,
        "is_overdrawn": any(not each.left for each in details.allowances),
        "why_not": details.why_not,
        "why_no_rehearsal": details.why_no_rehearsal,
        "issuances": details.issuances,
        "certificates": details.certificates,
        "events": details.events,
        "followed": queries.followed(summary.gateway),
        "not_trusted": _not_trusted(summary),
    }


def _not_trusted(summary: queries.GatewaySummary) -> Problem | None:
    """A self-signed certificate is in use, and no warning says so already."""
    certificate, problem = summary.certificate, self_signing.not_trusted()
    is_self_signed = certificate is not None and certificate.origin == Origin.SELF_SIGNED
    is_told = any(warning.code == problem.code for warning in summary.warnings)
    return problem if is_self_signed and not is_told else None
