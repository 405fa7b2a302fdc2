"""Add Devices as an administrator uses it."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from devices.models import Device, RegistrationKey, Role, Zone
from systemupdates.downloads import agent, publication
from tests.browser import scenes
from tests.browser.test_accessibility import check
from tests.support import factories

FILES = (agent.NAME, "zcc-agent_1.0.0~rc1-1_all.deb", "zcc-agent-1.0.0~rc1-1.noarch.rpm")
PAGE = "/devices/add/"


@pytest.fixture(autouse=True)
def offered(tmp_path: Path, settings) -> None:
    """Offer files as a worker does, without keys to sign them."""
    settings.SERVER_HOME = tmp_path
    folder = publication.get_folder()
    folder.mkdir()
    for name in FILES:
        (folder / name).write_bytes(b"file")
        (folder / f"{name}.sha256").write_text(f"{'a' * 64}  {name}\n")
        (folder / f"{name}.sig").write_text("signature\n")


@pytest.mark.parametrize(
    "query",
    [
        *("", "?role=managed&system=debian", "?role=authentication-satellite&system=red-hat"),
        *("?role=content-satellite", "?role=primary"),
    ],
)
def test_the_page_is_accessible(live_server, log_in, query):
    scenes.rest()
    now = timezone.now()
    RegistrationKey.objects.create(label="lyon", digest="x", uses=5, uses_left=3)
    factories.device("pc-new", registered_at=now, last_contact=None)
    waiting = factories.server("sat-new", Role.AUTHENTICATION_SATELLITE, state="waiting")
    Device.objects.filter(pk=waiting.pk).update(registered_at=now, last_contact=None)
    page = log_in(factories.admin(), reauthenticated=False)
    page.goto(live_server.url + PAGE + query)
    if page.get_by_text("Create a key", exact=True).count():
        page.locator("details").evaluate("one => one.open = true")
    page.set_viewport_size({"width": 1440, "height": 1000})
    wide = "document.querySelector('#added-devices .scroll').scrollWidth"
    assert page.evaluate(f"{wide} <= {wide.replace('scrollWidth', 'clientWidth')}"), "cut off"
    check(page)


def test_a_page_without_an_agent_says_so(live_server, log_in):
    scenes.rest()
    for name in FILES:
        publication.withdraw_file(name)
    page = log_in(factories.admin())
    page.goto(live_server.url + PAGE)
    expect(page.get_by_text("The agent is not available on this server yet.")).to_be_visible()
    check(page)


def test_a_key_is_created_and_the_device_appears(live_server, log_in):
    scenes.rest()
    Device.objects.update(registered_at=timezone.now() - timedelta(days=1))
    Zone.objects.update(public_key=base64.b64encode(bytes(32)).decode())
    page = log_in(factories.admin())
    page.goto(live_server.url)
    page.get_by_role("link", name="Add Devices").first.click()
    page.get_by_role("link", name="Debian or Ubuntu (.deb)").click()
    page.get_by_label("Name", exact=True).fill("branch")
    page.get_by_role("button", name="Create Key").click()
    expect(page.locator("#created-key")).to_be_visible()
    expect(page.locator("pre").nth(1)).to_have_text(
        "sudo apt-get install -y ./zcc-agent_1.0.0~rc1-1_all.deb"
    )
    key = page.locator("#created-key code").inner_text()
    expect(page.locator("pre").nth(2)).to_contain_text(f"--key {key}")
    check(page)
    expect(page.locator("#added-devices")).to_contain_text("No new devices")
    factories.device("pc-fresh", registered_at=timezone.now(), last_contact=None)
    row = page.locator("#added-devices tbody tr")
    expect(row).to_contain_text("Not yet")
    Device.objects.filter(name="pc-fresh").update(last_contact=timezone.now())
    expect(row).to_contain_text("In contact")
