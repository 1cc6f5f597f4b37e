"""The settings of the network that all gateways of this console share."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from certificates import queries
from certificates.forms import NetworkSettingsForm
from certificates.views.answers import HtmxHttpRequest, by, rejected, see_other


@require_http_methods(["GET", "HEAD", "POST"])
def network_settings(request: HtmxHttpRequest) -> HttpResponse:
    """Scenario and challenge port."""
    form = NetworkSettingsForm(timezone.now(), data=request.POST or None)
    if request.method != "POST":
        template = "_challenge_port.html" if request.htmx else "network_settings.html"
        return render(request, template, _context(form))
    if form.store(by(request)) is None:
        return rejected(request, "network_settings.html", _context(form))
    messages.success(request, _("The network settings were saved."))
    return see_other("network_settings")


def _context(form: NetworkSettingsForm) -> dict[str, Any]:
    now = timezone.now()
    console = queries.console(now)
    return {
        "form": form,
        "network": console.network,
        "listener": console.listener,
        "is_moving": console.is_moving_port(now),
        "challenge_port": console.network.challenge_port,
        "scenario": form["network_scenario"].value(),
        "hostname": "",
    }
