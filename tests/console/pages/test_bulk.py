"""Actions on selected rows: each row separately, after a confirmation (D-207)."""

import pytest
from django.test import Client

from audit.models import Entry
from devices.models import Device
from systemupdates.models import Assignment
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


def test_only_users_with_the_right_can_select(scene):
    reader = Client()
    reader.force_login(factories.user("reader"))
    for path in ("/devices/", f"/system-updates/{scene.update_id}/devices/"):
        assert "bulk-form" not in reader.get(path).content.decode()
