"""The page and the file with the record of a CA key, and their verification."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from audit.models import Entry
from certificates.authority import key_jobs, key_operations
from certificates.models import Authority, VaultJob
from certificates.operations import cancellation
from tests.certificates.clients import PAGE
from tests.pki import factories as pki_factories
from tests.support import clients, factories, walkthrough

AUDIT = "ledger.view_entry"
PASSPHRASE = "a passphrase of many words"


@pytest.fixture
def address(zone):
    """Return the address of the record of a key that was backed up."""
    key_operations.back_up(PASSPHRASE, by=None)
    key_jobs.run(VaultJob.objects.get(), now=timezone.now())
    return f"{PAGE}cas/{Authority.objects.current().pk}/key-record/"


def test_the_page_lists_the_actions_and_is_signed(address):
    client = clients.log_in(factories.user("auditor", AUDIT))
    page = client.post(address, {"as": "page"}).content.decode()
    for text in ("Key generated", "Backup CA", "on ps-01", "Done", "Zone Key Signature"):
        assert text in page
    entry = Entry.objects.get(action="sign", subject__contains="key-record")
    assert entry.actor == "auditor"


def test_the_page_names_a_restored_and_an_imported_key(zone, address):
    client = clients.log_in(factories.user("auditor", AUDIT))
    assert "Restore CA" not in client.post(address, {"as": "page"}).content.decode()
    data, now = bytes(VaultJob.objects.get().result), timezone.now()
    zone.first.refresh()
    job = key_operations.restore(data, PASSPHRASE, zone.first.guid, by=None, now=now)
    key_jobs.run(job, now=now)
    page = client.post(address, {"as": "page"}).content.decode()
    assert "Restore CA" in page
    assert "on ps-01 to ps-01" in page
    assert "imported from a backup" not in page
    ca = pki_factories.ca("From a backup")
    operation = walkthrough.take_over(zone, ca.pem, ca.key)
    walkthrough.prepare(zone, operation)
    new = walkthrough.fresh(operation).future_authority
    page = client.post(f"{PAGE}cas/{new.pk}/key-record/", {"as": "page"}).content.decode()
    assert "Key imported from a backup" in page
    assert operation.name in page
    assert "Key generated" not in page


def test_the_button_is_shown_to_those_who_can_use_it(address):
    page = clients.log_in(factories.user("auditor", AUDIT)).get(f"{PAGE}trust/")
    assert address in page.content.decode()
    other = clients.log_in(factories.user("reader"))
    assert address not in other.get(f"{PAGE}trust/").content.decode()
    assert other.post(address).status_code == 403


def test_previous_cas_are_listed(zone):
    operation = walkthrough.remint_ca(common_name="DISCARDED-CA")
    walkthrough.prepare(zone, operation)
    cancellation.cancel(walkthrough.fresh(operation), now=timezone.now())
    walkthrough.step(operation)
    page = clients.log_in(factories.admin()).get(f"{PAGE}trust/").content.decode()
    assert "Previous CAs" in page
    assert "DISCARDED-CA" in page


def test_the_file_is_verified_on_the_command_line(address, tmp_path, capsys):
    response = clients.log_in(factories.admin()).post(address)
    assert response.headers["Content-Disposition"].startswith("attachment; ")
    file = tmp_path / "record.json"
    file.write_bytes(response.content)
    call_command("verify_report", file)
    assert "The record signature is valid" in capsys.readouterr().out
    signed = json.loads(response.content)
    signed["payload"] = signed["payload"][:-8] + "AAAAAAA="
    file.write_text(json.dumps(signed))
    with pytest.raises(CommandError):
        call_command("verify_report", file)


def test_a_report_is_verified_on_the_command_line(zone, tmp_path, capsys):
    operation = walkthrough.remint_ca()
    response = clients.log_in(factories.admin()).post(f"{PAGE}operations/{operation.pk}/report/")
    file = tmp_path / "report.json"
    file.write_bytes(response.content)
    call_command("verify_report", file)
    assert "The report signature is valid: Remint CA" in capsys.readouterr().out
