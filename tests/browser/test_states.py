"""The pages in each state of a zone, in three sizes, with long names, and in German.

At 1920, 1366, and 390 pixels, nothing is cut off, and axe finds nothing, in light and in dark. With
ZCC_SCREENSHOTS=FOLDER, each page is also saved there as an image of each width and color scheme.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

from tests.browser import layout
from tests.browser.test_accessibility import RULES, Look, check
from tests.support import factories, states

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# All rules of axe in each width and color scheme, and the layout of a narrow window.
LOOKS: tuple[Look, ...] = (
    *((scheme, width, RULES) for width in layout.WIDTHS for scheme in SCHEMES),
    ("light", 1280, []),
)
SCREENSHOTS = os.environ.get("ZCC_SCREENSHOTS", "")


def take_screenshots(page: Page, name: str) -> None:
    """Save the whole page in each width and color scheme."""
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for width in layout.WIDTHS:
            page.set_viewport_size({"width": width, "height": 1000})
            path = Path(SCREENSHOTS, f"{name}-{width}-{scheme}.png")
            page.screenshot(path=path, full_page=True)


def check_pages(page: Page, url: str, operation: Any, name: str) -> None:
    """Check each page of a state. The first one that is wrong ends the test."""
    for path in states.list_pages(operation):
        page.goto(url + path)
        check(page, LOOKS)
        if SCREENSHOTS:
            plain = re.sub(r"[^a-z]+", "-", re.sub(UUID, "one", path)).strip("-") or "home"
            take_screenshots(page, f"{name.replace(' ', '-')}-{plain}")


@pytest.mark.parametrize("state", states.STATES)
def test_each_state_with_long_names(live_server, log_in, state):
    operation = states.build(state, has_long_names=True)
    check_pages(log_in(factories.admin()), live_server.url, operation, state)


@pytest.mark.parametrize("devices", states.SIZES)
def test_each_size(live_server, log_in, devices):
    operation = states.build("during", devices=devices)
    check_pages(log_in(factories.admin()), live_server.url, operation, f"during-{devices}")


@pytest.mark.browser_context_args(locale="de")
@pytest.mark.parametrize("state", ["waiting for certificates", "blocked", "completed"])
def test_german_pages(live_server, log_in, state):
    operation = states.build(state)
    page = log_in(factories.admin())
    check_pages(page, live_server.url, operation, f"de-{state}")
    assert page.locator("html").get_attribute("lang") == "de"
