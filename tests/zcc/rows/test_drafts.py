"""Whoever can only write to the database puts no CA into the draft of an administrator.

See: D-240
"""

from __future__ import annotations

import base64

import pytest
from django.utils import timezone

from audit.models import AlteredRow, RowAltered
from certificates.authority import backup_import, key_jobs, key_store
from certificates.models import Authority, Draft, Operation, VaultJob
from devices.models import Device
from tests.certificates.clients import PAGE, entered, events, external_root, local
from tests.support import factories
from tests.zcc.rows import sql
from zcc.rows import checks

CHANGE = f"{PAGE}change-ca/"


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("certificates.tasks.enqueue_key_job", lambda _job: None)
    monkeypatch.setattr("certificates.tasks.operations.enqueue_operation", lambda _key: None)


@pytest.fixture
def admin(zone):
    Device.objects.update(last_contact=timezone.now())
    return factories.admin()


@pytest.fixture
def client(admin):
    return entered(admin)


@pytest.fixture
def draft(client):
    """The draft of an administrator who changes to a new internal CA, before Finish."""
    server = Device.objects.get(name="ps-01")
    given = {
        "confirm": "on",
        "change_to": "internal",
        "certificate_server": str(server.pk),
        "subject": "New CA",
        "key_length": "384",
        "years": "5",
    }
    assert client.post(CHANGE, given).status_code == 200
    return Draft.objects.get()


def finish(client, draft):
    return client.post(f"{CHANGE}{draft.pk}/activation/", {"activates_at": local(days=2)})


def take_over(draft):
    """Return the data of the draft as if a backup of the thief's CA had been decrypted."""
    server = Device.objects.get(name="ps-01")
    adopted = {
        "authority": str(draft.pk),
        "server": str(server.pk),
        "root_pem": external_root("CN=THIEF"),
        "sealed_key": key_store.seal("key of the thief", authority_id=draft.pk, server=server),
    }
    return {**draft.data, "adopted": adopted}


def is_rejected(response):
    """Return True if the dialog shows why nothing is done, and nothing else."""
    shown = events(response).get("zcc:fault", {}).get("explanation", "")
    return response.status_code == 409 and "was changed in the database" in shown


def assert_alarm(draft):
    assert not Operation.objects.exists()
    assert [(row.label, row.key) for row in AlteredRow.objects.all()] == [
        ("certificates.Draft", str(draft.pk))
    ]


def test_a_draft_that_was_not_changed_starts_its_operation(client, draft):
    assert finish(client, draft).status_code == 204
    assert Operation.objects.get().parameters["subject"] == "New CA"


def test_the_ca_of_a_thief_is_not_taken_over(client, draft):
    sql.change(draft, data=take_over(draft))
    assert is_rejected(finish(client, draft))
    assert_alarm(draft)


def test_the_root_of_a_thief_is_not_used(client, admin):
    data = {"root_pem": external_root("CN=Acme Root"), "intermediates_pem": ""}
    draft = Draft.objects.begin(admin, Draft.Kind.CHANGE_CA, now=timezone.now(), data=data)
    sql.change(draft, data={**data, "root_pem": external_root("CN=THIEF")})
    assert is_rejected(client.get(f"{CHANGE}{draft.pk}/csr/"))
    assert_alarm(draft)


@pytest.mark.parametrize("what", ["inserted", "user", "kind"])
def test_a_draft_of_somebody_else_is_not_used(client, admin, what):
    """Neither an inserted one nor one that another user or dialog created."""
    now, other = timezone.now(), factories.user("other")
    if what == "inserted":
        draft = Draft(guid=sql.guid(5), user=admin, kind=Draft.Kind.CHANGE_CA, created_at=now)
        sql.insert(draft)
    elif what == "user":
        draft = Draft.objects.begin(other, Draft.Kind.CHANGE_CA, now=now, data={})
        sql.change(draft, user_id=admin.pk)
    else:
        draft = Draft.objects.begin(admin, Draft.Kind.REMINT, now=now, data={})
        sql.change(draft, kind=Draft.Kind.CHANGE_CA)
    assert is_rejected(finish(client, draft))
    assert_alarm(draft)


def test_the_backup_of_a_thief_is_not_decrypted(client, draft):
    server = Device.objects.get(name="ps-01")
    sealed = key_jobs.encrypt_passphrase(
        "phrase of the thief", to=server, job=draft.pk, kind=VaultJob.Kind.ADOPT
    )
    backup = {
        "file": base64.b64encode(b"backup of the thief").decode(),
        "sealed": sealed,
        "server": str(server.pk),
    }
    sql.change(draft, data={**draft.data, "backup": backup})
    assert is_rejected(client.post(f"{PAGE}restore-ca/{draft.pk}/adopt/"))
    assert not VaultJob.objects.exists()
    assert_alarm(draft)


def test_a_job_gives_no_mac_to_a_changed_draft(client, draft):
    sql.change(draft, data=take_over(draft))
    with pytest.raises(RowAltered):
        backup_import.ImportedCA(draft.pk, {"root_pem": "of the owner"}).store()
    assert not Draft.objects.get().is_authentic()
    assert checks.check_rows() == 1
    assert Authority.objects.count() == 1
