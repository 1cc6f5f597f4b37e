"""Makes the pictures of the documentation: ``pytest tests/browser/screenshots.py``.

Its name is not one that pytest collects by itself, so a plain test run writes nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import scenes
from tests.browser.conftest import OpenAs

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_overview_is_photographed(open_as: OpenAs) -> None:
    page = open_as(
        scenes.ordinary().viewer,
        viewport={"width": 1280, "height": 800},
        device_scale_factor=2,
        color_scheme="light",
    )
    page.goto("/")
    page.screenshot(path=DOCS / "screenshot-overview.png")
