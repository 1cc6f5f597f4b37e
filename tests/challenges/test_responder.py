"""The view and the URLconf of the challenge port, without a socket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError
from django.http.response import HttpResponseBase
from django.test import Client
from pytest_django import Settings

from challenges import responder, tokens

TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
PATH = f"/.well-known/acme-challenge/{TOKEN}"
AUTHORIZATION = f"{TOKEN}.thumbprint"


@pytest.fixture
def port(settings: Settings, db: None) -> Client:
    """The challenge port's own settings, with one token published."""
    settings.ROOT_URLCONF = "challenges.responder"
    settings.MIDDLEWARE = []
    settings.ALLOWED_HOSTS = ["*"]
    tokens.publish(
        TOKEN,
        AUTHORIZATION,
        now=datetime(2026, 11, 23, tzinfo=UTC),
        lifetime=timedelta(hours=1),
    )
    return Client(raise_request_exception=False)


def headers(response: HttpResponseBase) -> dict[str, str]:
    return dict(response.items())


def test_a_token_is_answered_with_exactly_its_key_authorization(port: Client) -> None:
    response = port.get(PATH)
    assert (response.status_code, response.content) == (200, AUTHORIZATION.encode())
    assert headers(response) == {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(len(AUTHORIZATION)),
    }


def test_head_has_the_same_headers_as_get(port: Client) -> None:
    response = port.head(PATH)
    assert (response.status_code, response.content) == (200, b"")
    assert headers(response) == headers(port.get(PATH))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"])
def test_another_method_on_a_token_is_405(port: Client, method: str) -> None:
    response = port.generic(method, PATH)
    assert (response.status_code, response.content) == (405, b"405\n")
    assert headers(response) == {
        "Content-Type": "text/plain",
        "Content-Length": "4",
        "Allow": "GET, HEAD",
    }


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "FOO"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/healthz",
        "/setup/",
        "/sign-in/",
        "/static/css/base.css",
        "/.well-known/acme-challenge/",
        f"/.well-known/acme-challenge/{'x' * 43}/",
        f"/.well-known/acme-challenge/{'x' * 21}",
        f"/.well-known/acme-challenge/{'x' * 129}",
        "/.well-known/acme-challenge/..%2F..%2Fetc%2Fpasswd0123456789",
        f"{PATH}/",
        f"{PATH}%0A",
        f"{PATH}%00",
        f"/{PATH}",
        PATH.upper(),
        f"/x{PATH}",
        "/%ff%fe",
    ],
)
def test_every_other_path_is_a_bare_404(port: Client, path: str, method: str) -> None:
    response = port.generic(method, path)
    assert response.status_code == 404
    assert response.content == (b"" if method == "HEAD" else b"404\n")
    assert set(headers(response)) == {"Content-Type", "Content-Length"}
    assert not response.cookies


def test_an_unknown_token_is_404_and_looks_like_any_other_404(port: Client) -> None:
    unknown = port.get(f"/.well-known/acme-challenge/{'x' * 43}")
    elsewhere = port.get("/")
    assert (unknown.status_code, unknown.content) == (404, elsewhere.content)
    assert headers(unknown) == headers(elsewhere)


@pytest.mark.parametrize(
    "host", ["gateway.test", "127.0.0.1", "evil\r\nX: y", "", "[::1]:80", "a_b"]
)
def test_the_host_header_changes_nothing(port: Client, host: str) -> None:
    assert port.get(PATH, headers={"host": host}).content == AUTHORIZATION.encode()


def test_a_query_changes_nothing(port: Client) -> None:
    assert port.get(f"{PATH}?a=b").content == AUTHORIZATION.encode()


def test_while_the_database_is_away_the_answer_asks_for_patience(
    port: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_token: str) -> str:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(tokens, "key_authorization", away)
    response = port.get(PATH)
    assert (response.status_code, response.content) == (503, b"503\n")


def test_a_defect_of_ours_is_a_bare_500(port: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_token: str) -> str:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(tokens, "key_authorization", broken)
    response = port.get(PATH)
    assert (response.status_code, response.content) == (500, b"500\n")


def test_the_error_handlers_are_the_bare_ones() -> None:
    assert responder.handler400 is responder.bad_request
    assert responder.bad_request(None, exception=None).content == b"400\n"  # type: ignore[arg-type]
