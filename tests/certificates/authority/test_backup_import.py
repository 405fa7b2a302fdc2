"""Restore CA with a backup of a different CA leads to Change CA (D-31)."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from audit.models import Entry
from certificates.authority import backup_import, key_jobs, key_operations, key_store
from certificates.models import Authority, Draft, Operation, VaultJob
from certificates.operations import preparation
from certificates.operations.states import AuthorityState, JobState
from devices.models import Device
from pki import keys
from pki.formats import csr
from pki.names import Subject
from tests.certificates.clients import PAGE, entered
from tests.support import factories, walkthrough
from tests.support.public_ca import PublicCA
from wire import messages

PHRASE = "seven quiet lakes"
RESTORE = f"{PAGE}restore-ca/"


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("certificates.tasks.enqueue_key_job", lambda _job: None)
    monkeypatch.setattr("certificates.tasks.operations.enqueue_operation", lambda _key: None)


@pytest.fixture
def client(zone):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2").refresh()
    Device.objects.update(last_contact=timezone.now())
    return entered(factories.admin())


@pytest.fixture
def foreign(zone, client):
    """A backup of a CA that is not in the zone."""
    key_operations.back_up(PHRASE, by=None)
    job = VaultJob.objects.get()
    key_jobs.run(job, now=timezone.now())
    data = bytes(job.result)
    VaultJob.objects.all().delete()
    Authority.objects.update(sha256="0" * 64)
    return data


def offered(client, data, phrase=PHRASE):
    """Submit the backup to Restore CA and return the URL of the offer."""
    server = str(Device.objects.get(name="ps-01").pk)
    file = SimpleUploadedFile("backup.zip", data)
    response = client.post(RESTORE, {"file": file, "server": server, "passphrase": phrase})
    page = response.content.decode()
    assert response.status_code == 422
    found = re.search(r'formaction="([^"]+/adopt/)"', page)
    return found.group(1) if found else page


def opened(client, data):
    """Accept the offer, decrypt the backup, and return the URL of the wizard."""
    client.post(offered(client, data))
    job = VaultJob.objects.get()
    backup_import.run(job, now=timezone.now())
    page = client.get(f"{PAGE}jobs/{job.pk}/?rev=waiting").content.decode()
    assert "Backup decrypted" in page
    return re.search(r'id="b-next" href="([^"]+)"', page).group(1)


def test_the_offer_leads_to_a_ca_with_its_key_on_the_server(zone, client, foreign):
    there = opened(client, foreign)
    page = client.get(there).content.decode()
    assert "from the backup becomes the zone CA, with ps-01 as the certificate server" in page
    moment = f"{walkthrough.soon(hours=2):%Y-%m-%dT%H:%M}"
    assert client.post(there, {"activates_at": moment}).status_code in (204, 302)
    operation = Operation.objects.get()
    assert operation.kind == Operation.Kind.CHANGE_CA
    assert not Draft.objects.exists()
    preparation.create_future_ca(operation, timezone.now())
    made = walkthrough.fresh(operation).future_authority
    assert made.state == AuthorityState.FUTURE
    assert made.is_internal
    assert keys.is_same_key(key_store.open_key(made), made.root_pem)
    # The encrypted key was not recorded in the audit log.
    assert not any("sealed_key" in str(entry.detail) for entry in Entry.objects.all())


def test_finishing_twice_starts_one_operation(client, foreign):
    there = opened(client, foreign)
    moment = f"{walkthrough.soon(hours=2):%Y-%m-%dT%H:%M}"
    for _ in range(2):
        client.post(there, {"activates_at": moment})
    assert Operation.objects.count() == 1


def test_passphrase_and_key_are_not_stored_in_plaintext(client, foreign):
    offered(client, foreign)
    assert PHRASE not in str(Draft.objects.get().data)
    opened(client, foreign)
    draft = Draft.objects.latest("created_at")
    assert "PRIVATE KEY" not in str(draft.data)
    assert draft.data["backup"] is None
    job = VaultJob.objects.get()
    assert (job.sealed, bytes(job.payload), bytes(job.result)) == ("", b"", b"")


def test_a_wrong_passphrase_fails_the_job(client, foreign):
    client.post(offered(client, foreign, "another phrase"))
    job = VaultJob.objects.get()
    backup_import.run(job, now=timezone.now())
    assert job.state == JobState.FAILED
    page = client.get(f"{PAGE}jobs/{job.pk}/?rev=waiting").content.decode()
    assert "The passphrase is incorrect, or the file has been modified" in page
    assert not Operation.objects.exists()


def test_an_expired_job_can_be_started_again(client, foreign):
    there = offered(client, foreign)
    client.post(there)
    job = VaultJob.objects.get()
    backup_import.run(job, now=timezone.now() + timedelta(seconds=31))
    assert job.state == JobState.EXPIRED
    assert client.post(there).status_code in (200, 302)
    assert VaultJob.objects.get().state == JobState.WAITING


def test_an_offer_is_available_only_to_its_user(client, foreign):
    there = offered(client, foreign)
    assert entered(factories.admin("other")).post(there).status_code == 404


def test_roll_back_is_recommended_for_the_previous_ca(client, foreign):
    current = Authority.objects.current()
    old = factories.authority(name="OLD", state=AuthorityState.GRACE)
    from pki.certificates import details

    Authority.objects.filter(pk=old.pk).update(sha256=details.get_digest(current.root_pem))
    page = offered(client, foreign)
    assert ("To return to this CA, open the operation that replaced it and use Roll Back.") in page
    assert not Draft.objects.exists()


@pytest.fixture
def chain(zone, client):
    """Make the zone CA a subordinate one, and return its chain."""
    current = Authority.objects.current()
    subject = Subject.parse(current.subject)
    request = csr.build_ca_csr(key_store.open_key(current), subject)
    issued = "".join(PublicCA("Corporate").certify(request))
    rows = Authority.objects.filter(pk=current.pk)
    rows.update(kind=Authority.Kind.SUBORDINATE, intermediates_pem=issued)
    return issued


def test_a_subordinate_ca_from_a_backup_keeps_its_chain(zone, client, chain, foreign):
    there = opened(client, foreign)
    client.post(there, {"activates_at": f"{walkthrough.soon(hours=2):%Y-%m-%dT%H:%M}"})
    operation = Operation.objects.get()
    preparation.create_future_ca(operation, timezone.now())
    new = Operation.objects.get().future_authority
    assert new.is_subordinate
    assert new.intermediates_pem == chain
    assert not new.awaits_certificate
    assert preparation.next_step(operation, timezone.now()), "it waits for no certificate"


def test_the_backup_of_a_subordinate_ca_is_restored(zone, client, chain):
    key_operations.back_up(PHRASE, by=None)
    job = VaultJob.objects.get()
    key_jobs.run(job, now=timezone.now())
    current = Authority.objects.current()
    target = Device.objects.get(name="ps-01").pk
    restored = key_operations.restore(
        bytes(job.result), PHRASE, target, by=None, now=timezone.now()
    )
    key_jobs.run(restored, now=timezone.now())
    assert VaultJob.objects.get(pk=restored.pk).state == JobState.DONE
    after = Authority.objects.current()
    assert (after.pk, after.kind, after.intermediates_pem) == (current.pk, "subordinate", chain)
    assert keys.is_same_key(key_store.open_key(after), after.root_pem)
