"""The dialogs Move CA Role, Backup CA, and Restore CA (manual, 1.2.6 to 1.2.8)."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from certificates.authority import key_jobs, key_operations
from certificates.models import Authority, Operation, VaultJob
from certificates.models.job import RESULT_KEPT
from certificates.monitoring import workers
from certificates.operations.presentation import ca_forms
from certificates.operations.states import JobState, OperationState
from console.pages.formatting import format_fingerprint
from devices.models import Device
from pki.protection import sealing
from tests.certificates.clients import PAGE, entered, events
from tests.support import factories
from wire import messages

PHRASE = "seven quiet lakes"
MOVE, BACKUP, RESTORE = (f"{PAGE}{name}/" for name in ("move-ca-role", "backup-ca", "restore-ca"))


@pytest.fixture(autouse=True)
def enqueued(monkeypatch):
    """Collect the jobs that would be enqueued."""
    found: list[object] = []
    monkeypatch.setattr("certificates.tasks.enqueue_key_job", found.append)
    return found


@pytest.fixture
def client(zone):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2").refresh()
    Device.objects.update(last_contact=timezone.now())
    return entered(factories.admin())


def second():
    return Device.objects.get(name="ps-02")


def job():
    return VaultJob.objects.get()


def there(state="waiting"):
    return f"{PAGE}jobs/{job().pk}/?rev={state}"


def run_job(**later):
    key_jobs.run(job(), now=timezone.now() + timedelta(**later))


def backup_of_the_zone():
    key_operations.back_up(PHRASE, by=None)
    key_jobs.run(job(), now=timezone.now())
    data = bytes(job().result)
    VaultJob.objects.all().delete()
    return data


def restore_form(data, **changes):
    return {
        "file": SimpleUploadedFile("backup.zip", data),
        "server": str(second().pk),
        "passphrase": PHRASE,
        **changes,
    }


@pytest.mark.manual("R101")
def test_move_lists_the_other_online_primary_servers(client):
    response = client.get(MOVE)
    page = response.content.decode()
    assert "Move Certificate Authority" in page
    choices = response.context["form"].fields["server"].choices
    assert [label.split()[0] for _value, label in choices] == ["ps-02"]
    Device.objects.filter(name="ps-02").update(last_contact=timezone.now() - timedelta(days=1))
    assert "No worker of another Primary Server responds." in client.get(MOVE).content.decode()


@pytest.mark.manual("R034", "R117")
def test_with_an_expired_ca_the_servers_are_listed_although_no_agent_can_connect(client, zone):
    """Their workers respond. Otherwise nothing could be done about the CA in the browser."""
    past = timezone.now() - timedelta(days=366)
    Authority.objects.update(not_after=past)
    Device.objects.update(last_contact=past)
    for server in Device.objects.primaries():
        workers.record_heartbeat(server.pk, timezone.now())
    for page, expected in ((MOVE, {"ps-02"}), (RESTORE, {"ps-01", "ps-02"})):
        choices = client.get(page).context["form"].fields["server"].choices
        assert {label.split()[0] for _value, label in choices} == expected
    page = str(ca_forms.AuthorityStep(zone.zone, timezone.now())["certificate_server"])
    assert "ps-01" in page
    assert "ps-02" in page


@pytest.mark.manual("R102", "R103")
def test_move_waits_for_the_server_and_shows_the_result(
    client, enqueued, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        page = client.post(MOVE, {"server": str(second().pk), "confirm": "on"}).content.decode()
    assert "Waiting for ps-01 to respond" in page
    assert there() in page
    assert [row.pk for row in enqueued] == [job().pk]
    assert client.get(there()).status_code == 204
    run_job()
    response = client.get(there())
    assert "ps-02 now has the CA role." in response.content.decode()
    assert "zcc:changed" in events(response)
    assert "hx-trigger" not in response.content.decode(), "a completed job is not polled"
    assert Authority.objects.current().certificate_server == second()


@pytest.mark.parametrize("server", ["", "nonsense", "ps-01"])
def test_move_to_a_server_that_is_not_listed_is_rejected(client, server):
    known = Device.objects.filter(name=server).first()
    response = client.post(MOVE, {"server": str(known.pk) if known else server, "confirm": "on"})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["server"]
    assert not VaultJob.objects.exists()


def test_restore_is_offered_if_the_server_does_not_respond(client):
    client.post(MOVE, {"server": str(second().pk), "confirm": "on"})
    run_job(minutes=1)
    page = client.get(there()).content.decode()
    assert "ps-01 did not respond." in page
    assert "Nothing was changed." in page
    assert RESTORE in page


def test_a_second_key_operation_is_a_conflict(client):
    client.post(MOVE, {"server": str(second().pk), "confirm": "on"})
    response = client.post(BACKUP, {"passphrase": PHRASE, "confirm": PHRASE})
    assert response.status_code == 409
    assert b"Another CA key operation is in progress." in response.content


@pytest.mark.manual("R113", "R114")
def test_a_backup_can_be_downloaded_once_per_ticket(client):
    response = client.post(BACKUP, {"passphrase": PHRASE, "confirm": PHRASE})
    assert PHRASE not in response.content.decode()
    run_job()
    response = client.get(there())
    page = response.content.decode()
    assert "The backup is ready." in page
    assert "Download Again" in page
    url = events(response)["zcc:download"]["url"]
    file = client.get(url)
    assert file.content == bytes(job().result)
    assert re.fullmatch(
        r'attachment; filename="zcc-ca-TEST-ZONE-\w+\.zip"', file.headers["Content-Disposition"]
    )
    assert file.headers["Cache-Control"] == "no-store"
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get(url).status_code == 409
    again = client.post(f"{PAGE}jobs/{job().pk}/again/")
    assert client.get(events(again)["zcc:download"]["url"]).status_code == 200


def test_a_backup_is_available_only_to_its_requester(client):
    client.post(BACKUP, {"passphrase": PHRASE, "confirm": PHRASE})
    run_job()
    url = events(client.get(there()))["zcc:download"]["url"]
    other = entered(factories.admin("other"))
    assert other.get(url).status_code == 404
    assert other.get(there()).status_code == 404
    assert other.post(f"{PAGE}jobs/{job().pk}/again/").status_code == 404


def test_a_backup_is_deleted_after_some_minutes(client):
    client.post(BACKUP, {"passphrase": PHRASE, "confirm": PHRASE})
    run_job()
    key_operations.delete_expired_results(timezone.now() + RESULT_KEPT - timedelta(seconds=10))
    assert job().result
    key_operations.delete_expired_results(timezone.now() + RESULT_KEPT + timedelta(seconds=10))
    assert not job().result
    page = client.get(there("done-not")).content.decode()
    assert "The file is no longer available." in page
    assert client.post(f"{PAGE}jobs/{job().pk}/again/").status_code == 409


@pytest.mark.manual("R111", "R112")
@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"passphrase": "short", "confirm": "short"}, "passphrase"),
        ({"passphrase": "passwordpassword", "confirm": "passwordpassword"}, "passphrase"),
        ({"passphrase": PHRASE, "confirm": "seven quiet lake"}, "confirm"),
        ({"passphrase": PHRASE, "confirm": f"{PHRASE} "}, "confirm"),
        ({"passphrase": "", "confirm": ""}, "passphrase"),
    ],
)
def test_a_weak_passphrase_is_rejected_and_not_shown(client, given, field):
    response = client.post(BACKUP, given)
    assert response.status_code == 422
    assert field in response.context["form"].errors
    if given["passphrase"]:
        assert f'value="{given["passphrase"]}' not in response.content.decode()
    assert not VaultJob.objects.exists()


@pytest.mark.manual("R115", "R116", "R117", "R119", "R120")
def test_restore_moves_the_role_to_the_selected_server(client):
    data = backup_of_the_zone()
    page = client.post(RESTORE, restore_form(data)).content.decode()
    assert "Waiting for ps-02 to respond" in page
    assert "CN=TEST-ZONE" in page
    # This process is ps-01, so the job of ps-02 is reassigned to it.
    VaultJob.objects.update(server=Device.objects.get(name="ps-01"))
    restored = job()
    sealed = sealing.seal(
        PHRASE.encode(), to=restored.server.vault_key, binding=f"vault-job|{restored.pk}|restore"
    )
    VaultJob.objects.update(sealed=sealed)
    run_job()
    assert "ps-02 now has the CA role." in client.get(there()).content.decode()
    assert Authority.objects.current().certificate_server == second()


@pytest.mark.manual("R118")
def test_a_wrong_passphrase_is_shown_after_the_job_failed(client):
    data = backup_of_the_zone()
    target = str(Device.objects.get(name="ps-01").pk)
    client.post(RESTORE, restore_form(data, server=target, passphrase="another long one"))
    run_job()
    page = client.get(there()).content.decode()
    assert "The passphrase is incorrect, or the file has been modified" in page
    assert job().state == JobState.FAILED
    assert page.count("Nothing was changed.") == 1


def test_change_ca_is_offered_for_a_backup_of_a_different_ca(client):
    data = backup_of_the_zone()
    Authority.objects.update(sha256="0" * 64)
    response = client.post(RESTORE, restore_form(data))
    assert response.status_code == 422
    page = response.content.decode()
    assert "This is a backup of CN=TEST-ZONE" in page
    assert "fingerprint 00:00:00:00:00:00:00:00…. Nothing was changed." in page
    assert f"created on {timezone.now():%-d %b %Y}, " in page
    assert "/adopt/" in page
    assert not VaultJob.objects.exists()


@pytest.mark.manual("R116")
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "Nothing was changed."),
        (b"no zip", "Nothing was changed."),
        (b"PK\x03\x04" + b"x" * 40, "The file is not a CA backup, or it is incomplete."),
        (b"x" * (10 * 1024 * 1024 + 1), "exceeds the 10 MiB limit"),
    ],
    ids=["empty", "text", "cut off", "large"],
)
def test_a_file_that_is_not_a_backup_is_rejected(client, data, message):
    response = client.post(RESTORE, restore_form(data))
    assert response.status_code == 422
    assert message in response.content.decode()
    assert not VaultJob.objects.exists()


def test_the_dialogs_show_when_the_current_ca_was_last_backed_up(client):
    fingerprint = format_fingerprint(Authority.objects.current().sha256[:16])
    for address in (BACKUP, RESTORE):
        page = client.get(address).content.decode()
        assert f"The current CA, SHA-256 {fingerprint}…, has no backup yet." in page
    key_operations.back_up(PHRASE, by=None)
    run_job()
    for address in (BACKUP, RESTORE):
        page = client.get(address).content.decode()
        assert "Last backup of the current CA:" in page
        assert f"{timezone.now():%-d %b %Y}, " in page
        assert fingerprint in page


def test_move_needs_the_checkbox(client):
    response = client.post(MOVE, {"server": str(second().pk)})
    assert response.status_code == 422
    assert "To move the certificate authority, select this checkbox." in response.content.decode()
    assert not VaultJob.objects.exists()


@pytest.mark.manual("R110")
@pytest.mark.parametrize("address", [MOVE, BACKUP, RESTORE])
def test_key_operations_are_rejected_for_an_external_ca(client, address):
    Authority.objects.update(kind=Authority.Kind.EXTERNAL, certificate_server=None)
    for method in (client.get, client.post):
        response = method(address)
        assert response.status_code == 409
        assert "external" in events(response)["zcc:fault"]["explanation"]


def test_an_operation_blocks_move_and_restore_but_not_backup(client):
    factories.operation(Authority.objects.current(), state=OperationState.ASSIGNED)
    assert Operation.objects.blocking().exists()
    assert client.get(MOVE).status_code == 409
    assert client.post(RESTORE).status_code == 409
    assert client.get(BACKUP).status_code == 200


@pytest.mark.parametrize("address", [MOVE, BACKUP, RESTORE])
def test_the_password_is_requested_again(client, address):
    client = entered(factories.admin("late"), reauthenticated=False)
    assert b"Your password" in client.get(address).content
    response = client.post(address, {"password": "wrong"})
    assert "password" in response.context["form"].errors


def test_the_job_has_a_page_without_javascript(client):
    plain = entered(factories.admin("plain"), htmx=False)
    response = plain.post(BACKUP, {"passphrase": PHRASE, "confirm": PHRASE})
    assert response.status_code == 302
    assert "Check Again" in plain.get(response.url).content.decode()
    run_job()
    page = plain.get(response.url).content.decode()
    assert "Download Again" in page
    response = plain.post(f"{PAGE}jobs/{job().pk}/again/", follow=True)
    assert response.content == bytes(job().result)


@pytest.mark.manual("R011", "R104", "R121")
def test_move_and_restore_change_the_certificate_server_of_the_page(client):
    def shown():
        page = client.get(PAGE, headers={"HX-Request": ""}).content.decode()
        return re.search(r"Certificate server</dt>\s*<dd[^>]*>(?:\s|<[^>]+>)*([\w-]+)", page)[1]

    data = backup_of_the_zone()
    assert shown() == "ps-01"
    client.post(MOVE, {"server": str(second().pk), "confirm": "on"})
    run_job()
    assert shown() == "ps-02"
    VaultJob.objects.all().delete()
    first = Device.objects.get(name="ps-01")
    client.post(RESTORE, restore_form(data, server=str(first.pk)))
    run_job()
    assert shown() == "ps-01"
