"""The preflight button in a browser: its progress comes by itself, and without JavaScript too."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from certificates import preflighting, tasks
from certificates.models import Gateway, Preflight
from challenges import preflight
from challenges.preflight.report import Established, Fact, Report
from tests.browser import scenes
from tests.browser.conftest import OpenAs
from tests.browser.test_look import NARROW, STICKING_OUT, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

REPORT = Report(
    (scenes.NO_HAIRPIN, scenes.FIREWALL),
    tuple(Established(Fact(fact), sentence) for fact, sentence in scenes.SEEN),
)
BUTTON = "Run preflight check"


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> list[int]:
    """In place of broker and worker: the test itself carries out what the page has begun."""
    rows: list[int] = []
    monkeypatch.setattr(tasks.preflight, "delay", rows.append)
    monkeypatch.setattr(preflight, "run", lambda *_, **__: REPORT)
    return rows


def carry_out(rows: list[int]) -> None:
    """As a worker does, in a thread of its own: Playwright keeps this one's event loop."""
    worker = threading.Thread(target=preflighting.carry_out, args=(rows[-1],))
    worker.start()
    worker.join()


def press(page: Page) -> None:
    page.goto("/gateways/default/")
    page.get_by_role("button", name=BUTTON).click()
    expect(page.get_by_text("The preflight check begins in a moment.").last).to_be_visible()


def at_step(step: int, words: str) -> None:
    Preflight.objects.update(step=step, steps=3, progress=words, taken_at=timezone.now())


def test_the_page_follows_the_preflight_to_its_end_without_a_reload(
    open_as: OpenAs, told: list[int]
) -> None:
    page = open_as(scenes.ordinary().viewer)
    press(page)
    page.evaluate("window.stayed = true")
    at_step(2, "Asking the DNS")
    expect(page.locator("#preflight-news")).to_have_text("Step 2 of 3: Asking the DNS")
    expect(page.get_by_role("progressbar")).to_be_visible()

    Preflight.objects.update(taken_at=None)
    carry_out(told)
    expect(page.locator("#findings")).to_have_attribute("data-state", "ended")
    expect(page.locator("#findings .problem").first).to_contain_text(scenes.FIREWALL.explanation)
    expect(page.locator("#preflight-news")).to_have_text(
        "The preflight check found 2 things to look at."
    )
    assert page.evaluate("window.stayed")
    assert page.locator("#findings").get_attribute("hx-trigger") is None
    page.get_by_text("things were seen to be right").click()
    expect(page.locator("#findings").get_by_text(scenes.SEEN[1][1])).to_be_visible()


def test_without_javascript_the_page_reloads_itself_to_the_end(
    open_as: OpenAs, told: list[int]
) -> None:
    page = open_as(scenes.ordinary().viewer, java_script_enabled=False)
    press(page)
    expect(page.get_by_role("link", name="Refresh")).to_be_visible()
    at_step(3, "Asking for a token")
    page.get_by_role("link", name="Refresh").click()
    expect(page.get_by_text("Step 3 of 3: Asking for a token").last).to_be_visible()

    Preflight.objects.update(taken_at=None)
    carry_out(told)
    expect(page.get_by_text(scenes.FIREWALL.explanation).first).to_be_visible()
    expect(page.get_by_role("link", name="Refresh")).to_have_count(0)


def test_two_clicks_and_the_keyboard_begin_one(open_as: OpenAs, told: list[int]) -> None:
    page = open_as(scenes.ordinary().viewer)
    press(page)
    page.get_by_role("button", name=BUTTON).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The preflight check begins in a moment.").last).to_be_visible()
    assert len(set(told)) == 1
    assert Preflight.objects.filter(issuance=None).count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_progress_and_result_are_accessible_on_a_telephone(
    open_as: OpenAs, told: list[int], scheme: str
) -> None:
    viewer = scenes.ordinary().viewer
    page = open_as(viewer, viewport={"width": NARROW, "height": 800}, color_scheme=scheme)
    press(page)
    at_step(1, f"Looking at {scenes.LONG_NAME}")
    expect(page.get_by_role("progressbar")).to_be_visible()
    assert violations(page) + page.evaluate(STICKING_OUT) == []

    Preflight.objects.update(taken_at=None)
    carry_out(told)
    expect(page.locator("#findings")).to_have_attribute("data-state", "ended")
    assert violations(page) + page.evaluate(STICKING_OUT) == []
    assert Gateway.objects.count() == 1
