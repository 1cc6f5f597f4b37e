"""What every page shows around its content."""

from __future__ import annotations

import dataclasses

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from certificates.queries import count_warnings
from gateway_admin.access import ADMINISTRATION
from gateway_admin.launch import console_tls
from gateway_admin.models import User


@dataclasses.dataclass(frozen=True, slots=True)
class NavigationItem:
    """A link to one of the main pages. ``count`` is drawn beside it unless it is zero."""

    name: str
    label: str | Promise
    url: str
    is_current: bool
    count: int = 0


# The main pages, and the URL names that belong to each.
MAIN_PAGES: tuple[tuple[str, str | Promise, frozenset[str]], ...] = (
    ("overview", _("Overview"), frozenset()),
    (
        "gateways",
        _("Gateways"),
        frozenset(
            {
                "gateway",
                "gateway_add",
                "gateway_follow",
                "gateway_preflight",
                "gateway_settings",
                "issuance",
            }
        ),
    ),
    (
        "certificates",
        _("Certificates"),
        frozenset(
            {
                "certificate",
                "certificate_export",
                "certificate_import",
                "certificate_replace",
                "certificate_request",
                "certificate_self_signed",
                "certificate_use",
                "request_add",
                "request_discard",
            }
        ),
    ),
    ("log", _("Log"), frozenset()),
    ("warnings", _("Warnings"), frozenset()),
    ("network_settings", _("Network settings"), frozenset()),
    ("users", _("Users"), frozenset({"user_add"})),
)


def console(request: HttpRequest) -> dict[str, object]:
    """The context of every page; for nobody signed in it asks the database nothing."""
    user = getattr(request, "user", None)
    is_signed_in = isinstance(user, User)
    can_change = isinstance(user, User) and user.is_administrator
    # The parts that htmx fetches have no navigation around them.
    is_part = bool(getattr(request, "htmx", False))
    warning_count = count_warnings(timezone.now()) if is_signed_in and not is_part else 0
    return {
        "demo": settings.CONFIGURATION.demo,
        "can_change": can_change,
        "warning_count": warning_count,
        # Of a certificate of the console's own that only an administrator can do something about.
        "console_fingerprint": (
            console_tls.self_signed_fingerprint() if can_change and not is_part else ""
        ),
        "console_gateway": settings.CONFIGURATION.console_gateway,
        "navigation": _navigation(request, can_change, warning_count) if is_signed_in else (),
    }


def _navigation(
    request: HttpRequest, can_change: bool, warning_count: int
) -> tuple[NavigationItem, ...]:
    current = request.resolver_match.url_name if request.resolver_match else None
    return tuple(
        NavigationItem(
            name=name,
            label=label,
            url=reverse(name),
            is_current=current == name or current in belonging,
            count=warning_count if name == "warnings" else 0,
        )
        for name, label, belonging in MAIN_PAGES
        if can_change or name not in ADMINISTRATION
    )
