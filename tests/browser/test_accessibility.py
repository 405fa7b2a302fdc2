"""No violation of WCAG 2.2 AA or best practice: each page and dialog, light, dark, phone (B-28)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from certificates.operations.states import OperationState
from devices.models import Device, RegistrationKey
from systemupdates.models import Stage, SystemUpdate
from tests.browser import layout, scenes
from tests.support import factories

# Without details of what passes, whose collection takes most of the time.
VIOLATIONS = {"resultTypes": ["violations"]}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CERTIFICATES = "/configuration/certificates/"
S = OperationState


# The tables whose first row has other columns than their heading. On phones, headings are hidden.
UNEVEN_TABLES = """
[...document.querySelectorAll("table:has(thead)")].filter(table => {
  const count = row => [...row.cells].reduce(
    (sum, cell) => sum + (cell.checkVisibility() ? cell.colSpan : 0), 0)
  const heading = table.tHead.rows[0], row = table.tBodies[0]?.rows[0]
  if (!heading || !row || !heading.checkVisibility() || !row.checkVisibility()) return false
  return !row.querySelector(".empty") && count(heading) !== count(row)
}).map(table => table.closest("section")?.id || table.caption?.textContent || "table")
"""


# Of all rules, only these depend on the color scheme.
COLOR_RULES = ["color-contrast", "link-in-text-block"]


Look = tuple[Literal["light", "dark"], int, list[str]]
LOOKS: tuple[Look, ...] = (
    *(("light", 1440, RULES), ("dark", 1440, COLOR_RULES), ("light", 1280, [])),
    *(("light", 390, RULES), ("dark", 390, COLOR_RULES)),
)


def check(page: Page, looks: Sequence[Look] = LOOKS) -> None:
    """Check the page as it is: rules of axe in some color schemes and widths, and the layout.

    By default, these are all rules at two widths, and those of colors in dark.
    """
    for scheme, width, rules in looks:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 1000})
        # A color halfway between two is nobody's choice.
        page.evaluate("Promise.allSettled(document.getAnimations().map(one => one.finished))")
        if rules:
            found = Axe().run(page, options={"runOnly": rules, **VIOLATIONS})
            assert found.violations_count == 0, f"{scheme} {width}: {found.generate_report()}"
        sideways = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not sideways, f"the page scrolls sideways at {width}"
        assert page.evaluate(UNEVEN_TABLES) == [], f"columns without a heading at {width}"
    for width in layout.WIDTHS:
        page.set_viewport_size({"width": width, "height": 1000})
        assert layout.find_cut_content(page) == [], f"cut off at {width}"


@pytest.mark.parametrize("path", ["/", CERTIFICATES, "/devices/", "/preferences/", "/nowhere/"])
def test_pages_without_an_operation_are_accessible(live_server, log_in, path):
    scenes.rest()
    page = log_in(factories.admin())
    page.goto(live_server.url + path)
    check(page)


@pytest.mark.parametrize(
    "state", [S.REPLICATING, S.ASSIGNED, S.BLOCKED, S.CANCEL_FAILED, S.ACTIVATED]
)
def test_an_operation_in_each_state(live_server, log_in, state):
    scenes.remint(state, reason="The zone key could not be opened.")
    page = log_in(factories.admin())
    page.goto(live_server.url + CERTIFICATES)
    check(page)


@pytest.mark.parametrize(
    "opener", ["#b-view-certificate", "#b-remint-ca", "tbody th a >> nth=0", "#b-columns-servers"]
)
def test_dialogs_without_an_operation_are_accessible(live_server, log_in, opener):
    scenes.rest()
    page = log_in(factories.admin(), reauthenticated=False)
    page.goto(live_server.url + CERTIFICATES)
    page.click(f"#main {opener}")
    if opener == "#b-columns-servers":
        expect(page.locator("#columns-servers")).to_be_visible()
    else:
        expect(page.locator("dialog[open] h2")).to_be_visible()
    check(page)


@pytest.mark.parametrize(
    "opener",
    [
        "current replication status",
        "Assign Now",
        "Cancel",
        "Failure Details",
        "View new certificate",
    ],
)
def test_dialogs_of_an_operation(live_server, log_in, opener):
    scenes.remint()
    page = log_in(factories.admin())
    page.goto(live_server.url + CERTIFICATES)
    page.locator(f"#main >> text='{opener}'").first.click()
    expect(page.locator("dialog[open] h2")).to_be_visible()
    check(page)


@pytest.mark.parametrize("opener", ["#b-remint-ca", "#b-change-ca"])
def test_the_fields_for_name_constraints(live_server, log_in, opener):
    scenes.rest()
    page = log_in(factories.admin())
    page.goto(live_server.url + CERTIFICATES)
    page.click(opener)
    page.check("#id_confirm")
    expect(page.locator("#id_domains")).to_be_hidden()
    page.click("#name-constraints summary")
    expect(page.locator("#id_domains")).not_to_have_value("")
    page.check("#id_constrain")
    check(page)
    page.fill("#id_domains", "com")
    page.locator("dialog footer button.primary").click()
    expect(page.locator("#id_domains_error")).to_contain_text("top-level domain")
    expect(page.locator("#id_domains")).to_be_focused()
    check(page)


@pytest.mark.parametrize("width", layout.WIDTHS)
def test_the_reason_of_a_disabled_button_is_inside_the_window(live_server, log_in, width):
    scenes.remint(S.ASSIGNED)
    page = log_in(factories.admin())
    page.set_viewport_size({"width": width, "height": 1000})
    paths = (CERTIFICATES, f"/system-updates/{SystemUpdate.objects.get().pk}/details/")
    for path in paths:
        page.goto(live_server.url + path)
        buttons = page.locator("#main .toolbar > .gate > [aria-disabled=true]")
        assert buttons.count() > 1
        for button in buttons.all():
            button.focus()
            reason = button.locator("+ .why")
            expect(reason).to_be_visible()
            box = reason.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width


def test_a_form_with_errors(live_server, log_in):
    scenes.rest()
    page = log_in(factories.admin(), reauthenticated=False)
    page.goto(f"{live_server.url}{CERTIFICATES}remint-ca/")
    page.check("#id_confirm")
    page.fill("#id_activates_at", "2020-01-01T10:00")
    page.click("text='OK'")
    expect(page.locator("[aria-invalid=true]").first).to_be_visible()
    check(page)


def test_updates_and_device_pages(live_server, log_in):
    operation = scenes.remint(S.ASSIGNED)
    page = log_in(factories.admin())
    update = SystemUpdate.objects.get().pk
    server = operation.signing_server_id
    for path in (
        *("/system-updates/", f"/system-updates/{update}/devices/", f"/devices/{server}/"),
        f"/devices/{server}/settings/",
    ):
        page.goto(live_server.url + path)
        check(page)


@pytest.mark.parametrize(
    "path",
    [
        *("/system-updates/stages/", "/configuration/zone-settings/"),
        *("/configuration/registration-keys/", CERTIFICATES + "trust/"),
    ],
)
def test_pages_of_settings_keys_stages_and_roots(live_server, log_in, path):
    scenes.rest()
    pilot = Stage.objects.create(name="Pilot", position=0, timeout_seconds=86_400)
    pilot.devices.set(Device.objects.filter(name__startswith="pc-00"))
    RegistrationKey.objects.create(label="lyon", digest="x", uses=5, uses_left=3)
    factories.server("ps-new", state="waiting")
    Device.objects.filter(name="pc-001").update(root_sha256="ab" * 32)
    page = log_in(factories.admin(), reauthenticated=False)
    page.goto(live_server.url + path)
    check(page)


def test_content_and_release_details_of_an_update(live_server, log_in):
    scenes.rollout()
    update = SystemUpdate.objects.get().pk
    page = log_in(factories.admin())
    for part in ("content", "details"):
        page.goto(f"{live_server.url}/system-updates/{update}/{part}/")
        check(page)


@pytest.mark.parametrize("opener", ["#status-table a[href*='/ignore/']", "#b-redeploy"])
def test_dialogs_of_an_update(live_server, log_in, opener):
    scenes.rollout()
    update = SystemUpdate.objects.get().pk
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}/system-updates/{update}/devices/")
    page.locator(opener).first.click()
    expect(page.locator("dialog[open] h2")).to_be_visible()
    check(page)


def test_the_login(live_server, faultless):
    factories.zone()
    faultless.goto(f"{live_server.url}/login/")
    check(faultless)
