"""Every page, with nothing, something and too much on it, at both ends of what people look with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from pytest_django import Settings

from gateway_admin.models import Role, User
from tests.browser import scenes
from tests.browser.conftest import OpenAs
from tests.browser.scenes import Scene

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Evaluated through the debugging protocol, so that the page's strict CSP stays in force.
AXE = Axe().axe_script
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
NARROW, WIDE = 320, 1440
# What sticks out to the right, for the message of a failure.
STICKING_OUT = """() => {
    const edge = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= edge) return [];
    return [...document.querySelectorAll("body *")]
        .filter((element) => element.getBoundingClientRect().right > edge + 1)
        .slice(0, 5)
        .map((element) => element.outerHTML.slice(0, 120));
}"""
SMALL_TARGETS = """() => {
    const inline = (element) => getComputedStyle(element).display === "inline";
    return [...document.querySelectorAll("a, button, summary, input, select, textarea")]
        .filter((element) => element.checkVisibility() && !inline(element))
        .filter((element) => !element.matches(".skip, [type=hidden], .choice input"))
        .filter((element) => {
            const box = element.getBoundingClientRect();
            return box.width < 24 || box.height < 23.9;
        })
        .map((element) => element.outerHTML.slice(0, 120));
}"""


def sights(page: Page, scene: Scene) -> Iterator[str]:
    """Visit every page of the scene, with everything that is folded away unfolded."""
    for path in scene.paths:
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        yield path


def violations(page: Page) -> list[str]:
    """What axe says against the page as it is now."""
    page.evaluate(AXE)
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    options["runOnly"] = {"type": "tag", "values": list(RULES)}
    found = page.evaluate("(options) => axe.run(options)", options)["violations"]
    return [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in found
        for node in violation["nodes"]
    ]


LOOKS = ((NARROW, "dark"), (WIDE, "light"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "width", "scheme"),
    [
        *((build, *look) for build in (scenes.ordinary, scenes.overfull) for look in LOOKS),
        # What they have of their own is a few parts, which are the tightest in a narrow window.
        *(
            (build, *LOOKS[0])
            for build in (scenes.empty, scenes.manual, scenes.held_back, scenes.looking)
        ),
    ],
)
def test_every_page_is_accessible_and_stays_inside_the_window(
    open_as: OpenAs, build: Callable[[], Scene], width: int, scheme: str
) -> None:
    scene = build()
    page = open_as(scene.viewer, viewport={"width": width, "height": 800}, color_scheme=scheme)
    faults = {
        path: found
        for path in sights(page, scene)
        if (found := violations(page) + page.evaluate(STICKING_OUT) + page.evaluate(SMALL_TARGETS))
    }
    assert faults == {}


@pytest.mark.slow
@pytest.mark.parametrize("width", [480, 768, 1024, 1920])
def test_windows_of_every_width_hold_the_fullest_pages(open_as: OpenAs, width: int) -> None:
    scene = scenes.overfull()
    page = open_as(scene.viewer, viewport={"width": width, "height": 800})
    faults = {path: found for path in sights(page, scene) if (found := page.evaluate(STICKING_OUT))}
    assert faults == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/sign-in/", "/setup/"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_the_doors_are_accessible(open_as: OpenAs, path: str, width: int, scheme: str) -> None:
    page = open_as(None, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(path)
    assert violations(page) + page.evaluate(STICKING_OUT) + page.evaluate(SMALL_TARGETS) == []


def test_forms_with_errors_are_accessible_and_keep_what_was_typed(open_as: OpenAs) -> None:
    page = open_as(scenes.ordinary().viewer, viewport={"width": NARROW, "height": 800})
    page.goto("/gateways/default/settings/")
    page.get_by_label("Hostname", exact=True).fill("https://mail.example.com:443/")
    page.get_by_label("Let's Encrypt HTTP-01 challenge port").fill("http")
    page.get_by_role("button", name="Save").click()
    hostname = page.get_by_label("Hostname", exact=True)
    assert hostname.input_value() == "https://mail.example.com:443/"
    assert hostname.get_attribute("aria-invalid") == "true"
    described = (hostname.get_attribute("aria-describedby") or "").split()
    assert "id_hostname_error" in described
    assert page.locator("#id_hostname_error").is_visible()
    assert page.get_by_label("Let's Encrypt HTTP-01 challenge port").input_value() == "http"
    assert violations(page) + page.evaluate(STICKING_OUT) == []


def test_every_page_of_a_demonstration_says_that_it_is_one(
    open_as: OpenAs, settings: Settings
) -> None:
    settings.CONFIGURATION = dataclasses.replace(settings.CONFIGURATION, demo=True)
    scene = scenes.ordinary()
    page = open_as(scene.viewer, viewport={"width": NARROW, "height": 800})
    for path in scene.paths:
        page.goto(path)
        assert page.get_by_text("This is a demonstration.").is_visible(), path
    assert violations(page) + page.evaluate(STICKING_OUT) == []


def test_an_operator_is_shown_no_button_that_changes_something(open_as: OpenAs) -> None:
    scene = scenes.ordinary()
    operator = User.objects.create_user("oskar", role=Role.OPERATOR)
    page = open_as(operator)
    for path in scene.paths:
        answer = page.goto(path)
        if answer is not None and answer.ok:
            forms = page.locator("main form[method=post]").evaluate_all(
                "(all) => all.map((form) => form.getAttribute('action'))"
            )
            # One's own password may be changed by everybody.
            assert forms == ([None] if path.endswith("/password/") else []), path


def test_nothing_moves_for_those_who_asked_for_less_motion(open_as: OpenAs) -> None:
    scene = scenes.overfull()
    page = open_as(scene.viewer, reduced_motion="reduce")
    page.goto(next(path for path in reversed(scene.paths) if path.startswith("/issuances/")))
    assert page.locator(".spinning").count() > 0
    assert page.evaluate("document.getAnimations().length") == 0


def test_no_page_carries_an_inline_style_or_script(open_as: OpenAs) -> None:
    scene = scenes.ordinary()
    page = open_as(scene.viewer, java_script_enabled=False)
    for path in scene.paths:
        page.goto(path)
        assert page.locator("[style], style, script:not([src])").count() == 0, path
