"""The server pane in a browser: selection over pages, menu, dialogs, export, the keyboard alone."""

from __future__ import annotations

import csv
import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from certificates.models import Authority, FutureCertificate, Operation
from certificates.operations.states import FutureState, OperationState
from devices.models import Device
from pki import keys, names
from pki.formats import csr
from systemupdates.models import SystemUpdate
from tests.browser import scenes
from tests.browser.test_accessibility import check
from tests.support import factories
from wire import messages

CERTIFICATES = "/configuration/certificates/"
KEY = keys.generate_key(256)


@pytest.fixture
def pane(live_server: Any, log_in: Any, monkeypatch: Any) -> Page:
    """A zone at rest; the background work stands still."""
    monkeypatch.setattr("certificates.tasks.operations.enqueue_operation", lambda _key: None)
    monkeypatch.setattr("certificates.tasks.notify_agents", lambda: None)
    scenes.rest()
    parent = Device.objects.get(name="zen-ps-01")
    Device.objects.filter(name__in=("sat-auth-gent", "sat-auth-turku")).update(parent=parent)
    Device.objects.update(features=[messages.FEATURE_CSR])
    page: Page = log_in(factories.admin())
    page.goto(f"{live_server.url}{CERTIFICATES}?per_page=5&sort=issued_to")
    return page


def box(page: Page, name: str) -> Any:
    return page.get_by_label(f"Select {name}", exact=True)


def selected(page: Page, text: str) -> None:
    expect(page.locator("[data-selected]")).to_have_text(text)


def press(page: Page, what: str) -> None:
    """Press a button of the bar once the server has said that it is open."""
    button = page.locator(f"#b-{what}")
    expect(button).to_have_attribute("name", "do")
    expect(button).not_to_have_attribute("aria-disabled", "true")
    if not button.is_visible():
        page.click("#b-actions")
    button.click()


def frozen() -> list[str]:
    from certificates.models import Draft

    return sorted(one["name"] for one in Draft.objects.get().data["selection"].values())


def external(*, csrs: int = 3) -> Operation:
    """Let the first servers wait for certificates of an external CA, some with their CSR."""
    ca = Authority.objects.get()
    operation = factories.operation(
        ca, kind=Operation.Kind.REMINT_SERVER, state=OperationState.ASSIGNED, name="Autumn remint"
    )
    for number, server in enumerate(Device.objects.certified().order_by("name")[:4]):
        wanted = names.Names((server.fqdn,), ())
        has = number < csrs
        factories.future(
            operation,
            server,
            FutureState.CSR_GENERATED if has else FutureState.AWAITED,
            authority=ca,
            csr_parameters={},
            csr_pem=csr.build_csr(KEY, names.Subject(server.fqdn), wanted) if has else "",
        )
    Authority.objects.update(kind=Authority.Kind.EXTERNAL, certificate_server=None)
    return operation


@pytest.mark.manual("R161")
def test_a_selection_is_kept_over_pages_sorting_and_searching(pane):
    box(pane, "sat-auth-bergen").check()
    pane.click("#next")
    box(pane, "sat-auth-split").check()
    selected(pane, "2 selected")
    pane.click("#sort-issued_to")
    expect(box(pane, "zen-ps-oslo")).not_to_be_checked()
    pane.fill("#id_q", "sat-auth-s")
    expect(box(pane, "sat-auth-split")).to_be_checked()
    selected(pane, "2 selected")
    press(pane, "remint-certificate")
    expect(pane.locator("dialog .names")).to_contain_text("sat-auth-bergen")
    assert frozen() == ["sat-auth-bergen", "sat-auth-split"]


def test_shift_picks_a_range_and_clear_forgets_it(pane):
    box(pane, "sat-auth-bergen").check()
    box(pane, "sat-auth-hamburg").click(modifiers=["Shift"])
    selected(pane, "4 selected")
    pane.click("[data-clear]")
    selected(pane, "No server selected")
    expect(pane.locator("[name=ids]:checked")).to_have_count(0)
    pane.click("#b-remint-certificate", force=True)
    expect(pane.locator("#live")).to_have_text("Select at least one server.")


def test_all_matching_servers_except_some_are_selected_on_all_pages(pane):
    expect(pane.locator("[data-all]")).to_be_hidden()
    pane.check("[data-check-all]")
    pane.click("text='Select all 14 matching servers'")
    selected(pane, "All 14 matching servers selected")
    pane.click("#next")
    expect(pane.locator("[name=ids]:checked")).to_have_count(5)
    box(pane, "zen-ps-01").uncheck()
    selected(pane, "13 selected")
    press(pane, "remint-certificate")
    expect(pane.locator("dialog summary")).to_have_text("13 selected servers")
    assert len(frozen()) == 13
    assert "zen-ps-01" not in frozen()


def test_the_selection_is_exported(pane):
    export = pane.get_by_role("button", name="Export Selected")
    expect(export).to_be_disabled()
    pane.check("[data-check-all]")
    pane.click("[data-all]")
    pane.click("#next")
    box(pane, "zen-ps-01").uncheck()
    selected(pane, "13 selected")
    with pane.expect_download() as download:
        export.click()
    rows = download.value.path().read_text().splitlines()
    assert len(rows) == 14
    assert not any(row.startswith("zen-ps-01,") for row in rows)
    selected(pane, "13 selected")


def test_selecting_all_matching_servers_ends_when_the_filter_changes(pane):
    pane.check("[data-check-all]")
    pane.click("[data-all]")
    selected(pane, "All 14 matching servers selected")
    pane.click("#chip-expiring")
    selected(pane, "No server selected")
    expect(pane.locator("#live")).to_have_text("Selection cleared because the filter changed.")


def test_the_menu_shows_why_an_action_is_disabled_for_the_selection(pane):
    external(csrs=3)
    pane.reload()
    box(pane, "sat-auth-bergen").check()
    expect(pane.locator("#why-csr-zip")).to_contain_text("Select two or more servers")
    pane.click("#b-actions")
    expect(pane.locator("#b-generate-csr")).to_be_visible()
    box(pane, "sat-auth-hamburg").check(force=True)
    pane.keyboard.press("Escape")
    expect(pane.locator("#why-csr-zip")).to_contain_text(
        "1 of 2 selected servers does not have a CSR yet"
    )
    pane.click("#b-actions")
    pane.click("#b-csr-zip", force=True)
    expect(pane.locator("#live")).to_contain_text("does not have a CSR yet: sat-auth-hamburg.")


def test_the_menu_stays_open_below_its_button_while_it_is_brought_up_to_date(pane):
    box(pane, "sat-auth-bergen").check()
    pane.click("#b-actions")
    with pane.expect_response("**/servers/actions/"):
        pane.evaluate("document.body.dispatchEvent(new Event('zcc:picked'))")
    menu, button = pane.locator("#actions"), pane.locator("#b-actions")
    expect(menu).to_be_visible()
    below, above = menu.bounding_box(), button.bounding_box()
    assert below
    assert above
    assert abs(below["y"] - above["y"] - above["height"]) < 20
    assert abs(below["x"] - above["x"]) < 20
    expect(pane.locator("#why-import-certificate")).to_be_visible()
    check(pane)


def test_csrs_are_downloaded_as_one_zip(pane):
    external()
    pane.reload()
    box(pane, "sat-auth-bergen").check()
    box(pane, "sat-auth-brno").check()
    with pane.expect_download() as got:
        press(pane, "csr-zip")
    assert re.fullmatch(r"csrs_acme-zone_\d{4}-\d\d-\d\d\.zip", got.value.suggested_filename)


def test_a_selection_that_changes_while_its_actions_load_gets_current_actions(pane):
    external()
    pane.reload()
    held: list[Any] = []
    pane.route("**/servers/actions/", lambda route: held.append(route), times=1)  # noqa: PLW0108 - it is marked
    with pane.expect_request("**/servers/actions/"):
        box(pane, "sat-auth-brno").check()
    box(pane, "sat-auth-brno").uncheck()
    with pane.expect_response("**/servers/actions/"):
        box(pane, "sat-auth-bergen").check()
        # The answer to the first question comes while the second one is about to be asked.
        held[0].continue_()
    expect(pane.locator("#why-remint-certificate")).to_contain_text("sat-auth-bergen")


def test_generate_csr_and_import_have_their_dialogs(pane, tmp_path):
    external()
    pane.reload()
    box(pane, "sat-auth-bergen").check()
    press(pane, "generate-csr")
    expect(pane.get_by_label("Common Name (CN)")).to_have_value("sat-auth-bergen.acme.example")
    check(pane)
    pane.fill("#id_organization", "Acme")
    pane.click("dialog >> text='OK'")
    expect(pane.locator("dialog[open]")).to_have_count(0)
    row = pane.locator("tr", has=box(pane, "sat-auth-bergen"))
    expect(row).to_contain_text("CSR generation pending")
    pane.click("[data-clear]")
    box(pane, "sat-auth-brno").check()
    press(pane, "import-certificate")
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    pane.set_input_files("#id_file", wrong)
    pane.click("dialog >> text='OK'")
    expect(pane.locator("dialog [role=alert]")).to_contain_text("Nothing was changed.")
    check(pane)


def test_the_export_holds_what_is_shown(pane, live_server):
    pane.goto(f"{live_server.url}{CERTIFICATES}?q=zen&sort=-issued_to&per_page=5")
    with pane.expect_download() as got:
        pane.click("text='Export'")
    rows = list(csv.DictReader(got.value.path().read_text("utf-8-sig").splitlines()))
    assert [row["Issued To"] for row in rows] == sorted(scenes.PRIMARIES, reverse=True)
    assert "SHA256 Fingerprint" in rows[0]
    assert "Options" not in rows[0]


def test_columns_are_chosen_and_kept(pane):
    pane.click("#b-columns-servers")
    pane.uncheck("#columns-servers >> text='Version'")
    pane.check("#columns-servers >> text='MD5 Fingerprint'")
    pane.click("text='Apply'")
    expect(pane.locator("th.c-md5")).to_be_visible()
    expect(pane.locator("th.c-version")).to_have_count(0)
    assert "per_page=5" in pane.url
    assert "sort=issued_to" in pane.url


def test_filter_page_and_selection_are_kept_after_an_act(pane):
    pane.click("#next")
    expect(box(pane, "zen-ps-01")).to_be_visible()
    box(pane, "zen-ps-02").check()
    press(pane, "remint-certificate")
    pane.check("#id_confirm")
    pane.click("dialog >> text='OK'")
    expect(pane.locator("#server-operations")).to_contain_text("has been initiated.")
    row = pane.locator("tr", has=box(pane, "zen-ps-02"))
    expect(row).to_contain_text("New certificate pending")
    expect(box(pane, "zen-ps-02")).to_be_checked()
    assert "after=" in pane.url
    expect(pane.locator("#why-remint-certificate")).to_contain_text("is already waiting")


def test_satellites_are_listed_and_can_be_left_out(pane):
    pane.click("#next")
    box(pane, "zen-ps-01").check()
    press(pane, "remint-certificate")
    pane.check("#id_confirm")
    expect(pane.locator("#id_common_name")).to_have_count(0)
    expect(pane.locator("dialog").get_by_label("sat-auth-turku")).to_be_checked()
    check(pane)
    pane.locator("dialog").get_by_label("sat-auth-turku").uncheck()
    pane.click("dialog >> text='OK'")
    expect(pane.locator("#server-operations")).to_contain_text("has been initiated.")
    found = FutureCertificate.objects.values_list("device__name", flat=True)
    assert sorted(found) == ["sat-auth-gent", "zen-ps-01"]


@pytest.mark.manual("R158")
def test_the_new_certificate_stands_beside_the_current_one(pane, live_server):
    operation = external()
    server = Device.objects.get(name="sat-auth-bergen")
    pem = server.certificates.get().chain_pem
    FutureCertificate.objects.filter(device=server).update(
        state=FutureState.UPLOADED, chain_pem=pem
    )
    assert operation.activates_at
    pane.reload()
    pane.click("text='View new certificate'")
    expect(pane.locator("dialog thead")).to_contain_text("Current certificate")
    check(pane)
    pane.set_viewport_size({"width": 1440, "height": 1000})
    with pane.expect_download() as got:
        pane.click("text='Download Certificate'")
    assert got.value.suggested_filename == "sat-auth-bergen.acme.example-new-certificate.pem"


def tab_to(page: Page, selector: str, *, back: bool = False, most: int = 90) -> None:
    """Press Tab until something has the focus."""
    for _press in range(most):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if page.evaluate("s => document.activeElement?.matches(s) ?? false", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}")


def test_a_whole_remint_by_keyboard_alone(pane):
    """Select two servers, order the remint, assign it now, look at its servers, cancel it."""
    key = pane.keyboard
    tab_to(pane, ["[name=ids]", " nth=0"][0])
    key.press("Space")
    tab_to(pane, "[aria-label='Select sat-auth-brno']")
    key.press("Space")
    selected(pane, "2 selected")
    expect(pane.locator("#b-remint-certificate")).not_to_have_attribute("aria-disabled", "true")
    tab_to(pane, "#b-remint-certificate", back=True)
    key.press("Enter")
    expect(pane.locator("#id_confirm")).to_be_focused()
    key.press("Space")
    tab_to(pane, "#id_key_length")
    key.press("ArrowDown")
    tab_to(pane, "[data-set]")
    key.press("Enter")
    tab_to(pane, "#id_name")
    key.press("Control+A")
    key.type("By keyboard")
    tab_to(pane, "dialog button.primary")
    key.press("Enter")
    expect(pane.locator("#server-operations")).to_contain_text("has been initiated.")
    operation = Operation.objects.get()
    assert operation.name == "By keyboard"
    assert operation.parameters["key_length"] == 384
    assert operation.activates_at > factories.now() + timedelta(days=6)
    _replicating(operation)
    assign = f"a#b-assign-{operation.pk}"
    expect(pane.locator(assign)).to_be_visible()
    expect(pane.locator("#b-remint-certificate")).to_be_focused()
    tab_to(pane, assign, back=True)
    key.press("Enter")
    expect(pane.locator("dialog[open] h2")).to_have_text("Assign Now")
    tab_to(pane, "[popovertarget=selected-servers]", back=True)
    key.press("Enter")
    expect(pane.locator("#selected-servers")).to_contain_text("sat-auth-bergen")
    key.press("Escape")
    expect(pane.locator("#selected-servers")).to_be_hidden()
    key.press("Escape")
    expect(pane.locator(assign)).to_be_focused()
    tab_to(pane, f"#b-cancel-{operation.pk}")
    key.press("Enter")
    expect(pane.locator("dialog[open] h2")).to_contain_text("Cancel the Remint Certificate")
    tab_to(pane, "dialog button.danger")
    key.press("Enter")
    expect(pane.locator("#server-operations")).to_contain_text("is being canceled.")


def _replicating(operation: Operation) -> None:
    """Bring the operation to where its content is copied, as the worker does."""
    update: SystemUpdate = factories.update(
        Device.objects.get(name="zen-ps-01"), name=operation.name
    )
    Operation.objects.filter(pk=operation.pk).update(
        state=OperationState.REPLICATING, update=update
    )
