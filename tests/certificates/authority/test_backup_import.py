"""A backup of another CA leads into Change CA: opened, then activated in an orderly way (D-31)."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from audit.models import Entry
from certificates.authority import backup_import, key_jobs, key_store
from certificates.authority import key_operations as ca_role
from certificates.models import Authority, Draft, Operation, VaultJob
from certificates.operations import preparation
from certificates.operations.states import AuthorityState, JobState
from devices.models import Device
from pki import keys
from tests.certificates.clients import PAGE, entered
from tests.support import factories, walkthrough
from wire import messages

PHRASE = "seven quiet lakes"
RESTORE = f"{PAGE}restore-ca/"


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("certificates.tasks.nudge_job", lambda _job: None)
    monkeypatch.setattr("certificates.tasks.nudge", lambda _key: None)


@pytest.fixture
def client(zone):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2").refresh()
    Device.objects.update(last_contact=timezone.now())
    return entered(factories.admin())


@pytest.fixture
def foreign(zone, client):
    """A backup of a CA that this zone does not know."""
    ca_role.back_up(PHRASE, by=None)
    job = VaultJob.objects.get()
    key_jobs.do(job, now=timezone.now())
    data = bytes(job.result)
    VaultJob.objects.all().delete()
    Authority.objects.update(sha256="0" * 64)
    return data


def offered(client, data, phrase=PHRASE):
    """Send the backup to Restore CA; returns the address of the offer."""
    server = str(Device.objects.get(name="ps-01").pk)
    file = SimpleUploadedFile("backup.zip", data)
    response = client.post(RESTORE, {"file": file, "server": server, "passphrase": phrase})
    page = response.content.decode()
    assert response.status_code == 422
    found = re.search(r'formaction="([^"]+/adopt/)"', page)
    return found.group(1) if found else page


def opened(client, data):
    """Follow the offer until the server has opened the backup; returns the wizard's address."""
    client.post(offered(client, data))
    job = VaultJob.objects.get()
    backup_import.do(job, now=timezone.now())
    page = client.get(f"{PAGE}jobs/{job.pk}/?rev=waiting").content.decode()
    assert "The backup is opened." in page
    return re.search(r'id="b-next" href="([^"]+)"', page).group(1)


def test_the_offer_leads_to_a_ca_whose_key_its_server_holds(zone, client, foreign):
    there = opened(client, foreign)
    page = client.get(there).content.decode()
    assert "of the backup becomes the zone CA, with ps-01 as certificate server" in page
    moment = f"{walkthrough.soon(hours=2):%Y-%m-%dT%H:%M}"
    assert client.post(there, {"activates_at": moment}).status_code in (204, 302)
    operation = Operation.objects.get()
    assert operation.kind == Operation.Kind.CHANGE_CA
    assert not Draft.objects.exists()
    preparation.make_future(operation, timezone.now())
    made = walkthrough.fresh(operation).future_authority
    assert made.state == AuthorityState.FUTURE
    assert made.is_internal
    assert keys.same_key(key_store.open_key(made), made.root_pem)
    # The blob that was waiting is nobody's any more, and the ledger never had it.
    assert not any("sealed_key" in str(entry.detail) for entry in Entry.objects.all())


def test_finish_twice_starts_one_operation(client, foreign):
    there = opened(client, foreign)
    moment = f"{walkthrough.soon(hours=2):%Y-%m-%dT%H:%M}"
    for _ in range(2):
        client.post(there, {"activates_at": moment})
    assert Operation.objects.count() == 1


def test_neither_passphrase_nor_key_is_kept_in_the_clear(client, foreign):
    offered(client, foreign)
    assert PHRASE not in str(Draft.objects.get().data)
    opened(client, foreign)
    draft = Draft.objects.latest("created_at")
    assert "PRIVATE KEY" not in str(draft.data)
    assert draft.data["backup"] is None
    job = VaultJob.objects.get()
    assert (job.sealed, bytes(job.payload), bytes(job.result)) == ("", b"", b"")


def test_a_wrong_passphrase_is_told_and_can_be_tried_again_from_the_start(client, foreign):
    client.post(offered(client, foreign, "another phrase"))
    job = VaultJob.objects.get()
    backup_import.do(job, now=timezone.now())
    assert job.state == JobState.FAILED
    page = client.get(f"{PAGE}jobs/{job.pk}/?rev=waiting").content.decode()
    assert "the passphrase is wrong, or the file was changed" in page
    assert not Operation.objects.exists()


def test_a_server_that_did_not_answer_is_asked_again_with_the_same_offer(client, foreign):
    there = offered(client, foreign)
    client.post(there)
    job = VaultJob.objects.get()
    backup_import.do(job, now=timezone.now() + timedelta(seconds=31))
    assert job.state == JobState.EXPIRED
    assert client.post(there).status_code in (200, 302)
    assert VaultJob.objects.get().state == JobState.WAITING


def test_an_offer_is_for_the_one_who_sent_the_backup(client, foreign):
    there = offered(client, foreign)
    assert entered(factories.admin("other")).post(there).status_code == 404


def test_the_ca_from_before_is_not_offered_but_roll_back(client, foreign):
    current = Authority.objects.current()
    old = factories.authority(name="OLD", state=AuthorityState.GRACE)
    from pki.certificates import details

    Authority.objects.filter(pk=old.pk).update(sha256=details.digest(current.root_pem))
    page = offered(client, foreign)
    assert "Use Roll back on the page of the operation that replaced it." in page
    assert not Draft.objects.exists()
