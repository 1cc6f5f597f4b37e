"""A real browser: the distribution's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
)
# The browser's own line for an answer that is an error; pages answer 422 on purpose.
NOT_OF_THE_PAGE = "Failed to load resource"
PATIENCE_MILLISECONDS = 10_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser; Playwright's own one where the distribution has none (Ubuntu)."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, headless=True, args=list(FLAGS)
        )
        try:
            yield browser
        finally:
            browser.close()


class Pages:
    """Opens pages, each in a profile of its own, and notes what went wrong in them.

    ``open(java_script_enabled=False)``, ``open(viewport={"width": 320, "height": 640})``,
    ``open(color_scheme="dark")``, ``open(base_url=…)``: any option of Playwright's contexts.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.errors: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for context in self._contexts:
            context.close()

    def open(self, **options: Any) -> Page:
        """A fresh page, with no cookies."""
        context = self._browser.new_context(
            **{"locale": "en-GB", "timezone_id": "Europe/Berlin"} | options
        )
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        return page

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error" and NOT_OF_THE_PAGE not in message.text:
            self.errors.append(message.text)
