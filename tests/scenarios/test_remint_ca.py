"""Remint CA from the click to the cut-over, in a zone of real processes (manual, 1.2.9).

One device is frozen over the activation, another has a clock that is two hours off.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import (  # noqa: F401 - fixtures of the browser
    base_url,
    browser_type_launch_args,
)
from tests.harness.evidence import leaked_secrets
from tests.harness.zone import until
from tests.scenarios.running_zone import RunningZone, remint

StartZone = Callable[..., RunningZone]


def log_in(browser: Browser, zone: RunningZone) -> Any:
    """Log in to the console of a running zone as its administrator."""
    page = browser.new_context(ignore_https_errors=True).new_page()
    page.goto(zone.access["url"])
    page.get_by_label("User name").fill(zone.access["username"])
    page.get_by_label("Password").fill(zone.access["password"])
    page.get_by_role("button", name="Log In").click()
    page.wait_for_url(f"{zone.access['url']}/")
    page.goto(f"{zone.access['url']}/configuration/certificates/")
    return page


@pytest.mark.manual("R141")
def test_no_contact_is_lost_from_the_click_to_the_cut_over(
    start_zone: StartZone, browser: Browser
) -> None:
    zone = start_zone(devices=2)
    zone.add_device("pc-two-hours-ahead", 71, faketime="+2h")
    zone.stop("device-02.agent")
    page = log_in(browser, zone)

    page.get_by_role("button", name="Remint CA").click()
    page.get_by_label("Yes, I want to remint the certificate authority").check()
    page.get_by_role("button", name="OK").click()
    said = page.locator("#zone-ca").get_by_text("The Remint CA operation has been initiated")
    expect(said).to_be_visible()
    page.close()

    # The device is away while everybody else goes through the whole change.
    zone.reaches("activated", seconds=300)
    page = log_in(browser, zone)
    expect(page.get_by_text(re.compile("1 device.? outstanding"))).to_be_visible(timeout=60_000)
    zone.cont("device-02.agent")
    seen = zone.reaches("completed", seconds=120)

    assert set(seen["assigned"].values()) == {"activated"}
    assert len(seen["assigned"]) == 7
    assert zone.refused() == []
    leaves = zone.verify(seen["new"])
    assert len(leaves) == 3
    assert zone.verify(seen["old"]) == leaves, "the cross-certificate is served"
    assert leaked_secrets(zone.home, (zone.access["password"],)) == []


@pytest.mark.long
def test_without_cross_certificate_and_overlap_a_device_that_missed_the_change_is_refused(
    start_zone: StartZone,
) -> None:
    """The twin: the same story without what protects the device must lose contact."""
    zone = start_zone(devices=2, satellites=0, primaries=1)
    zone.stop("device-02.agent")
    remint(zone, without_cross_certificate=True)
    zone.reaches("activated")
    zone.cont("device-02.agent")
    until(zone.refused, "a refused contact", 60)
    assert {contact.host for contact in zone.refused()} == {"device-02"}
    seen = zone.reaches("completed", seconds=180)
    assert seen["assigned"]["device-02"] == "activated", "it recovered by the signed notice"
