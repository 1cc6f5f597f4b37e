"""htmx and the copy buttons only make pages livelier: everything is there without them."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from certificates.models import Issuance
from certificates.policy.issuance import State
from tests.browser import scenes
from tests.browser.conftest import OpenAs

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_no_button_is_shown_that_could_do_nothing(open_as: OpenAs) -> None:
    scene = scenes.ordinary()
    page = open_as(scene.viewer, java_script_enabled=False)
    page.goto(next(path for path in scene.paths if path.startswith("/issuances/")))
    expect(page.get_by_text(scenes.CLOSED_PORT.explanation).first).to_be_visible()
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_the_menus_open_without_javascript(open_as: OpenAs) -> None:
    page = open_as(
        scenes.ordinary().viewer,
        java_script_enabled=False,
        viewport={"width": 320, "height": 700},
    )
    page.goto("/")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Certificates", exact=True).click()
    expect(page.get_by_role("heading", name="Certificates", level=1)).to_be_visible()
    page.get_by_role("button", name="Account of anna.becker").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_running_issuance_reloads_itself_until_it_has_ended(open_as: OpenAs) -> None:
    scene = scenes.overfull()
    running = Issuance.objects.get(state=State.PRODUCTION)
    page = open_as(scene.viewer, java_script_enabled=False)
    page.goto(f"/issuances/{running.pk}/")
    expect(page.get_by_role("link", name="Refresh")).to_be_visible()
    Issuance.objects.filter(pk=running.pk).update(state=State.DONE, finished_at=running.started_at)
    expect(page.get_by_role("link", name="Refresh")).to_have_count(0)
    expect(page.locator("#issuance")).to_have_attribute("data-state", "done")


def test_older_lines_of_the_log_are_a_link(open_as: OpenAs) -> None:
    page = open_as(scenes.overfull().viewer, java_script_enabled=False)
    page.goto("/log/")
    before = page.locator(".event time").first.get_attribute("datetime")
    page.get_by_role("link", name="Older").click()
    assert page.locator(".event time").first.get_attribute("datetime") != before
    expect(page.get_by_role("link", name="Newest")).to_be_visible()
