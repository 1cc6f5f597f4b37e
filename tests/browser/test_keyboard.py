"""The console by keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import scenes
from tests.browser.conftest import OpenAs

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FOCUSED = "document.activeElement.textContent.trim()"
# The outline is what base.css draws; fields show it around their border.
SHOWS_FOCUS = """() => {
    const style = getComputedStyle(document.activeElement);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
}"""


def tab_to(page: Page, text: str, most: int = 40) -> None:
    """Press Tab until the focus is on what reads ``text``."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == text:
            return
    pytest.fail(f"{text!r} cannot be reached with {most} tabs")


def test_somebody_signs_in_with_the_keyboard(open_as: OpenAs) -> None:
    scenes.ordinary()
    page = open_as(None)
    page.goto("/sign-in/")
    page.get_by_label("Name").focus()
    page.keyboard.type("anna.becker")
    page.keyboard.press("Tab")
    page.keyboard.type("a long password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_the_first_tab_offers_to_skip_to_the_content(open_as: OpenAs) -> None:
    page = open_as(scenes.ordinary().viewer)
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "Skip to the content"
    assert page.locator(".skip").bounding_box()["y"] >= 0  # type: ignore[index]
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_focus_is_visible_wherever_it_goes(open_as: OpenAs) -> None:
    page = open_as(scenes.ordinary().viewer)
    for path in ("/", "/gateways/default/settings/", "/log/"):
        page.goto(path)
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            assert page.evaluate(SHOWS_FOCUS), page.evaluate("document.activeElement.outerHTML")


def test_the_folded_navigation_opens_leads_on_and_closes(open_as: OpenAs) -> None:
    page = open_as(scenes.ordinary().viewer, viewport={"width": 320, "height": 700})
    page.goto("/")
    navigation = page.get_by_role("navigation", name="Main")
    expect(navigation).to_be_hidden()
    tab_to(page, "Menu")
    page.keyboard.press("Enter")
    expect(navigation).to_be_visible()
    page.keyboard.press("Escape")
    expect(navigation).to_be_hidden()
    page.keyboard.press("Enter")
    tab_to(page, "Certificates")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Certificates", level=1)).to_be_visible()


def test_somebody_signs_out_with_the_keyboard(open_as: OpenAs) -> None:
    page = open_as(scenes.ordinary().viewer)
    page.goto("/")
    tab_to(page, "anna.becker")
    page.keyboard.press("Enter")
    tab_to(page, "Sign out")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
