"""The pages for what went wrong. The one for our own faults asks nothing of anybody."""

from __future__ import annotations

import functools
from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader
from django.utils.translation import gettext as _

_TOO_MUCH = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """For more than is read of a form; in plain text for what no browser sends.

    Such as a request with a foreign Host, which is refused before anything of the page is known.
    """
    if not isinstance(exception, _TOO_MUCH) or not hasattr(request, "user"):
        return HttpResponse(
            "400 Bad Request\n", content_type="text/plain", status=HTTPStatus.BAD_REQUEST
        )
    return _page(
        request,
        "400.html",
        HTTPStatus.BAD_REQUEST,
        _("This is more than can be read at once: too much text, or too many files or fields."),
    )


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """For a page or an action that needs an Administrator."""
    return _page(
        request,
        "403.html",
        HTTPStatus.FORBIDDEN,
        _("Only an Administrator may do this. You are signed in as an Operator, who may read."),
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """For a form that was not ours, or open since before the last sign-in."""
    return _page(
        request,
        "403.html",
        HTTPStatus.FORBIDDEN,
        _("This form has expired. Go back, reload the page and send it again."),
    )


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """For a page that does not exist."""
    return _page(request, "404.html", HTTPStatus.NOT_FOUND, "")


def server_error(_request: HttpRequest) -> HttpResponse:
    """For a fault of ours: without context, since whatever makes it may be what failed."""
    return HttpResponse(_fault_page(), status=HTTPStatus.INTERNAL_SERVER_ERROR)


@functools.cache
def _fault_page() -> str:
    return loader.render_to_string("500.html")


def _page(request: HttpRequest, template: str, status: HTTPStatus, message: str) -> HttpResponse:
    return render(request, template, {"message": message}, status=status)
