"""Deployment stages: order, members, and timeout."""

from datetime import timedelta

import pytest
from django.test import Client

from systemupdates.assignments import assignment as assignments
from systemupdates.assignments import stages
from systemupdates.models import Assignment, Stage, StageRun
from systemupdates.updates.states import AssignmentState, UpdateState
from tests.support import factories

pytestmark = pytest.mark.django_db
A = AssignmentState
PAGE = "/system-updates/stages/"
REFRESH = timedelta(seconds=60)


@pytest.fixture
def client():
    factories.zone(stage_timeout_seconds=3 * 86_400)
    client = Client()
    client.force_login(factories.admin())
    return client


@pytest.fixture
def devices():
    return [factories.device(f"pc-{n}") for n in range(4)]


def create_stage(name, *members, timeout=3600):
    return stages.save_stage(stages.StageSettings(name, timeout, [m.name for m in members]))


def create_staged_update(server=None):
    created = factories.update(
        server or factories.server("ps-1"), state=UpdateState.ASSIGNED, staged=True
    )
    assignments.assign(created)
    return created


def get_states(update):
    rows = Assignment.objects.filter(update=update).order_by("device__name")
    return {row.device.name: row.state for row in rows.select_related("device")}


def test_stages_receive_the_update_one_after_another(client, devices):
    create_stage("pilot", devices[0])
    create_stage("branch", devices[1], devices[2])
    update, now = create_staged_update(), factories.now()
    assignments.offer(update, now=now, refresh=REFRESH)
    assert [n for n, s in get_states(update).items() if s == A.ASSIGNED] == ["pc-0"]
    assignments.offer(update, now=now, refresh=REFRESH)
    assert [n for n, s in get_states(update).items() if s == A.ASSIGNED] == ["pc-0"], (
        "pc-0 is not done"
    )
    Assignment.objects.filter(device=devices[0]).update(state=A.APPLIED)
    assignments.offer(update, now=now, refresh=REFRESH)
    assert [n for n, s in get_states(update).items() if s == A.ASSIGNED] == ["pc-1", "pc-2"]
    Assignment.objects.filter(device__in=devices[1:3]).update(state=A.FAILED)
    assignments.offer(update, now=now, refresh=REFRESH)
    assert get_states(update)["pc-3"] == A.ASSIGNED, "devices in no stage are last"
    assert get_states(update)["ps-1"] == A.ASSIGNED
    names = list(StageRun.objects.values_list("name", flat=True))
    assert names == ["pilot", "branch", stages.REST]


def test_the_next_stage_starts_after_the_timeout(client, devices):
    create_stage("pilot", devices[0], timeout=3600)
    update, now = create_staged_update(), factories.now()
    assignments.offer(update, now=now, refresh=REFRESH)
    assignments.offer(update, now=now + timedelta(seconds=3599), refresh=REFRESH)
    assert get_states(update)["pc-1"] == A.PENDING
    assignments.offer(update, now=now + timedelta(seconds=3600), refresh=REFRESH)
    assert get_states(update)["pc-1"] == A.ASSIGNED
    assert get_states(update)["pc-0"] == A.ASSIGNED, "the update stays offered"


def test_a_retired_device_does_not_delay_the_next_stage(client, devices):
    create_stage("pilot", devices[0])
    update, now = create_staged_update(), factories.now()
    assignments.offer(update, now=now, refresh=REFRESH)
    devices[0].state = "retired"
    devices[0].save()
    assignments.offer(update, now=now, refresh=REFRESH)
    assert get_states(update)["pc-1"] == A.ASSIGNED


@pytest.mark.manual("R077")
def test_certificate_updates_ignore_the_stages(client, devices):
    """See: D-36."""
    create_stage("pilot", devices[0])
    server = factories.server("ps-1")
    update = factories.update(server, state=UpdateState.ASSIGNED)
    assignments.assign(update)
    Assignment.objects.filter(device=server).update(state=A.APPLIED)
    assignments.offer(update, now=factories.now(), refresh=REFRESH)
    assert {get_states(update)[f"pc-{n}"] for n in range(4)} == {A.ASSIGNED}
    assert not StageRun.objects.exists()


def test_updates_in_progress_keep_their_stages(client, devices):
    first = create_stage("pilot", devices[0])
    update = create_staged_update()
    assignments.offer(update, now=factories.now(), refresh=REFRESH)
    stages.remove_stage(first)
    assignments.offer(update, now=factories.now(), refresh=REFRESH)
    assert get_states(update)["pc-1"] == A.PENDING


def build_form(**changes):
    return {"name": "pilot", "members": "pc-0\n pc-1 \n\npc-0", "timeout_seconds": "2 h", **changes}


def test_the_dialog_suggests_the_timeout_of_the_zone(client, devices):
    assert "3 days" in client.get(f"{PAGE}new/").content.decode()
    client.post(f"{PAGE}new/", build_form())
    created = Stage.objects.get()
    assert created.timeout_seconds == 7200
    assert created.devices.count() == 2
    page = client.get(PAGE).content.decode()
    assert "Certificate updates ignore the stages." in page
    assert "2 hours" in page


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"members": "pc-99"}, "members"),
        ({"timeout_seconds": "5 s"}, "timeout_seconds"),
        ({"timeout_seconds": "whenever"}, "timeout_seconds"),
    ],
)
def test_invalid_values_are_shown_at_their_field(client, devices, changes, field):
    response = client.post(f"{PAGE}new/", build_form(**changes))
    assert response.status_code in (404, 422)
    assert response.context["form"].errors[field]
    assert not Stage.objects.exists()


def test_devices_and_names_cannot_be_in_two_stages(client, devices):
    create_stage("pilot", devices[0])
    response = client.post(f"{PAGE}new/", build_form(name="other"))
    assert "already in the stage pilot" in response.content.decode()
    response = client.post(f"{PAGE}new/", build_form(members=""))
    assert "A stage with that name already exists" in response.content.decode()
    assert Stage.objects.count() == 1


def test_a_stage_is_changed_moved_and_removed(client, devices):
    first, second = create_stage("one", devices[0]), create_stage("two", devices[1])
    client.post(f"{PAGE}{second.pk}/move/", {"do": "up"})
    assert [s.name for s in Stage.objects.all()] == ["two", "one"]
    client.post(f"{PAGE}{second.pk}/move/", {"do": "up"})
    assert [s.name for s in Stage.objects.all()] == ["two", "one"], "it is already the first stage"
    client.post(f"{PAGE}{first.pk}/", build_form(name="first", members="pc-0\npc-2"))
    assert set(first.devices.values_list("name", flat=True)) == {"pc-0", "pc-2"}
    client.post(f"{PAGE}{second.pk}/remove/")
    assert [(s.name, s.position) for s in Stage.objects.all()] == [("first", 0)]
