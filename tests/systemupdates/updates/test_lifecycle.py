"""Baseline, Delete, Clear Error, Refresh Device, Redeploy (D-39, R212, R216)."""

import pytest
from django.test import Client

from audit.models import Entry
from devices.models import Device
from systemupdates.assignments import assignment as acts
from systemupdates.assignments import delivery
from systemupdates.models import Assignment, Notice, Replica, SystemUpdate
from systemupdates.remint_tool import build
from systemupdates.updates import lifecycle
from systemupdates.updates.states import AssignmentState, ReplicaState, UpdateState
from tests.support import factories
from wire import messages

pytestmark = pytest.mark.django_db
A, U = AssignmentState, UpdateState
LIST = "/system-updates/"


@pytest.fixture
def client():
    factories.zone(lockout_seconds=600)
    client = Client()
    client.force_login(factories.admin())
    return client


@pytest.fixture
def update():
    return factories.update(factories.server("ps-1"), state=U.COMPLETED)


def again(thing):
    return type(thing).objects.get(pk=thing.pk)


def test_baseline_and_delete_are_shut_with_the_reason_until_they_make_sense(client, update):
    page = f"{LIST}{update.pk}/details/"
    assert client.get(page).context["why_baseline"] == ""
    assert "baselined or cancelled" in client.get(page).context["why_delete"]
    SystemUpdate.objects.filter(pk=update.pk).update(state=U.IN_PROGRESS)
    assert "every device" in client.get(page).context["why_baseline"]


def test_a_completed_update_is_baselined_then_deleted(client, update):
    there = f"{LIST}{update.pk}/"
    assert "offered to no device" in client.get(f"{there}baseline/").content.decode()
    client.post(f"{there}baseline/")
    assert again(update).state == U.BASELINED
    client.post(f"{there}delete/")
    assert again(update).deleted_at is not None
    assert client.get(f"{there}devices/").status_code == 404, "it is off the pages"
    assert update.name not in client.get(LIST).content.decode()
    assert [e.action for e in Entry.objects.order_by("seq")] == ["move", "delete-update"]


@pytest.mark.parametrize("state", [U.REPLICATING, U.ASSIGNED, U.IN_PROGRESS, U.COMPLETED])
def test_what_is_not_over_cannot_be_deleted(client, update, state):
    SystemUpdate.objects.filter(pk=update.pk).update(state=state)
    assert client.post(f"{LIST}{update.pk}/delete/").status_code == 409
    assert again(update).deleted_at is None


@pytest.mark.parametrize("state", [U.REPLICATING, U.ASSIGNED, U.CANCELED])
def test_what_is_not_completed_cannot_be_baselined(client, update, state):
    SystemUpdate.objects.filter(pk=update.pk).update(state=state)
    assert client.post(f"{LIST}{update.pk}/baseline/").status_code == 409


def test_delete_withdraws_content_that_no_lost_device_needs(client, update):
    replica = factories.replica(update, update.initiating_server, ReplicaState.AVAILABLE)
    SystemUpdate.objects.filter(pk=update.pk).update(state=U.CANCELED)
    lifecycle.delete(again(update), now=factories.now())
    assert again(replica).state == ReplicaState.WITHDRAWN
    assert Device.objects.get(name="ps-1").errands


def test_the_ca_certificate_of_the_last_activations_stays_for_recovery(client, update):
    """B-10: a lost device recovers by the signed notice, and fetches the root it names."""
    replica = factories.replica(update, update.initiating_server, ReplicaState.AVAILABLE)
    Notice.objects.create(kind=Notice.Kind.ACTIVATED, update=update, envelope={})
    lifecycle.baseline(update)
    lifecycle.delete(update, now=factories.now())
    assert again(replica).state == ReplicaState.AVAILABLE
    assert Notice.objects.filter(update=update).exists()
    for n in range(lifecycle.RECOVERY_KEEPS):
        newer = factories.update(update.initiating_server, name=f"newer {n}")
        Notice.objects.create(kind=Notice.Kind.ACTIVATED, update=newer, envelope={})
    assert not lifecycle.needed_for_recovery(update)


def test_the_tool_of_a_deleted_update_is_wanted_nowhere(update, settings, tmp_path):
    settings.SERVER_HOME = tmp_path
    factories.zone()
    replica = factories.replica(update, update.initiating_server, ReplicaState.AVAILABLE)
    assert build.servers_lacking() == [replica.server_id]
    lifecycle.baseline(update)
    assert build.servers_lacking() == [replica.server_id], "it stays until Delete (R212)"
    folder = build.folder()
    folder.mkdir()
    for suffix in ("", ".sha256", ".sig"):
        (folder / f"{build.STEM}-{update.pk}.bin{suffix}").write_text("x")
    lifecycle.delete(update, now=factories.now())
    assert build.servers_lacking() == []
    assert len(build.publish(replica.server_id)) == 3
    assert not list(folder.iterdir())


def test_clear_error_takes_the_message_off_and_asks_nothing_of_the_device(client, update):
    failed = factories.assignment(
        update, factories.device(), A.FAILED, reason="Disk full.", attempt=3
    )
    there = f"{LIST}assignments/{failed.pk}/clear/"
    client.post(there)
    row = again(failed)
    assert (row.state, row.reason, row.redeploy) == (A.ASSIGNED, "", False)
    assert "Disk full." in Entry.objects.get().note, "the ledger keeps what was cleared"
    assert client.post(there).status_code == 409


def test_the_next_error_after_a_cleared_one_shows_again(client, update):
    failed = factories.assignment(
        update, factories.device(), A.FAILED, reason="Disk full.", attempt=3
    )
    lifecycle.clear_error(failed, now=factories.now())
    said = messages.StatusReport("failed", "offered", 4, 0.0, detail="Still full.")
    acts.report(failed.device, str(update.pk), said, now=factories.now())
    assert (again(failed).state, again(failed).reason) == (A.FAILED, "Still full.")


def test_refresh_device_lets_a_failed_step_be_tried_again_and_says_when(client, update):
    device = factories.device("pc-1", last_contact=factories.now())
    failed = factories.assignment(update, device, A.FAILED)
    SystemUpdate.objects.filter(pk=update.pk).update(envelope={"payload": ""})
    response = client.post(
        f"{LIST}assignments/{failed.pk}/refresh/", headers={"HX-Request": "true"}
    )
    said = response.headers["HX-Trigger"]
    assert "zac refresh" in said
    assert "by " in said
    assert again(failed).redeploy
    assert again(device).errands
    assert again(failed).state == A.FAILED, "nothing is claimed before the device says so"


def test_a_primary_server_is_woken_and_a_silent_device_is_called_overdue(client, update):
    server = factories.server("ps-2")
    row = factories.assignment(update, server, A.FAILED)
    there = f"{LIST}assignments/{row.pk}/refresh/"
    said = client.post(there, headers={"HX-Request": "true"}).headers["HX-Trigger"]
    assert "within seconds" in said
    assert again(server).wake
    silent = factories.device("pc-9", last_contact=factories.now() - 10 * factories.YEAR)
    row = factories.assignment(update, silent, A.ASSIGNED)
    there = f"{LIST}assignments/{row.pk}/refresh/"
    assert "overdue" in client.post(there, headers={"HX-Request": "true"}).headers["HX-Trigger"]


def test_redeploy_reaches_every_failed_device_once_and_names_them_first(client, update):
    for n in range(3):
        factories.assignment(update, factories.device(f"pc-{n}"), A.FAILED, reason="No content.")
    done = factories.assignment(update, factories.device("pc-9"), A.ACTIVATED)
    there = f"{LIST}{update.pk}/redeploy/"
    page = client.get(there).content.decode()
    assert "pc-0" in page
    assert "pc-9" not in page
    assert Assignment.objects.filter(redeploy=True).count() == 0
    client.post(there)
    assert Assignment.objects.filter(state=A.ASSIGNED, redeploy=True).count() == 3
    assert again(done).state == A.ACTIVATED
    assert Entry.objects.get(action="redeploy-failed").detail == {"devices": 3}
    assert client.post(there).status_code == 409


def operation(state="assigned", activates_in=factories.YEAR / 365, kind="remint-ca"):
    holder = Device.objects.filter(name="ps-1").first() or factories.server("ps-1")
    ca = factories.authority(holder)
    return factories.operation(ca, state=state, activates_in=activates_in, kind=kind)


def ignore_page(client, made, device):
    row = factories.assignment(made.update, device, A.ASSIGNED)
    return client.get(f"{LIST}assignments/{row.pk}/ignore/").content.decode()


def test_ignore_device_tells_that_without_a_bridge_the_device_is_cut_off(client):
    page = ignore_page(client, operation(), factories.device())
    assert "There is no bridge" in page
    assert "The lock-out has begun" not in page


def test_ignore_device_tells_until_when_the_bridge_carries(client):
    made = operation()
    future = factories.authority(made.signing_server, name="NEW", state="future")
    made.future_authority = future
    made.save()
    made.authority.bridges_signed.create(
        subject=future, pem="pem", not_after=made.authority.not_after
    )
    page = ignore_page(client, made, factories.device())
    assert "through the bridge" in page
    assert "There is no bridge" not in page


def test_after_the_lock_out_ignore_device_says_that_cancel_has_ended(client):
    """R097."""
    page = ignore_page(
        client, operation(activates_in=factories.YEAR / 365 / 24 / 12), factories.device()
    )
    assert "The lock-out has begun" in page


def test_a_server_that_is_ignored_keeps_its_certificate(client):
    page = ignore_page(client, operation(), factories.server("ps-2"))
    assert "keeps its present certificate" in page


def test_an_ignored_device_is_offered_nothing_and_redeploy_takes_it_back(client, update):
    device = factories.device()
    row = factories.assignment(update, device, A.FAILED)
    client.post(f"{LIST}assignments/{row.pk}/ignore/")
    assert delivery.errands_of(device).updates == []
    client.post(f"{LIST}assignments/{row.pk}/redeploy/")
    assert again(row).state == A.ASSIGNED


def test_the_tool_of_an_excluded_server_is_not_offered(update):
    replica = factories.replica(update, update.initiating_server, ReplicaState.EXCLUDED)
    assert build.servers_lacking() == []
    assert Replica.objects.missing().count() == 0
    assert str(replica)
