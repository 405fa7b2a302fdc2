"""Revoke Certificate as an administrator uses it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from certificates.models import Revocation, ServerCertificate
from tests.browser.test_accessibility import check
from tests.support import factories
from tests.support.zone import TestZone


def test_a_certificate_is_revoked_in_a_dialog(
    live_server: Any, log_in: Any, zone: TestZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certificates.tasks.notify_agents", lambda: None)
    used = ServerCertificate.objects.current().get(device=zone.first.guid)
    page = log_in(factories.admin(), reauthenticated=False)
    page.goto(f"{live_server.url}/configuration/certificates/servers/{zone.first.id}/")
    page.click("#b-revoke")
    expect(page.get_by_role("heading", name="Revoke Certificate")).to_be_visible()
    check(page)
    page.select_option("#id_reason", "key-compromise")
    page.check("#id_confirm")
    page.fill("#id_password", "not the password")
    page.click("button:text('Revoke and Replace')")
    expect(page.locator("body")).to_contain_text("The password is incorrect")
    assert not Revocation.objects.exists()
    check(page)
    page.fill("#id_password", factories.PASSWORD)
    page.click("button:text('Revoke and Replace')")
    expect(page.locator("body")).to_contain_text("has been revoked")
    assert Revocation.objects.get().digest == used.digest
    page.goto(f"{live_server.url}/configuration/certificates/servers/{zone.first.id}/")
    expect(page.locator("body")).to_contain_text("Revoked")
    expect(page.locator("#b-revoke")).to_have_count(0)
    check(page)
