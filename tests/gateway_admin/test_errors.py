"""The pages for what went wrong."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from django.test import Client, RequestFactory

from certificates import queries
from gateway_admin.views import errors


def test_a_fault_of_ours_is_drawn_without_context_or_database() -> None:
    errors._fault_page.cache_clear()
    answer = errors.server_error(RequestFactory().get("/"))

    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert "<html" in answer.content.decode()


def test_a_fault_in_a_view_becomes_that_page(
    administrator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(queries, "overview", fail)
    administrator.raise_request_exception = False
    answer = administrator.get("/")

    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert "secret detail" not in answer.content.decode()


@pytest.mark.django_db
def test_a_missing_page_shows_nobody_signed_in_no_navigation(client: Client) -> None:
    page = client.get("/nowhere/")

    assert page.status_code == HTTPStatus.NOT_FOUND
    assert page.context["navigation"] == ()


@pytest.mark.django_db
def test_a_foreign_host_is_refused_in_plain_words(client: Client) -> None:
    answer = client.get("/sign-in/", headers={"Host": "evil.example"})

    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert answer.content == b"400 Bad Request\n"
