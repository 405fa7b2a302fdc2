"""Pages do not move when their scripts have loaded: what a script shows has its place before.

Otherwise, users click what is not there any more. See: https://web.dev/articles/cls
"""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, Route

from certificates.models import AcmeAccountKey
from certificates.operations.states import OperationState
from devices.models import RegistrationKey
from tests.browser import scenes
from tests.support import factories

SCRIPTS = "**/static/zcc/*.js"
MEASURE = """() =>
  [...document.querySelectorAll("main :is(h1, h2, section, form, .toolbar, table)")]
  .filter((element) => element.checkVisibility())
  .map((element) => {
    const { y, height } = element.getBoundingClientRect();
    return [element.tagName, element.id, Math.round(y), Math.round(height)].join(" ");
  })"""
PAGES = (
    "/configuration/acme-accounts/",
    "/configuration/registration-keys/",
    "/configuration/certificates/",
    "/configuration/certificates/operations/",
    "/configuration/certificates/trust/",
    "/configuration/administrators/",
    "/configuration/notifications/",
    "/system-updates/",
    "/devices/",
    "/audit/",
)
SIZES = ({"width": 1350, "height": 940}, {"width": 412, "height": 823})
# For a machine that is busy with other tests.
PATIENCE = 120_000


def measure(page: Page, url: str) -> list[str]:
    """Return the vertical position and the height of each part of a page."""
    page.goto(url)
    page.wait_for_load_state("networkidle")
    return [str(part) for part in page.evaluate(MEASURE)]


def abort(route: Route) -> None:
    """Let a page wait for a script."""
    route.abort()


def test_nothing_moves_when_the_scripts_of_a_page_have_loaded(
    live_server: Any, log_in: Any
) -> None:
    scenes.remint(OperationState.ASSIGNED)
    RegistrationKey.objects.create(label="branch", digest="x", uses=5, uses_left=3)
    AcmeAccountKey.objects.create(key_id="hosts", label="hosts", names=["*.hosts.example"])
    page = log_in(factories.admin())
    page.set_default_timeout(PATIENCE)
    moved = {}
    for size in SIZES:
        page.set_viewport_size(size)
        for path in PAGES:
            page.route(SCRIPTS, abort)
            before = measure(page, live_server.url + path)
            page.unroute(SCRIPTS)
            after = measure(page, live_server.url + path)
            assert before
            assert after
            if before != after:
                moved[path, size["width"]] = sorted({*before} ^ {*after})
    assert not moved
