"""Actions on selected rows: each row separately, after a confirmation (D-207)."""

import pytest
from django.test import Client

from audit.models import Entry
from certificates.models import Operation
from devices.models import Device, RegistrationKey
from systemupdates.models import Assignment, SystemUpdate
from tests.support import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene():
    factories.zone()
    return factories.failed_operation(30, "pc-")


def bulk(client, path, action, rows, **values):
    return client.post(path, {"action": action, "ids": rows, **values})


def test_selected_devices_of_an_update_are_redeployed_after_a_confirmation(admin, scene):
    path = f"/system-updates/{scene.update_id}/devices/selected/"
    keys = list(Assignment.objects.order_by("pk").values_list("pk", flat=True)[:3])
    dialog = bulk(admin, path, "redeploy", [f"{keys[0]},{keys[1]}", keys[2]])
    assert "3 rows selected" in dialog.content.decode()
    assert Assignment.objects.filter(state="failed").count() == 30
    bulk(admin, path, "redeploy", ",".join(map(str, keys)), confirmed="1")
    assert set(Assignment.objects.filter(pk__in=keys).values_list("state", flat=True)) == {
        "assigned"
    }
    assert Assignment.objects.filter(state="failed").count() == 27
    assert Entry.objects.filter(action="move", actor="admin", there="assigned").count() == 3


def test_rows_that_cannot_be_changed_are_named_and_the_others_are_changed(admin, scene):
    path = f"/system-updates/{scene.update_id}/devices/selected/"
    one, two = Assignment.objects.order_by("pk")[:2]
    Assignment.objects.filter(pk=one.pk).update(state="activated")
    page = bulk(admin, path, "redeploy", [one.pk, two.pk], confirmed="1").content.decode()
    assert "1 row has been changed." in page
    assert f"<b>{one.device.name}</b>" in page
    assert f"<b>{two.device.name}</b>" not in page
    two.refresh_from_db()
    assert two.state == "assigned"


def test_rows_of_another_update_are_not_changed(admin, scene):
    other = factories.update(factories.server("ps-02"), name="other")
    path = f"/system-updates/{other.pk}/devices/selected/"
    key = Assignment.objects.filter(update=scene.update).first().pk
    bulk(admin, path, "ignore", [key], confirmed="1")
    assert not Assignment.objects.filter(state="ignored").exists()


def test_selected_devices_are_retired_and_the_certificate_server_is_not(admin, scene):
    server = Device.objects.get(name="ps-01")
    keys = [str(key) for key in Device.objects.filter(role="managed").values_list("pk", flat=True)]
    page = bulk(admin, "/devices/selected/", "retire", [*keys[:4], server.pk], confirmed="1")
    assert "4 rows have been changed." in page.content.decode()
    assert "<b>ps-01</b>" in page.content.decode()
    assert Device.objects.filter(state="retired").count() == 4


@pytest.mark.parametrize(
    "values", [{}, {"action": "retire"}, {"action": "delete", "ids": "1"}, {"ids": "1"}]
)
def test_an_action_without_rows_or_an_unknown_action_is_rejected(admin, values):
    response = admin.post("/devices/selected/", values)
    assert response.status_code == 422
    assert "Nothing was changed." in response.content.decode()


def test_users_without_the_right_can_select_rows_for_a_file_only(scene):
    reader = Client()
    reader.force_login(factories.user("reader"))
    for path in ("/devices/", f"/system-updates/{scene.update_id}/devices/"):
        bar = reader.get(path).content.decode().partition('<form id="bulk-form"')[2]
        bar = bar.partition("</form>")[0]
        assert "Export Selected" in bar
        assert 'name="action"' not in bar
        assert "hx-post" not in bar


UPDATES, OPERATIONS = "/system-updates/", "/configuration/certificates/operations/"
TABLES = {
    UPDATES: "systemupdates.deploy_update",
    OPERATIONS: "certificates.certificate_authority",
    "/devices/": "devices.change_device",
    "/configuration/registration-keys/": "devices.approve_device",
}


def test_selected_updates_are_changed_and_the_others_are_named(admin, scene):
    server = Device.objects.get(name="ps-01")
    done = factories.update(server, state="completed", name="done")
    old = factories.update(server, state="baselined", name="old")
    keys = [str(done.pk), str(old.pk), str(scene.update_id)]
    dialog = bulk(admin, f"{UPDATES}selected/", "baseline", keys).content.decode()
    assert "3 rows selected" in dialog
    page = bulk(admin, f"{UPDATES}selected/", "baseline", keys, confirmed="1").content.decode()
    assert "1 row has been changed." in page
    assert "<b>old</b>: The system update cannot change from" in page
    page = bulk(admin, f"{UPDATES}selected/", "delete", keys, confirmed="1").content.decode()
    assert "2 rows have been changed." in page
    assert "Only a baselined or canceled update can be deleted." in page
    assert list(SystemUpdate.objects.visible()) == [scene.update]
    page = bulk(admin, f"{UPDATES}selected/", "redeploy", keys, confirmed="1")
    assert page.status_code == 302
    assert not Assignment.objects.filter(state="failed").exists()
    assert Entry.objects.filter(action="redeploy-failed", actor="admin").count() == 1


def test_selected_operations_are_canceled_and_the_others_are_named(admin, scene):
    ended = factories.operation(scene.authority, state="completed", name="ended")
    Operation.objects.filter(pk=scene.pk).update(state="replicating")
    keys = [str(scene.pk), str(ended.pk), "nowhere"]
    dialog = bulk(admin, f"{OPERATIONS}selected/", "cancel", keys).content.decode()
    assert "Keep Operations" in dialog
    assert Operation.objects.get(pk=scene.pk).state == "replicating"
    page = bulk(admin, f"{OPERATIONS}selected/", "cancel", keys, confirmed="1").content.decode()
    assert "1 row has been changed." in page
    assert "<b>ended</b>: The operation cannot be canceled because its status is" in page
    assert Operation.objects.get(pk=scene.pk).state == "canceling"
    assert Operation.objects.get(pk=ended.pk).state == "completed"


def test_operations_that_have_ended_can_be_selected_for_a_file(admin, scene):
    ended = factories.operation(scene.authority, state="completed", name="ended")
    Operation.objects.filter(pk=scene.pk).update(state="replicating")
    page = admin.get(OPERATIONS).content.decode()
    assert f'id="ids-{scene.pk}"' in page
    assert f'id="ids-{ended.pk}"' in page


def test_a_key_that_has_been_revoked_is_named(admin):
    keys = [RegistrationKey.objects.create(label=x, digest=x, uses=5, uses_left=3) for x in "ab"]
    RegistrationKey.objects.filter(label="a").update(revoked_at=factories.now())
    path, ids = "/configuration/registration-keys/selected/", [key.pk for key in keys]
    page = bulk(admin, path, "revoke", ids, confirmed="1").content.decode()
    assert "1 row has been changed." in page
    assert "<b>a</b>: The key has already been revoked." in page
    assert not RegistrationKey.objects.filter(revoked_at=None).exists()


@pytest.mark.parametrize("path", TABLES)
def test_the_actions_are_shown_to_those_who_may_and_if_there_are_rows(scene, path):
    RegistrationKey.objects.create(label="branch", digest="x", uses=5, uses_left=3)
    holder, reader = Client(), Client()
    holder.force_login(factories.user("holder", TABLES[path]))
    reader.force_login(factories.user("reader"))
    answer = reader.get(path)
    assert answer.status_code == 403 or 'name="action"' not in answer.content.decode()
    assert is_shown(holder.get(path).content.decode())
    assert not is_shown(holder.get(path, {"q": "nothing has this name"}).content.decode())


def is_shown(page):
    """Return True if the actions are visible, and rows can be selected."""
    bar = page.partition('<form id="bulk-form"')[2].partition(">")[0]
    box = page.partition("data-check-all")[2].partition(">")[0]
    assert bar
    assert (" hidden" in bar) == (" disabled" in box)
    return " hidden" not in bar
