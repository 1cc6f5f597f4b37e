"""The challenge port: GET and HEAD of a published token, and nothing else.

Every other answer is bare: no cookie, no redirect, no word about what program this is.
"""

from __future__ import annotations

from http import HTTPStatus

from django.db import Error as DatabaseFailure
from django.http import HttpRequest, HttpResponse
from django.urls import re_path

from challenges import tokens

METHODS = ("GET", "HEAD")


def challenge(request: HttpRequest, token: str) -> HttpResponse:
    """The key authorization of ``token``, exactly (RFC 8555 §8.3)."""
    if request.method not in METHODS:
        return _bare(HTTPStatus.METHOD_NOT_ALLOWED, Allow=", ".join(METHODS))
    try:
        authorization = tokens.key_authorization(token)
    except DatabaseFailure:
        # Not a 404: whoever asks shall try again. The listener's process logs it, once.
        return _bare(HTTPStatus.SERVICE_UNAVAILABLE)
    if authorization is None:
        return _bare(HTTPStatus.NOT_FOUND)
    return _answer(HTTPStatus.OK, authorization.encode("ascii"), "application/octet-stream")


def bad_request(_request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """For a request that Django itself refuses."""
    del exception  # would tell a stranger what the program thinks
    return _bare(HTTPStatus.BAD_REQUEST)


def not_found(_request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """For every path but a token's."""
    del exception
    return _bare(HTTPStatus.NOT_FOUND)


def server_error(_request: HttpRequest) -> HttpResponse:
    """For a defect of ours."""
    return _bare(HTTPStatus.INTERNAL_SERVER_ERROR)


def _bare(status: HTTPStatus, **headers: str) -> HttpResponse:
    return _answer(status, f"{status.value}\n".encode(), "text/plain", **headers)


def _answer(status: HTTPStatus, body: bytes, content_type: str, **headers: str) -> HttpResponse:
    response = HttpResponse(body, status=status, content_type=content_type)
    for name, value in (*headers.items(), ("Content-Length", str(len(body)))):
        response[name] = value
    return response


urlpatterns = [re_path(rf"^\.well-known/acme-challenge/({tokens.PATTERN})\Z", challenge)]
handler400 = bad_request
handler403 = bad_request
handler404 = not_found
handler500 = server_error
