"""The pages of the audit log, and the history on other pages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page

from audit.chain.actor import Actor, acting_as
from audit.models import Checkpoint, Entry, SyslogServer
from devices.models import Device
from tests.browser import scenes
from tests.browser.test_accessibility import check
from tests.support import factories


@pytest.fixture
def auditor(live_server, log_in) -> Page:
    """Return the page of an administrator of a zone with entries of different kinds."""
    ca = scenes.rest()
    admin = factories.admin("chief")
    device = Device.objects.get(name="pc-003")
    with acting_as(Actor("chief", "192.0.2.7", "s" * 64, f"auth.User:{admin.pk}")):
        Entry.objects.record("force", f"certificates.Authority:{ca.pk}", note="A note. " * 30)
        Device.objects.transition(device, "unregistered", note="Replaced by pc-103")
        after = {"name": "pager", "recipients": ["a@acme.example", "b@acme.example"], "events": 5}
        before = {"name": "duty", "recipients": [], "events": 3, "host": "hooks.acme.example"}
        detail = {"before": before, "after": after}
        Entry.objects.record("set-roles", f"auth.User:{admin.pk}", detail=detail)
    Entry.objects.record("denied", "POST /configuration/certificates/remint-ca/")
    server = SyslogServer(host="siem-with-a-long-name.security.acme.example", port=6514, seq=1)
    server.due_at = factories.now()
    server.failures, server.failed_since = 3, factories.now() - timedelta(hours=3)
    server.problem = "Could not send to the syslog server: it did not respond in time."
    server.save()
    page: Page = log_in(admin)
    return page


@pytest.mark.parametrize(
    "path", ["/audit/", "/audit/{seq}/", "/audit/forwarding/", "/devices/{device}/", "/"]
)
def test_pages_with_audit_entries_are_accessible(live_server, auditor, path):
    device = Device.objects.get(name="pc-003").pk
    seq = Checkpoint.objects.get().seq - 1
    auditor.goto(live_server.url + path.format(seq=seq, device=device))
    check(auditor)


def test_an_entry_leads_to_its_object_and_from_there_to_all_its_entries(live_server, auditor):
    auditor.goto(f"{live_server.url}/audit/?q=pc-003")
    auditor.get_by_role("link", name="device pc-003").first.click()
    auditor.wait_for_url("**/devices/*/")
    history = auditor.locator("#history-pane")
    sentence = "chief changed the status of device pc-003 from Registered to Unregistered."
    history.get_by_text(sentence).wait_for()
    history.get_by_role("link", name="All Audit Entries").click()
    auditor.wait_for_url("**/audit/?subject=*")
    auditor.get_by_text(sentence).wait_for()
