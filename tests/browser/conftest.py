"""A signed-in look at the console as its own server serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from gateway_admin.models import User
from tests.console import encryption_keys
from tests.parts.chromium import Pages

__all__ = ["encryption_keys"]

OpenAs = Callable[..., Page]


@pytest.fixture(scope="module", autouse=True)
def _database_beside_the_browser(django_db_setup: None) -> Iterator[None]:
    """The database is made before the browser starts and is flushed while it runs.

    Django takes the event loop that Playwright keeps in this thread for ours.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


@pytest.fixture
def open_as(pages: Pages, live_server: LiveServer) -> OpenAs:
    """``open_as(user, color_scheme="dark")``: a page with that person's session, or nobody's."""

    def open_page(user: User | None, **options: Any) -> Page:
        page = pages.open(**{"base_url": live_server.url} | options)
        if user is not None:
            client = Client()
            client.force_login(user)
            name = django_settings.SESSION_COOKIE_NAME
            page.context.add_cookies(
                [{"name": name, "value": client.cookies[name].value, "url": live_server.url}]
            )
        return page

    return open_page
