"""Who may do what, for every page, in one place. What no table names needs an Administrator."""

from __future__ import annotations

import enum
from collections.abc import Callable
from http import HTTPStatus

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.cache import add_never_cache_headers
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from gateway_admin.models import User
from gateway_admin.views import errors

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# Nobody need be signed in. Setting up asks for the one-time token itself.
PUBLIC = frozenset({"healthz", "setup", "sign_in"})
# Everybody who is signed in, with any method: these change nothing but one's own account.
PERSONAL = frozenset({"password", "sign_out"})
# Everybody who is signed in may read; whatever changes something needs an Administrator.
READABLE = frozenset(
    {
        "certificate",
        "certificate_download",
        "certificate_request",
        "certificates",
        "gateway",
        "gateways",
        "guidance",
        "guidance_general",
        "guidance_request",
        "issuance",
        "log",
        "overview",
        "request_csr",
        "warnings",
    }
)
# Administrators alone, reading as well. Being in no table has the same effect; a test asks that
# every page be in one on purpose.
ADMINISTRATION = frozenset(
    {
        "certificate_export",
        "certificate_import",
        "certificate_replace",
        "certificate_self_signed",
        "certificate_use",
        "gateway_add",
        "gateway_follow",
        "gateway_follow_stop",
        "gateway_issue",
        "gateway_preflight",
        "gateway_rehearse",
        "gateway_settings",
        "gateway_use_lets_encrypt",
        "issuance_cancel",
        "network_settings",
        "request_add",
        "request_discard",
        "user_add",
        "users",
    }
)


class Verdict(enum.Enum):
    """What becomes of a request."""

    ALLOWED = enum.auto()
    SIGN_IN = enum.auto()
    FORBIDDEN = enum.auto()


def judge(url_name: str | None, method: str, user: User | None) -> Verdict:
    """Whether ``user`` (None: nobody is signed in) may use the named URL with this method."""
    if url_name in PUBLIC:
        return Verdict.ALLOWED
    if user is None:
        return Verdict.SIGN_IN
    if user.is_administrator or url_name in PERSONAL:
        return Verdict.ALLOWED
    if url_name in READABLE and method in SAFE_METHODS:
        return Verdict.ALLOWED
    return Verdict.FORBIDDEN


class AccessMiddleware:
    """Asks :func:`judge` before any view runs; after the middlewares of sessions and htmx."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """What is not public stays out of every cache, also the one behind the Back button."""
        response = self.get_response(request)
        if _url_name(request) not in PUBLIC:
            add_never_cache_headers(response)
        return response

    def process_view(
        self, request: HttpRequest, _view: object, _args: object, _kwargs: object
    ) -> HttpResponse | None:
        """None lets the view run; an answer stands in its place."""
        url_name = _url_name(request)
        if url_name in PUBLIC:
            # Without asking for the session: health is told even while the database is away.
            return None
        user = request.user if isinstance(request.user, User) else None
        verdict = judge(url_name, request.method or "", user)
        if verdict is Verdict.FORBIDDEN:
            return errors.forbidden(request)
        return to_sign_in(request) if verdict is Verdict.SIGN_IN else None


def _url_name(request: HttpRequest) -> str | None:
    return request.resolver_match.url_name if request.resolver_match else None


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """A redirect to the sign-in page and back; for htmx one that moves the whole page.

    After a POST one comes back to the overview: its form cannot be sent again.
    """
    htmx: HtmxDetails = request.htmx  # type: ignore[attr-defined]
    if htmx:
        back = redirect_to_login(htmx.current_url_abs_path or resolve_url("overview"))
        return HttpResponseClientRedirect(back.url)
    if request.method in SAFE_METHODS:
        return redirect_to_login(request.get_full_path())
    return HttpResponse(status=HTTPStatus.SEE_OTHER, headers={"Location": resolve_url("sign_in")})
