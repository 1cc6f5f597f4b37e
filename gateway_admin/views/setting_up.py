"""The first run: with the one-time link from the terminal, the first administrator is made.

The token is taken out of the address at once, so that it stays in no history and no referrer.
"""

from __future__ import annotations

from http import HTTPStatus

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from certificates import events
from certificates.models import Gateway
from certificates.views.answers import rejected, see_other
from challenges.problems import Problem, Severity
from gateway_admin import claiming
from gateway_admin.forms import FirstAdministratorForm

_TOKEN = "setup_token"  # noqa: S105  (the name of the session's entry)


@sensitive_post_parameters("password1", "password2")
@require_http_methods(["GET", "HEAD", "POST"])
def setup(request: HttpRequest) -> HttpResponse:
    """Take the link's token, then ask for name and password."""
    if claiming.is_claimed():
        return see_other("overview")
    if token := request.GET.get("token"):
        request.session[_TOKEN] = token
        return see_other("setup")
    if not claiming.is_setup_token(request.session.get(_TOKEN, "")):
        return _refused(request)
    form = FirstAdministratorForm(request.POST or None)
    if request.method != "POST":
        return render(request, "setup.html", {"form": form, "allowed": True})
    if not form.is_valid():
        return rejected(request, "setup.html", {"form": form, "allowed": True})
    return _claim(request, form)


def _claim(request: HttpRequest, form: FirstAdministratorForm) -> HttpResponse:
    name, password = form.cleaned_data["username"], form.cleaned_data["password1"]
    try:
        user = claiming.claim(name, password)
    except claiming.AlreadyClaimedError:
        return see_other("sign_in")
    request.session.pop(_TOKEN, None)
    login(request, user)
    events.record(
        "console-claimed", _("The first administrator, %(name)s, was made.") % {"name": name}
    )
    first = Gateway.objects.order_by("pk").first()
    return see_other("gateway", first.slug) if first else see_other("gateway_add")


def _refused(request: HttpRequest) -> HttpResponse:
    problem = None
    if _TOKEN in request.session:
        problem = Problem(
            code="setup-link-invalid",
            severity=Severity.ERROR,
            explanation=_("This setup link is not valid, or not any more."),
            remedy=(
                _("Copy the whole link from the terminal in which Gateway Admin runs."),
                _("The same token is in the file setup-token of the data directory."),
            ),
        )
        del request.session[_TOKEN]
    context = {"allowed": False, "problem": problem}
    return render(request, "setup.html", context, status=HTTPStatus.FORBIDDEN)
