"""The few kinds of answers that all views give."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseRedirectBase
from django.shortcuts import render, resolve_url
from django_htmx.middleware import HtmxDetails

from challenges.problems import Problem


class HtmxHttpRequest(HttpRequest):
    """A request as our middleware hands it to the views."""

    htmx: HtmxDetails


class SeeOther(HttpResponseRedirectBase):
    """After a POST: a page to be fetched with GET, so that reloading it sends nothing again."""

    status_code = HTTPStatus.SEE_OTHER


def see_other(to: Any, *arguments: Any) -> HttpResponse:
    """To the page of that URL name."""
    return SeeOther(resolve_url(to, *arguments))


def rejected(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The form again, with its errors and everything that was typed."""
    return render(request, template, context, status=HTTPStatus.UNPROCESSABLE_ENTITY)


def attachment(content: bytes, name: str, content_type: str) -> HttpResponse:
    """A file to be saved under that name, which must be safe; no cache may keep it."""
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return HttpResponse(content, content_type=content_type, headers=headers)


def tell(request: HttpRequest, problem: Problem) -> None:
    """Say on the next page why something was not done, and what to do."""
    messages.error(request, " ".join((problem.explanation, *problem.remedy)))


def by(request: HttpRequest) -> str:
    """Whose doing it is, for the log."""
    return request.user.get_username()


def may_change(request: HttpRequest) -> bool:
    """Whether to draw what changes something; whether it works is decided before any view."""
    return bool(getattr(request.user, "is_administrator", False))
