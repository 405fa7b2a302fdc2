"""Deployment stages: order, members, timeout; certificate updates ignore them (D-37, R077)."""

from datetime import timedelta

import pytest
from django.test import Client

from systemupdates.assignments import assignment as acts
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


def stage(name, *members, timeout=3600):
    return stages.save(stages.StageOrder(name, timeout, [m.name for m in members]))


def staged(server=None):
    made = factories.update(
        server or factories.server("ps-1"), state=UpdateState.ASSIGNED, staged=True
    )
    acts.assign(made)
    return made


def states(update):
    rows = Assignment.objects.filter(update=update).order_by("device__name")
    return {row.device.name: row.state for row in rows.select_related("device")}


def test_a_staged_update_goes_to_one_stage_after_the_other(client, devices):
    stage("pilot", devices[0])
    stage("branch", devices[1], devices[2])
    update, now = staged(), factories.now()
    acts.offer(update, now=now, refresh=REFRESH)
    assert [n for n, s in states(update).items() if s == A.ASSIGNED] == ["pc-0"]
    acts.offer(update, now=now, refresh=REFRESH)
    assert [n for n, s in states(update).items() if s == A.ASSIGNED] == ["pc-0"], "pc-0 is at work"
    Assignment.objects.filter(device=devices[0]).update(state=A.APPLIED)
    acts.offer(update, now=now, refresh=REFRESH)
    assert [n for n, s in states(update).items() if s == A.ASSIGNED] == ["pc-1", "pc-2"]
    Assignment.objects.filter(device__in=devices[1:3]).update(state=A.FAILED)
    acts.offer(update, now=now, refresh=REFRESH)
    assert states(update)["pc-3"] == A.ASSIGNED, "who is in no stage comes last; failed ones wait"
    assert states(update)["ps-1"] == A.ASSIGNED
    names = list(StageRun.objects.values_list("name", flat=True))
    assert names == ["pilot", "branch", stages.REST]


def test_the_timeout_of_a_stage_lets_the_next_one_begin(client, devices):
    stage("pilot", devices[0], timeout=3600)
    update, now = staged(), factories.now()
    acts.offer(update, now=now, refresh=REFRESH)
    acts.offer(update, now=now + timedelta(seconds=3599), refresh=REFRESH)
    assert states(update)["pc-1"] == A.PENDING
    acts.offer(update, now=now + timedelta(seconds=3600), refresh=REFRESH)
    assert states(update)["pc-1"] == A.ASSIGNED
    assert states(update)["pc-0"] == A.ASSIGNED, "the late one goes on"


def test_a_retired_device_holds_no_stage_up(client, devices):
    stage("pilot", devices[0])
    update, now = staged(), factories.now()
    acts.offer(update, now=now, refresh=REFRESH)
    devices[0].state = "retired"
    devices[0].save()
    acts.offer(update, now=now, refresh=REFRESH)
    assert states(update)["pc-1"] == A.ASSIGNED


def test_certificate_updates_ignore_the_stages(client, devices):
    """R077: they go in the order of D-36 alone."""
    stage("pilot", devices[0])
    server = factories.server("ps-1")
    update = factories.update(server, state=UpdateState.ASSIGNED)
    acts.assign(update)
    Assignment.objects.filter(device=server).update(state=A.APPLIED)
    acts.offer(update, now=factories.now(), refresh=REFRESH)
    assert {states(update)[f"pc-{n}"] for n in range(4)} == {A.ASSIGNED}
    assert not StageRun.objects.exists()


def test_changing_a_stage_does_not_change_what_is_under_way(client, devices):
    first = stage("pilot", devices[0])
    update = staged()
    acts.offer(update, now=factories.now(), refresh=REFRESH)
    stages.remove(first)
    acts.offer(update, now=factories.now(), refresh=REFRESH)
    assert states(update)["pc-1"] == A.PENDING


def sent(**changes):
    return {"name": "pilot", "members": "pc-0\n pc-1 \n\npc-0", "timeout_seconds": "2 h", **changes}


def test_a_stage_is_made_with_the_timeout_of_the_zone_offered(client, devices):
    assert "3 days" in client.get(f"{PAGE}new/").content.decode()
    client.post(f"{PAGE}new/", sent())
    made = Stage.objects.get()
    assert made.timeout_seconds == 7200
    assert made.devices.count() == 2
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
def test_a_wrong_stage_is_refused_at_its_field(client, devices, changes, field):
    response = client.post(f"{PAGE}new/", sent(**changes))
    assert response.status_code in (404, 422)
    assert response.context["form"].errors[field]
    assert not Stage.objects.exists()


def test_a_device_is_in_one_stage_and_a_name_is_used_once(client, devices):
    stage("pilot", devices[0])
    response = client.post(f"{PAGE}new/", sent(name="other"))
    assert "in the stage pilot already" in response.content.decode()
    response = client.post(f"{PAGE}new/", sent(members=""))
    assert "a stage of that name" in response.content.decode()
    assert Stage.objects.count() == 1


def test_a_stage_is_changed_moved_and_removed(client, devices):
    first, second = stage("one", devices[0]), stage("two", devices[1])
    client.post(f"{PAGE}{second.pk}/move/", {"do": "up"})
    assert [s.name for s in Stage.objects.all()] == ["two", "one"]
    client.post(f"{PAGE}{second.pk}/move/", {"do": "up"})
    assert [s.name for s in Stage.objects.all()] == ["two", "one"], "it is the first already"
    client.post(f"{PAGE}{first.pk}/", sent(name="first", members="pc-0\npc-2"))
    assert set(first.devices.values_list("name", flat=True)) == {"pc-0", "pc-2"}
    client.post(f"{PAGE}{second.pk}/remove/")
    assert [(s.name, s.position) for s in Stage.objects.all()] == [("first", 0)]
