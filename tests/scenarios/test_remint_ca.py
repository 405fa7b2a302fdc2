"""Remint CA from the click to the cut-over, in a zone of real processes (manual, 1.2.9).

One device is frozen over the activation, another has a clock that is two hours off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from pki import details
from tests.browser.conftest import (  # noqa: F401 - fixtures of the browser
    base_url,
    browser_type_launch_args,
)
from tests.scenarios.running import RunningZone, remint

StartZone = Callable[..., RunningZone]


def log_in(browser: Browser, zone: RunningZone) -> Any:
    """Log in to the console of a running zone as its administrator."""
    page = browser.new_context(ignore_https_errors=True).new_page()
    page.goto(zone.access["url"])
    page.get_by_label("Username").fill(zone.access["username"])
    page.get_by_label("Password").fill(zone.access["password"])
    page.get_by_role("button", name="Log in").click()
    page.goto(f"{zone.access['url']}/configuration/certificates/")
    return page


def test_no_contact_is_lost_from_the_click_to_the_cut_over(
    start_zone: StartZone, browser: Browser
) -> None:
    zone = start_zone(devices=3)
    zone.add_device("pc-two-hours-ahead", f"{zone.base}.71", faketime="+2h")
    zone.freeze("device-03.agent")
    page = log_in(browser, zone)

    page.get_by_role("button", name="Remint CA").click()
    page.get_by_label("Yes, I want to remint the certificate authority").check()
    page.get_by_role("button", name="OK").click()
    message = page.get_by_text("The Remint CA operation has been initiated")
    expect(message).to_be_visible()
    page.close()

    # The device is away while everybody else goes through the whole change.
    zone.until("activated", 300)
    page = log_in(browser, zone)
    expect(page.get_by_text(re.compile("1 device.? outstanding"))).to_be_visible(timeout=30_000)
    zone.thaw("device-03.agent")
    seen = zone.until("completed", 120)

    assert set(seen["assigned"].values()) == {"activated"}
    assert len(seen["assigned"]) == 8
    assert zone.refused() == []
    leaves = zone.verify(seen["new"])
    assert len(leaves) == 3
    assert zone.verify(seen["old"]) == leaves, "the bridge is served to who knows the old root"
    for name, pem in zone.served().items():
        facts = details.describe(pem)
        assert facts.digest == leaves[name]
    after = [c for c in zone.contacts() if c["host"] == "device-03" and c["ok"]]
    assert after, "the device that slept is back"
    assert zone.leaks() == []
    expect(page.get_by_role("button", name="Remint CA")).to_be_enabled(timeout=20_000)


@pytest.mark.long
def test_without_bridge_and_overlap_a_device_that_missed_the_change_is_refused(
    start_zone: StartZone,
) -> None:
    """The twin: the same story without what protects the device must lose contact."""
    zone = start_zone(devices=2, satellites=0, primaries=1)
    zone.freeze("device-02.agent")
    remint(zone, without_bridge=True)
    zone.until("activated", 240)
    zone.thaw("device-02.agent")
    zone.wait(zone.refused, 60, "a refused contact")
    assert {contact["host"] for contact in zone.refused()} == {"device-02"}
    seen = zone.until("completed", 180)
    assert seen["assigned"]["device-02"] == "activated", "it recovered by the signed notice"


@pytest.mark.long
@pytest.mark.parametrize("stage", ["preparing", "replicating", "assigned", "activating"])
def test_whatever_is_killed_at_any_stage_the_operation_completes_once(
    start_zone: StartZone, stage: str
) -> None:
    zone = start_zone(devices=2)
    remint(zone)
    order = ["preparing", "replicating", "assigned", "activating"]
    zone.wait(
        lambda: zone.look()["state"] not in order[: order.index(stage)], 240, f"stage {stage}"
    )
    for name in zone.names():
        if not name.startswith("device-02"):
            zone.kill(name)
    seen = zone.until("completed", 300)
    assert set(seen["assigned"].values()) == {"activated"}
    assert once(zone) == {"authorities": 2, "current": 1, "bridges": 2, "operations": 1}
    assert len(zone.verify(seen["new"])) == 3
    assert zone.leaks() == []


def once(zone: RunningZone) -> dict[str, int]:
    """Count what must be there once."""
    code = """
import json
from certificates.models import Authority, Bridge, Operation
from ledger.models import Entry
print(json.dumps({"authorities": Authority.objects.count(),
    "current": Authority.objects.filter(state="current").count(),
    "bridges": Bridge.objects.count(), "operations": Operation.objects.count()}))
previous = "0" * 64
for entry in Entry.objects.order_by("seq"):
    assert entry.previous == previous and entry.reckon() == entry.digest, entry.seq
    previous = entry.digest
"""
    counted: dict[str, int] = json.loads(zone.run(code).splitlines()[0])
    return counted


def test_it_ends_on_ctrl_c_and_goes_on_where_it_was(start_zone: StartZone, tmp_path: Path) -> None:
    zone = start_zone(devices=1, satellites=0, primaries=1)
    before = (zone.home / "servers" / "ps-01" / "device.json").read_text()
    zone.stop()
    assert zone.launcher is not None
    assert zone.launcher.returncode == 0
    left = [p for p in Path("/proc").glob("[0-9]*/cmdline") if _mentions(p, str(tmp_path))]
    assert left == []
    zone.start()
    assert (zone.home / "servers" / "ps-01" / "device.json").read_text() == before
    assert zone.refused() == []


def _mentions(path: Path, text: str) -> bool:
    try:
        return text.encode() in path.read_bytes()
    except OSError:
        return False
