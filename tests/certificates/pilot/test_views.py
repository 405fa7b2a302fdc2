"""The pane and dialog of the pilot group, and Continue on the page of an operation."""

import csv
from datetime import timedelta

import pytest
from django.urls import reverse

from audit.models import Entry
from certificates.models import Authority, Operation
from certificates.operations.states import OperationState
from certificates.pilot.settings import PilotGroup, get_group, save_group
from devices.models import Device, Role
from systemupdates.updates.states import AssignmentState
from tests.certificates.clients import entered, events
from tests.support import factories

pytestmark = pytest.mark.django_db
PAGE = "/configuration/maintenance-windows/"
CA, ZONE = "certificates.certificate_authority", "devices.change_zone"
FORM = {
    "is_on": "on",
    "devices": "pc-001",
    "count": "0",
    "percent": "80",
    "timeout_seconds": "4 hours",
}


@pytest.fixture(autouse=True)
def zone_with_ca(monkeypatch):
    monkeypatch.setattr("certificates.tasks.operations.enqueue_operation", lambda _operation: None)
    factories.zone()
    holder = factories.server("ps-01")
    factories.certificate(holder, factories.authority(holder))
    return factories.device("pc-001")


@pytest.fixture
def client():
    return entered(factories.user("operator", ZONE, CA))


@pytest.fixture
def held(zone_with_ca):
    """An operation that is paused, because the only device of its pilot group failed."""
    operation = factories.operation(
        Authority.objects.get(), state=OperationState.BLOCKED, activates_in=timedelta(days=1)
    )
    until = (factories.now() + timedelta(hours=1)).isoformat()
    operation.parameters = {"pilot": {"percent": 100, "until": until, "released": ""}}
    operation.reason = "1 device of the pilot group failed: pc-001."
    operation.save()
    factories.assignment(
        operation.update, zone_with_ca, state=AssignmentState.FAILED, is_pilot=True
    )
    return operation


def text(response):
    return response.content.decode()


def test_the_page_says_that_there_is_no_pilot_group(client):
    page = text(client.get(PAGE))
    assert "All devices receive a new CA at the same time, after the servers." in page
    assert reverse("certificates:pilot_group") in page


@pytest.mark.parametrize(
    ("group", "words"),
    [
        (PilotGroup(True, ("pc-001",), percent=80), "pc-001"),
        (PilotGroup(True, count=1), "the device with the most recent contact"),
        (PilotGroup(True, count=7), "the 7 devices with the most recent contact"),
        (
            PilotGroup(True, roles=(Role.CONTENT_SATELLITE,)),
            "all devices with the roles Content Satellite Server",
        ),
        (
            PilotGroup(True, count=2, roles=(Role.MANAGED,)),
            "the 2 devices with the most recent contact and one of the roles Managed device",
        ),
    ],
)
def test_the_page_shows_the_group(client, group, words):
    save_group(group)
    page = text(client.get(PAGE))
    assert words in page
    assert f"when {group.percent}% of them have passed" in page


def test_the_group_is_changed_in_a_dialog(client):
    url = reverse("certificates:pilot_group")
    assert "Pilot Group" in text(client.get(url))
    answer = client.post(url, FORM)
    assert answer.status_code == 204, text(answer)
    assert "zcc:changed" in events(answer)
    assert get_group() == PilotGroup(True, ("pc-001",), (), 0, 80, 4 * 3600)
    assert 'value="4 hours"' in text(client.get(url))


def test_the_dialog_shows_what_is_wrong(client):
    url = reverse("certificates:pilot_group")
    assert "No registered device is named pc-9." in text(
        client.post(url, {**FORM, "devices": "pc-9"})
    )
    assert "Enter names, roles, or a number of devices." in text(
        client.post(url, {**FORM, "devices": ""})
    )
    assert "aria-invalid" in text(client.post(url, {**FORM, "percent": "0"}))
    assert not get_group().is_on


def test_without_the_right_there_is_no_button_and_no_dialog():
    reader = entered(factories.user("reader"))
    url = reverse("certificates:pilot_group")
    assert url not in text(reader.get(PAGE))
    assert reader.post(url, FORM).status_code == 403
    assert not get_group().is_on


def test_the_page_of_the_operation_says_what_the_pilot_has_reported(client, held):
    page = text(client.get(reverse("certificates:operation", args=[held.pk])))
    assert "Paused: the pilot group did not pass the preflight check." in page
    assert "Pilot group: 0 of 1 devices passed the preflight check, 1 required." in page
    assert "Failed: pc-001" in page
    assert "pilot group: 0 of 1 passed" in page
    assert reverse("certificates:continue_after_pilot", args=[held.pk]) in page
    assert "Force Activation" not in page
    reader = entered(factories.user("reader"))
    page = text(reader.get(reverse("certificates:operation", args=[held.pk])))
    assert reverse("certificates:continue_after_pilot", args=[held.pk]) not in page


def test_continue_needs_a_confirmation(client, held, monkeypatch):
    monkeypatch.setattr("certificates.pilot.waiting.publish_new_revision", lambda *_a, **_o: None)
    url = reverse("certificates:continue_after_pilot", args=[held.pk])
    assert "Failed: pc-001" in text(client.get(url))
    assert "To continue, select this checkbox." in text(client.post(url))
    assert Operation.objects.get(pk=held.pk).is_held_by_pilot
    answer = client.post(url, {"confirm": "on"})
    assert answer.status_code == 204, text(answer)
    operation = Operation.objects.get(pk=held.pk)
    assert operation.state == OperationState.ASSIGNED
    assert Entry.objects.get(action="continue-after-pilot").actor == "operator"
    assert client.get(url).status_code == 409
    assert "does not wait for the pilot group" in text(client.post(url, {"confirm": "on"}))


def test_other_operations_have_no_such_action(client):
    operation = factories.operation(Authority.objects.get(), state=OperationState.ASSIGNED)
    page = text(client.get(reverse("certificates:operation", args=[operation.pk])))
    assert "Pilot group" not in page
    assert reverse("certificates:continue_after_pilot", args=[operation.pk]) not in page


CERTIFICATES = "/configuration/certificates/"
CHANGE = {"confirm": "on", "change_to": "internal", "subject": "New", "key_length": "256"}


def suggest(client):
    """Return the activation times that the dialogs of Remint CA and Change CA suggest."""
    server = str(Device.objects.get(name="ps-01").pk)
    remint = client.get(f"{CERTIFICATES}remint-ca/")
    change = client.post(
        f"{CERTIFICATES}change-ca/", CHANGE | {"years": "5", "certificate_server": server}
    )
    assert ("time limit of the pilot group" in text(remint)) == get_group().is_on
    return [response.context["limits"].suggestion for response in (remint, change)]


def test_the_dialogs_suggest_a_time_after_the_time_limit_of_the_group(client):
    before = suggest(client)
    save_group(PilotGroup(is_on=True, count=1, timeout_seconds=7200))
    for earlier, later in zip(before, suggest(client), strict=True):
        assert timedelta(hours=2) <= later - earlier <= timedelta(hours=2, minutes=1)
    save_group(PilotGroup(is_on=False, count=1, timeout_seconds=7200))
    for earlier, later in zip(before, suggest(client), strict=True):
        assert later - earlier <= timedelta(minutes=1)


def test_another_activation_time_leaves_room_for_the_rest_of_the_time_limit(client, held):
    address = reverse("certificates:change_activation", args=[held.pk])
    during = client.get(address).context["limits"].suggestion
    held.parameters = {"pilot": held.parameters["pilot"] | {"released": "passed"}}
    held.save()
    after = client.get(address).context["limits"].suggestion
    assert timedelta(minutes=59) <= during - after <= timedelta(minutes=61)


def test_status_by_device_shows_the_pilot_group(client, held):
    other = factories.device("pc-002")
    factories.assignment(held.update, other, state=AssignmentState.ASSIGNED)
    address = reverse("systemupdates:devices", args=[held.update_id])
    page = text(client.get(address))
    row, _, rest = page.partition(">pc-002</a>")
    assert "Pilot group</span>" in row.partition(">pc-001</a>")[2]
    assert "Pilot group</span>" not in rest
    answer = client.get(f"{address}?export=status-by-device")
    lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
    found = {row["Device"]: row["Pilot group"] for row in csv.DictReader(lines)}
    assert found == {"pc-001": "Yes", "pc-002": "No"}
