"""Baseline, Delete, Clear Error, Refresh Device, Redeploy, and Ignore Device."""

import pytest
from django.test import Client

from audit.models import Entry
from devices.models import Device
from systemupdates.assignments import delivery, reports
from systemupdates.downloads import publication
from systemupdates.models import Assignment, Replica, SystemUpdate, TrustNotice
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
    factories.zone(freeze_seconds=600)
    client = Client()
    client.force_login(factories.admin())
    return client


@pytest.fixture
def update():
    return factories.update(factories.server("ps-1"), state=U.COMPLETED)


def reload(row):
    return type(row).objects.get(pk=row.pk)


def test_baseline_and_delete_are_disabled_with_a_reason(client, update):
    page = f"{LIST}{update.pk}/details/"
    assert client.get(page).context["why_baseline"] == ""
    assert "baselined or canceled" in client.get(page).context["why_delete"]
    SystemUpdate.objects.filter(pk=update.pk).update(state=U.IN_PROGRESS)
    assert "every device" in client.get(page).context["why_baseline"]


def test_a_completed_update_is_baselined_then_deleted(client, update):
    url = f"{LIST}{update.pk}/"
    assert "no longer offered to devices" in client.get(f"{url}baseline/").content.decode()
    response = client.post(f"{url}baseline/", headers={"HX-Request": "true"})
    assert reload(update).state == U.BASELINED
    page = client.get(response.headers["HX-Redirect"]).content.decode()
    assert f"{update.name} has been baselined." in page
    page = client.post(f"{url}delete/", follow=True).content.decode()
    assert f"{update.name} has been deleted." in page
    assert reload(update).deleted_at is not None
    assert client.get(f"{url}devices/").status_code == 404, "it is not shown"
    assert update.name not in client.get(LIST).content.decode()
    assert [e.action for e in Entry.objects.order_by("seq")] == ["move", "delete-update"]


@pytest.mark.parametrize("state", [U.REPLICATING, U.ASSIGNED, U.IN_PROGRESS, U.COMPLETED])
def test_an_open_update_cannot_be_deleted(client, update, state):
    SystemUpdate.objects.filter(pk=update.pk).update(state=state)
    assert client.post(f"{LIST}{update.pk}/delete/").status_code == 409
    assert reload(update).deleted_at is None


@pytest.mark.parametrize("state", [U.REPLICATING, U.ASSIGNED, U.CANCELED])
def test_an_update_that_is_not_completed_cannot_be_baselined(client, update, state):
    SystemUpdate.objects.filter(pk=update.pk).update(state=state)
    assert client.post(f"{LIST}{update.pk}/baseline/").status_code == 409


def test_delete_withdraws_content_that_is_not_needed_for_recovery(client, update):
    replica = factories.replica(update, update.initiating_server, ReplicaState.AVAILABLE)
    SystemUpdate.objects.filter(pk=update.pk).update(state=U.CANCELED)
    lifecycle.delete(reload(update), now=factories.now())
    assert reload(replica).state == ReplicaState.WITHDRAWN
    assert Device.objects.get(name="ps-1").has_pending_work


def test_the_content_of_the_last_activations_is_kept_for_recovery(client, update):
    """Recovery needs the signed trust notice and the root certificate in it."""
    replica = factories.replica(update, update.initiating_server, ReplicaState.AVAILABLE)
    TrustNotice.objects.create(kind=TrustNotice.Kind.ACTIVATED, update=update, envelope={})
    lifecycle.baseline(update)
    lifecycle.delete(update, now=factories.now())
    assert reload(replica).state == ReplicaState.AVAILABLE
    assert TrustNotice.objects.filter(update=update).exists()
    for n in range(lifecycle.KEPT_FOR_RECOVERY):
        newer = factories.update(update.initiating_server, name=f"newer {n}")
        TrustNotice.objects.create(kind=TrustNotice.Kind.ACTIVATED, update=newer, envelope={})
    assert not lifecycle.is_needed_for_recovery(update)


@pytest.mark.manual("R212")
def test_the_tool_of_a_deleted_update_is_removed(update, settings, tmp_path):
    settings.SERVER_HOME = tmp_path
    factories.zone()
    replica = factories.replica(update, update.initiating_server, ReplicaState.AVAILABLE)
    assert build.get_servers_to_publish() == [replica.server_id]
    lifecycle.baseline(update)
    assert build.get_servers_to_publish() == [replica.server_id], "until Delete"
    directory = publication.get_folder()
    directory.mkdir()
    for suffix in ("", ".sha256", ".sig"):
        (directory / f"{build.STEM}-{update.pk}.bin{suffix}").write_text("x")
    Replica.objects.update(tool_sha256="f" * 64)
    assert build.get_servers_to_publish() == []
    lifecycle.delete(update, now=factories.now())
    assert build.get_servers_to_publish() == [replica.server_id], "the server must withdraw it"
    assert len(build.publish_tools(replica.server_id)) == 3
    assert not list(directory.iterdir())
    assert build.get_servers_to_publish() == []


def test_clear_error_does_not_retry_the_update(client, update):
    failed = factories.assignment(
        update, factories.device(), A.FAILED, reason="Disk full.", attempt=3
    )
    url = f"{LIST}assignments/{failed.pk}/clear/"
    client.post(url)
    row = reload(failed)
    assert (row.state, row.reason, row.redeploy) == (A.ASSIGNED, "", False)
    assert "Disk full." in Entry.objects.get().note, "the audit log has the cleared error"
    assert client.post(url).status_code == 409


def test_an_error_after_a_cleared_error_is_shown(client, update):
    failed = factories.assignment(
        update, factories.device(), A.FAILED, reason="Disk full.", attempt=3
    )
    lifecycle.clear_error(failed, now=factories.now())
    message = messages.StatusReport("failed", "offered", 4, 0.0, detail="Still full.")
    reports.save_status_report(failed.device, str(update.pk), message, now=factories.now())
    assert (reload(failed).state, reload(failed).reason) == (A.FAILED, "Still full.")


def test_refresh_device_retries_a_failed_step_and_shows_when(client, update):
    device = factories.device("pc-1", last_contact=factories.now())
    failed = factories.assignment(update, device, A.FAILED)
    SystemUpdate.objects.filter(pk=update.pk).update(envelope={"payload": ""})
    response = client.post(
        f"{LIST}assignments/{failed.pk}/refresh/", headers={"HX-Request": "true"}
    )
    message = response.headers["HX-Trigger"]
    assert "zac refresh" in message
    assert "by " in message
    assert reload(failed).redeploy
    assert reload(device).has_pending_work
    assert reload(failed).state == A.FAILED, "the device has not reported yet"


def test_a_primary_server_refreshes_immediately_and_overdue_contacts_are_shown(client, update):
    server = factories.server("ps-2")
    row = factories.assignment(update, server, A.FAILED)
    url = f"{LIST}assignments/{row.pk}/refresh/"
    message = client.post(url, headers={"HX-Request": "true"}).headers["HX-Trigger"]
    assert "within a few seconds" in message
    assert reload(server).refresh_requested
    offline = factories.device("pc-9", last_contact=factories.now() - 10 * factories.YEAR)
    row = factories.assignment(update, offline, A.ASSIGNED)
    url = f"{LIST}assignments/{row.pk}/refresh/"
    assert "overdue" in client.post(url, headers={"HX-Request": "true"}).headers["HX-Trigger"]


@pytest.mark.manual("R053", "R181")
def test_redeploy_names_the_failed_devices_and_retries_each_once(client, update):
    for n in range(3):
        factories.assignment(update, factories.device(f"pc-{n}"), A.FAILED, reason="No content.")
    done = factories.assignment(update, factories.device("pc-9"), A.ACTIVATED)
    url = f"{LIST}{update.pk}/redeploy/"
    page = client.get(url).content.decode()
    assert "pc-0" in page
    assert "pc-9" not in page
    assert Assignment.objects.filter(redeploy=True).count() == 0
    client.post(url)
    assert Assignment.objects.filter(state=A.ASSIGNED, redeploy=True).count() == 3
    assert reload(done).state == A.ACTIVATED
    assert Entry.objects.get(action="redeploy-failed").detail == {"devices": 3}
    assert client.post(url).status_code == 409


def operation(state="assigned", activates_in=factories.YEAR / 365, kind="remint-ca"):
    server = Device.objects.filter(name="ps-1").first() or factories.server("ps-1")
    ca = factories.authority(server)
    return factories.operation(ca, state=state, activates_in=activates_in, kind=kind)


def ignore_page(client, created, device):
    row = factories.assignment(created.update, device, A.ASSIGNED)
    return client.get(f"{LIST}assignments/{row.pk}/ignore/").content.decode()


def test_ignore_device_warns_if_there_is_no_cross_certificate(client):
    page = ignore_page(client, operation(), factories.device())
    assert "There is no cross-certificate" in page
    assert "The freeze period has begun" not in page


def test_ignore_device_shows_how_long_the_cross_certificate_helps(client):
    created = operation()
    future = factories.authority(created.signing_server, name="NEW", state="future")
    created.future_authority = future
    created.save()
    created.authority.cross_certificates_signed.create(
        subject=future, pem="pem", not_after=created.authority.not_after
    )
    page = ignore_page(client, created, factories.device())
    assert "through the cross-certificate" in page
    assert "There is no cross-certificate" not in page


@pytest.mark.manual("R097")
def test_ignore_device_shows_that_the_freeze_period_has_begun(client):
    page = ignore_page(
        client, operation(activates_in=factories.YEAR / 365 / 24 / 12), factories.device()
    )
    assert "The freeze period has begun" in page


@pytest.mark.manual("R099")
def test_an_ignored_server_keeps_its_certificate(client):
    page = ignore_page(client, operation(), factories.server("ps-2"))
    assert "keeps its current certificate" in page


def test_an_ignored_device_receives_the_update_after_redeploy(client, update):
    device = factories.device()
    row = factories.assignment(update, device, A.FAILED)
    client.post(f"{LIST}assignments/{row.pk}/ignore/")
    assert delivery.get_pending_items(device).updates == []
    client.post(f"{LIST}assignments/{row.pk}/redeploy/")
    assert reload(row).state == A.ASSIGNED


def test_the_tool_of_an_excluded_server_is_not_offered(update):
    replica = factories.replica(update, update.initiating_server, ReplicaState.EXCLUDED)
    assert build.get_servers_to_publish() == []
    assert Replica.objects.missing().count() == 0
    assert str(replica)
