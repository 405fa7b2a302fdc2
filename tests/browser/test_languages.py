"""Pages in other languages: the layout with longer texts, and the texts of scripts (D-238)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from certificates.operations.states import OperationState
from tests.browser import scenes
from tests.browser.test_accessibility import check
from tests.support import factories, pseudo_locale

CERTIFICATES = "/configuration/certificates/"
WIDTHS = (1366, 390)
GERMAN = pytest.mark.browser_context_args(locale="de")
PAGES = (
    *("/", "/devices/", "/system-updates/", "/health-checks/", "/audit/", "/preferences/"),
    *(CERTIFICATES, f"{CERTIFICATES}operations/", f"{CERTIFICATES}trust/"),
    *("/configuration/zone-settings/", "/configuration/registration-keys/"),
    *("/configuration/administrators/", "/configuration/notifications/", "/devices/add/"),
)


@pytest.fixture
def longer(tmp_path: Path, settings: Any) -> str:
    """Make the language with longer texts the one that the browser prefers."""
    pseudo_locale.install(tmp_path / "locale", settings)
    return pseudo_locale.CODE


@pytest.mark.browser_context_args(locale=pseudo_locale.CODE)
def test_longer_texts_fit_on_the_page(live_server, log_in, longer):
    scenes.remint(OperationState.ASSIGNED)
    page = log_in(factories.admin())
    found = []
    for path in PAGES:
        page.goto(live_server.url + path)
        assert page.locator("html").get_attribute("lang") == longer
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append(f"{path} scrolls sideways at {width}")
    assert found == []


@GERMAN
def test_scripts_use_the_language_of_the_page(live_server, log_in):
    scenes.rest()
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}{CERTIFICATES}remint-ca/")
    page.check("#id_confirm")
    page.fill("#id_activates_at", "2031-03-04T10:00")
    expect(page.locator("#activation-words")).to_contain_text("4. März 2031")


@GERMAN
@pytest.mark.parametrize(
    "path",
    [
        "/",
        CERTIFICATES,
        "/devices/",
        "/audit/",
        "/system-updates/",
        "/configuration/zone-settings/",
    ],
)
def test_german_pages_are_accessible(live_server, log_in, path):
    scenes.remint(OperationState.ASSIGNED)
    page = log_in(factories.admin())
    page.goto(live_server.url + path)
    assert page.locator("html").get_attribute("lang") == "de"
    check(page)
