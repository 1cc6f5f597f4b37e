"""What the network needs, step by step: for one gateway, for none yet, and on paper."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from certificates import queries
from certificates.models import Gateway
from certificates.policy import guidance as policy
from certificates.policy.guidance_steps import STEPS
from certificates.views.answers import HtmxHttpRequest
from challenges.models import NetworkScenario


@require_safe
def guidance(request: HtmxHttpRequest, slug: str) -> HttpResponse:
    """One gateway's guidance; htmx gets the part with the ticks alone."""
    template = "_guidance_live.html" if request.htmx else "guidance.html"
    return render(request, template, _context(_shown(slug, request.GET.get("scenario"))))


@require_safe
def guidance_request(request: HtmxHttpRequest, slug: str) -> HttpResponse:
    """One sheet of paper for whoever runs router, firewall and DNS of the configured scenario."""
    shown = _shown(slug)
    context = _context(shown) | {"measured": queries.measured(shown), "now": timezone.now()}
    return render(request, "guidance_request.html", context)


@require_safe
def guidance_general(request: HtmxHttpRequest) -> HttpResponse:
    """The same before there is a gateway, and for whoever comes from the network settings."""
    place = queries.place(request.GET.get("scenario"), timezone.now())
    nothing = policy.Seen()
    context = {
        "steps": policy.judge_all(STEPS[place.scenario], nothing, place.scenario),
        "gateways": queries.gateways_to_guide(),
        **_place_context(place),
    }
    return render(request, "guidance.html", context)


def _shown(slug: str, scenario: str | None = None) -> queries.Guidance:
    try:
        return queries.guidance(slug, scenario, timezone.now())
    except Gateway.DoesNotExist as error:
        raise Http404 from error


def _context(shown: queries.Guidance) -> dict[str, Any]:
    return {
        "guidance": shown,
        "gateway": shown.gateway,
        "hostname": shown.gateway.hostname,
        "steps": shown.steps,
        "public_address": shown.public_address,
        **_place_context(shown.place),
    }


def _place_context(place: queries.Place) -> dict[str, Any]:
    return {
        "place": place,
        "scenario": place.scenario,
        "scenarios": NetworkScenario.choices,
        "machine": place.machine,
        "challenge_port": place.network.challenge_port,
    }
