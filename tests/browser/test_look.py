"""Every page, with nothing, something and too much on it, at both ends of what people look with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
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
Look = tuple[int, Literal["dark", "light"]]
# The two ends; and where a window is as wide as neither.
LOOKS: tuple[Look, ...] = ((NARROW, "dark"), (WIDE, "light"))
CROSSED: tuple[Look, ...] = ((NARROW, "light"), (WIDE, "dark"))
BETWEEN = (480, 768, 1024, 1920)
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


class Served(HTMLParser):
    """A page as it comes from the server, before any script has changed it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = html
        # The action of each form in the main part that changes something.
        self.forms: list[str | None] = []
        self.inline: list[str] = []
        self._is_main = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag where it is one of those."""
        given = dict(attrs)
        if tag == "main":
            self._is_main = True
        if tag == "form" and self._is_main and (given.get("method") or "").lower() == "post":
            self.forms.append(given.get("action"))
        if tag == "style" or "style" in given or (tag == "script" and "src" not in given):
            self.inline.append(self.get_starttag_text() or tag)

    def handle_endtag(self, tag: str) -> None:
        """What follows the main part is the same on every page."""
        if tag == "main":
            self._is_main = False


def served(scene: Scene, viewer: User) -> Iterator[tuple[str, Served]]:
    """Every page of the scene that this person may see."""
    client = Client()
    client.force_login(viewer)
    for path in scene.paths:
        answer = client.get(path)
        if answer.status_code != 403:
            yield path, Served(answer.content.decode())


def violations(page: Page) -> list[str]:
    """What axe says against the page as it is now."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    # Working out selectors takes a fourth of the time, and the element itself says more.
    options: dict[str, Any] = {"resultTypes": ["violations"], "selectors": False}
    options["runOnly"] = {"type": "tag", "values": list(RULES)}
    found = page.evaluate("(options) => axe.run(options)", options)["violations"]
    return [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in found
        for node in violation["nodes"]
    ]


def faults(page: Page, looks: Sequence[Look] = LOOKS) -> list[str]:
    """What is wrong with the page as it is now, in windows of these widths and colours."""
    found = []
    for width, scheme in looks:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        here = violations(page) + page.evaluate(STICKING_OUT) + page.evaluate(SMALL_TARGETS)
        found += [f"{width} {scheme}: {fault}" for fault in here]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "looks"),
    [
        pytest.param(scenes.ordinary, LOOKS, id="ordinary"),
        pytest.param(scenes.overfull, LOOKS, id="overfull"),
        # What they have of their own is a few parts, which are the tightest in a narrow window.
        pytest.param(scenes.empty, LOOKS[:1], id="empty"),
        pytest.param(scenes.manual, LOOKS[:1], id="manual"),
        pytest.param(scenes.held_back, LOOKS[:1], id="held back"),
        pytest.param(scenes.looking, LOOKS[:1], id="looking"),
    ],
)
def test_every_page_is_accessible_and_stays_inside_the_window(
    open_as: OpenAs, build: Callable[[], Scene], looks: tuple[Look, ...]
) -> None:
    scene = build()
    # A colour on its way from one scheme to the other would be taken for that of the page.
    page = open_as(scene.viewer, reduced_motion="reduce")
    assert {path: found for path in sights(page, scene) if (found := faults(page, looks))} == {}


@pytest.mark.slow
def test_windows_of_every_width_hold_the_fullest_pages(open_as: OpenAs) -> None:
    scene = scenes.overfull()
    page = open_as(scene.viewer)
    sticking_out = {}
    for path in sights(page, scene):
        for width in BETWEEN:
            page.set_viewport_size({"width": width, "height": 800})
            if found := page.evaluate(STICKING_OUT):
                sticking_out[path, width] = found
    assert sticking_out == {}


@pytest.mark.parametrize("path", ["/sign-in/", "/setup/"])
def test_the_doors_are_accessible(open_as: OpenAs, path: str) -> None:
    page = open_as(None, reduced_motion="reduce")
    page.goto(path)
    assert faults(page, LOOKS + CROSSED) == []


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
    sentence = "This is a demonstration."
    for path, shown in served(scene, scene.viewer):
        assert sentence in shown.text, path
    page = open_as(scene.viewer, viewport={"width": NARROW, "height": 800})
    page.goto(scene.paths[0])
    assert page.get_by_text(sentence).is_visible()
    assert violations(page) + page.evaluate(STICKING_OUT) == []


def test_an_operator_is_shown_no_button_that_changes_something() -> None:
    scene = scenes.ordinary()
    operator = User.objects.create_user("oskar", role=Role.OPERATOR)
    for path, page in served(scene, operator):
        # One's own password may be changed by everybody.
        assert page.forms == ([None] if path.endswith("/password/") else []), path


def test_nothing_moves_for_those_who_asked_for_less_motion(open_as: OpenAs) -> None:
    scene = scenes.overfull()
    page = open_as(scene.viewer, reduced_motion="reduce")
    page.goto(next(path for path in reversed(scene.paths) if path.startswith("/issuances/")))
    assert page.locator(".spinning").count() > 0
    assert page.evaluate("document.getAnimations().length") == 0


def test_no_page_carries_an_inline_style_or_script() -> None:
    scene = scenes.ordinary()
    for path, page in served(scene, scene.viewer):
        assert page.inline == [], path
