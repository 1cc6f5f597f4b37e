"""What htmx and copy.js add."""

from __future__ import annotations

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from certificates.models import Issuance, Preflight
from certificates.policy.issuance import State
from tests.browser import scenes
from tests.browser.conftest import OpenAs

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_running_issuance_follows_its_row_and_stops_asking_at_the_end(open_as: OpenAs) -> None:
    scene = scenes.overfull()
    running = Issuance.objects.get(state=State.PRODUCTION)
    page = open_as(scene.viewer)
    page.goto(f"/issuances/{running.pk}/")
    # Only for the page that was loaded: a reload would lose it.
    page.evaluate("window.stayed = true")
    Issuance.objects.filter(pk=running.pk).update(state=State.DONE, finished_at=timezone.now())
    expect(page.locator("#issuance")).to_have_attribute("data-state", "done")
    expect(page.get_by_role("status")).to_have_text("The certificate is in use.")
    assert page.evaluate("window.stayed")
    assert page.locator("#issuance").get_attribute("hx-trigger") is None


def test_what_was_unfolded_stays_so_while_the_issuance_goes_on(open_as: OpenAs) -> None:
    scene = scenes.overfull()
    running = Issuance.objects.get(state=State.PRODUCTION)
    Preflight.objects.filter(issuance=running).update(findings=[scenes.CLOSED_PORT.to_json()])
    page = open_as(scene.viewer)
    page.goto(f"/issuances/{running.pk}/")
    page.get_by_text("Technical detail").first.click()
    with page.expect_response(lambda response: "/issuances/" in response.url):
        pass
    with page.expect_response(lambda response: "/issuances/" in response.url):
        pass
    expect(page.get_by_text(scenes.CLOSED_PORT.detail)).to_be_visible()


def test_older_lines_of_the_log_are_added_below(open_as: OpenAs) -> None:
    page = open_as(scenes.overfull().viewer)
    page.goto("/log/")
    shown = page.locator(".event").count()
    page.get_by_role("link", name="Older").click()
    expect(page.locator(".event")).to_have_count(2 * shown)


def test_a_problem_is_copied_as_text(open_as: OpenAs) -> None:
    scene = scenes.ordinary()
    page = open_as(scene.viewer, permissions=["clipboard-read", "clipboard-write"])
    page.goto(next(path for path in scene.paths if path.startswith("/issuances/")))
    button = page.get_by_role("button", name="Copy").first
    button.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(scenes.CLOSED_PORT.explanation)
    assert "1. On the router" in copied
