"""Change CA to a subordinate CA as an administrator does it: start, download, import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from certificates.models import Operation
from tests.browser.test_accessibility import check
from tests.support import factories, walkthrough
from tests.support.public_ca import PublicCA
from tests.support.zone import TestZone

PAGE = "/configuration/certificates/"


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no broker: the test runs the steps of the operation itself."""
    monkeypatch.setattr("certificates.tasks.notify_agents", lambda: None)
    monkeypatch.setattr("certificates.tasks.operations.enqueue_operation", lambda _key: None)


def test_the_dialog_shows_the_fields_of_the_selected_type(
    live_server: Any, log_in: Any, zone: TestZone
) -> None:
    zone.first.refresh()
    page = log_in(factories.admin())
    page.goto(live_server.url + PAGE)
    page.click("#b-change-ca")
    page.check("#id_confirm")
    page.select_option("#id_change_to", "subordinate")
    expect(page.locator("#id_subject")).to_be_visible()
    expect(page.locator("#id_years")).to_be_hidden()
    expect(page.locator("#id_file")).to_be_hidden()
    expect(page.locator("dialog .for-subordinate")).to_be_visible()
    check(page)
    page.select_option("#id_change_to", "internal")
    expect(page.locator("#id_years")).to_be_visible()
    expect(page.locator("dialog .for-subordinate")).to_be_hidden()
    page.select_option("#id_change_to", "subordinate")
    page.select_option("#id_certificate_server", str(zone.first.guid))
    page.fill("#id_subject", "CN=Zone CA,O=Acme")
    page.click("dialog button:text('Next')")
    expect(page.locator("dialog[open]")).to_contain_text("A new subordinate CA CN=Zone CA,O=Acme")
    check(page)
    page.locator("dialog footer button.primary").click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert Operation.objects.get().parameters["subordinate"]


def test_the_csr_is_downloaded_and_the_chain_imported(
    live_server: Any, log_in: Any, zone: TestZone, tmp_path: Path
) -> None:
    zone.first.refresh()
    operation = walkthrough.to_subordinate(zone.first)
    walkthrough.prepare(zone, operation)
    page = log_in(factories.admin())
    page.goto(f"{live_server.url}{PAGE}operations/{operation.pk}/")
    pane = page.locator("#operation-pane")
    expect(pane).to_contain_text("Waiting for the certificate of the new zone CA.")
    check(page)
    with page.expect_download() as download:
        page.click(f"#b-ca-csr-{operation.pk}")
    assert download.value.suggested_filename == "zone-ca.csr"
    request = Path(download.value.path()).read_text()

    page.click(f"#b-import-ca-{operation.pk}")
    expect(page.get_by_role("heading", name="Import CA Certificate")).to_be_visible()
    check(page)
    wrong, right = tmp_path / "wrong.pem", tmp_path / "chain.pem"
    ca = PublicCA("Corporate")
    wrong.write_text(ca.root.pem)
    right.write_text("".join(ca.certify(request)))
    page.set_input_files("#id_file", wrong)
    page.click("dialog button:text('Import')")
    expect(page.locator("dialog[open]")).to_contain_text("match the key of the new zone CA")
    expect(page.locator("dialog[open]")).to_contain_text("Nothing was changed.")
    check(page)
    page.set_input_files("#id_file", right)
    page.click("dialog button:text('Import')")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(pane).not_to_contain_text("Waiting for the certificate")
    assert not walkthrough.fresh(operation).awaits_ca_certificate
