"""A gateway whose certificate follows files that another tool renews."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from certificates import following, queries
from certificates.forms import FollowForm
from certificates.models import Gateway
from certificates.views.answers import by, rejected, see_other


@require_http_methods(["GET", "HEAD", "POST"])
def gateway_follow(request: HttpRequest, slug: str) -> HttpResponse:
    """Say which files are followed, and begin with what is in them now."""
    gateway = get_object_or_404(Gateway.objects.select_related("followed_files"), slug=slug)
    form = FollowForm(gateway, request.POST or None)
    context = {"form": form, "gateway": gateway, "followed": queries.followed(gateway)}
    if request.method != "POST":
        return render(request, "gateway_follow.html", context)
    if not form.is_valid() or form.store(timezone.now(), by(request)) is None:
        return rejected(request, "gateway_follow.html", {**context, "problem": form.problem})
    messages.success(request, _("The files are followed from now on, and what is in them is used."))
    return see_other("gateway", slug)


@require_POST
def gateway_follow_stop(request: HttpRequest, slug: str) -> HttpResponse:
    """Follow the files no more; the certificate in use stays."""
    gateway = get_object_or_404(Gateway, slug=slug)
    following.stop(gateway, timezone.now(), by(request))
    messages.success(request, _("The files are not followed any more. The certificate stays."))
    return see_other("gateway", slug)
