"""The challenge port as a Django view, for whoever runs `challenges.wsgi` under another server.

Every answer is that of `answering`: no cookie, no redirect, no word about what program this is.
"""

from __future__ import annotations

from django.db import Error as DatabaseFailure
from django.http import HttpRequest, HttpResponse
from django.urls import re_path

from challenges import answering, tokens
from challenges.answering import Answer


def respond(request: HttpRequest) -> HttpResponse:
    """The answer to any request on any path."""
    asked = answering.asked(request.method or "", request.path_info)
    if isinstance(asked, Answer):
        return _response(asked)
    try:
        return _response(answering.answer(tokens.key_authorization(asked)))
    except DatabaseFailure:
        return _response(answering.AWAY)


def bad_request(_request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """For a request that Django itself refuses."""
    del exception  # would tell a stranger what the program thinks
    return _response(answering.BAD_REQUEST)


def not_found(_request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """For a path that Django cannot even match."""
    del exception
    return _response(answering.NOT_FOUND)


def server_error(_request: HttpRequest) -> HttpResponse:
    """For a defect of ours."""
    return _response(answering.BROKEN)


def _response(answer: Answer) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status)
    for name, value in answer.headers:
        response[name] = value
    return response


urlpatterns = [re_path("", respond)]
handler400 = bad_request
handler403 = bad_request
handler404 = not_found
handler500 = server_error
