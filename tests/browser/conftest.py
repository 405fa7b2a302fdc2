"""A logged-in page in Chromium that fails on console errors and on traffic to other hosts."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from threading import get_ident, main_thread
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.signals import request_finished, request_started
from playwright.sync_api import BrowserContext, Page, expect

from tests.support import clients

os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
BROWSERS = (
    "chromium-headless-shell",
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
)
CHROMIUM = os.environ.get("ZCC_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
ARGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
# A busy machine is slow, not wrong.
PATIENCE = 30_000
expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if "/tests/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def base_url() -> str:
    """Stand in for a fixture whose form pytest has deprecated; the live server has its own URL."""
    return ""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Use the system's Chromium."""
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": ARGS}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """Be an administrator in Berlin."""
    return {
        **browser_context_args,
        "timezone_id": "Europe/Berlin",
        "locale": "en-GB",
        "viewport": {"width": 1440, "height": 1000},
    }


@pytest.fixture(autouse=True)
def plain_http(settings: Any) -> None:
    """The live server speaks plain HTTP on loopback, where `__Host-` cookies are not kept."""
    settings.SESSION_COOKIE_NAME = "session"
    settings.SESSION_COOKIE_SECURE = False
    settings.CSRF_COOKIE_NAME = "csrf"
    settings.CSRF_COOKIE_SECURE = False


# Chromium logs every answer above 399, which includes forms shown again; htmx logs a question that
# a newer one has replaced, or that leaving the page has cut off.
HARMLESS = ("Failed to load resource", "htmx:sendAbort,", "htmx:afterRequest,")


@pytest.fixture
def expected_errors() -> list[str]:
    """Return the beginnings of errors that a test provokes. The test adds them."""
    return []


@pytest.fixture
def faultless(page: Page, live_server: Any, expected_errors: list[str]) -> Iterator[Page]:
    """Give a page; fail if it logs an error or asks another host for anything."""
    found: list[str] = []
    page.on(
        "console",
        lambda said: (
            found.append(said.text)
            if said.type == "error" and not said.text.startswith(HARMLESS)
            else None
        ),
    )
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on(
        "request",
        lambda asked: (
            found.append(asked.url) if not asked.url.startswith(live_server.url) else None
        ),
    )
    yield page
    leave(page)
    found = [error for error in found if not error.startswith(tuple(expected_errors))]
    assert not found, found


# A slow server on purpose (seconds before each answer), to find tests that look before it came.
LAG = float(os.environ.get("ZCC_TEST_LAG", "0"))


def _lag(**_: object) -> None:
    if get_ident() != main_thread().ident:
        time.sleep(LAG)


request_started.connect(_lag)

# Of the live server's threads alone: what a test asks by itself may never be read to its end.
_open_requests: set[int] = set()
request_started.connect(lambda **_: _open_requests.update(_of_the_server()), weak=False)
request_finished.connect(lambda **_: _open_requests.discard(get_ident()), weak=False)


def _of_the_server() -> set[int]:
    return {get_ident()} - {main_thread().ident or 0}


def leave(page: Page) -> None:
    """Leave the page, and wait for what it has asked: no request may meet the emptied tables."""
    if not page.is_closed():
        page.goto("about:blank")
    end = time.monotonic() + 10
    while _open_requests:
        assert time.monotonic() < end, "the live server still answers"
        time.sleep(0.02)


@pytest.fixture
def log_in(context: BrowserContext, live_server: Any, faultless: Page) -> Callable[[Any], Page]:
    """Log a user in by cookie, with a fresh proof of the password, and give the page."""

    def enter(user: Any, *, reauthenticated: bool = True) -> Page:
        client = clients.log_in(user, reauthenticated=reauthenticated)
        name = django_settings.SESSION_COOKIE_NAME
        cookie = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
        context.add_cookies([cookie])  # type: ignore[list-item]  # a plain dictionary of its type
        faultless.set_default_timeout(PATIENCE)
        return faultless

    return enter
