"""System updates, Status by Device and replication in the REST API (R047-R057, R212, D-34)."""

from datetime import timedelta

import pytest

from audit.models import Entry
from devices.models import Device
from systemupdates.models import Assignment, Replica, Sample, SystemUpdate
from systemupdates.updates.states import AssignmentState, ReplicaState, UpdateState
from tests.api.conftest import problem, refuses, succeeds
from tests.support import factories, walkthrough
from wire import messages

A, U = AssignmentState, UpdateState


@pytest.fixture
def server(zone):
    return Device.objects.get(pk=zone.first.id)


@pytest.fixture
def update(everybody, server):
    """An update that goes to devices in four states."""
    made = factories.update(server, state=U.ASSIGNED, name="Remint", assigned_at=factories.now())
    for name, state in (
        ("b-done", A.ACTIVATED),
        ("c-failed", A.FAILED),
        ("d-waits", A.PENDING),
        ("a-left", A.IGNORED),
    ):
        reason = "Disk full." if state == A.FAILED else ""
        factories.assignment(made, factories.device(name), state, reason=reason)
    return made


def one(device):
    return f"assignments/{Assignment.objects.get(device__name=device).pk}"


def names(everybody, update, query=""):
    answer = everybody.get(f"updates/{update.pk}/assignments{query}")
    return [item["device"] for item in answer.json()["items"]]


@succeeds("GET /updates", "GET /updates/{update_id}")
def test_updates_are_listed_by_group_and_sorted_like_the_page(everybody, update, server):
    old = factories.update(server, state=U.COMPLETED, name="Before")
    gone = factories.update(server, state=U.CANCELED, name="Gone", deleted_at=factories.now())

    def listed(query=""):
        return [item["name"] for item in everybody.get(f"updates{query}").json()["items"]]

    assert listed() == ["Before", "Remint"]
    assert listed("?sort=-name") == ["Remint", "Before"]
    assert listed("?state=history") == listed("?state=completed") == ["Before"]
    assert listed("?state=deploying") == listed("?q=mint") == ["Remint"]
    shown = everybody.get(f"updates/{update.pk}").json()
    assert shown["devices"] == {"activated": 1, "failed": 1, "ignored": 1, "pending": 1}
    assert everybody.get(f"updates/{old.pk}").json()["devices"] == {}
    problem(everybody.get(f"updates/{gone.pk}"), 404)


@succeeds("GET /updates/{update_id}/assignments", "GET /assignments/{assignment_id}")
def test_status_by_device_is_filtered_and_sorted_like_the_page(everybody, update):
    assert names(everybody, update) == ["c-failed", "d-waits", "a-left", "b-done"]
    assert names(everybody, update, "?sort=device")[0] == "a-left"
    assert names(everybody, update, "?sort=-device")[0] == "d-waits"
    assert names(everybody, update, "?sort=state") == ["b-done", "c-failed", "a-left", "d-waits"]
    assert names(everybody, update, "?state=open") == ["c-failed", "d-waits"]
    assert names(everybody, update, "?limit=2&offset=1") == ["d-waits", "a-left"]
    assert names(everybody, update, "?q=d-&sort=contact") == ["d-waits"]
    listed = everybody.get(f"updates/{update.pk}/assignments?state=failed").json()
    assert listed["total"] == 1
    assert everybody.get(one("c-failed")).json() == listed["items"][0]


@succeeds("GET /devices/{device_id}/assignments")
def test_the_updates_of_a_device_are_listed(everybody, update):
    device = Device.objects.get(name="c-failed")
    found = everybody.get(f"devices/{device.pk}/assignments").json()["items"]
    assert [(item["update"], item["state"]) for item in found] == [("Remint", "failed")]


@succeeds("POST /assignments/{assignment_id}/ignore", "POST /assignments/{assignment_id}/redeploy")
@refuses("POST /assignments/{assignment_id}/ignore", "POST /assignments/{assignment_id}/redeploy")
def test_a_device_is_left_out_and_taken_in_again(everybody, update):
    there = one("d-waits")
    problem(everybody.post(f"{there}/redeploy"), 409)
    assert everybody.post(f"{there}/ignore").json()["state"] == "ignored"
    problem(everybody.post(f"{there}/ignore"), 409)
    assert everybody.post(f"{there}/redeploy").json()["state"] == "assigned"


@succeeds("POST /assignments/{assignment_id}/clear-error")
@refuses("POST /assignments/{assignment_id}/clear-error")
def test_an_error_is_cleared_once(everybody, update):
    there = one("c-failed")
    told = everybody.post(f"{there}/clear-error").json()
    assert (told["state"], told["reason"]) == ("assigned", "")
    problem(everybody.post(f"{there}/clear-error"), 409)
    assert not Assignment.objects.get(device__name="c-failed").redeploy, "nothing is asked of it"


@succeeds("POST /assignments/{assignment_id}/refresh")
def test_a_device_tries_again_when_it_is_heard_next(everybody, update):
    heard = factories.now() - timedelta(seconds=10)
    Device.objects.filter(name="c-failed").update(last_contact=heard)
    told = everybody.post(f"{one('c-failed')}/refresh").json()
    assert (told["at_once"], told["due_at"] is not None) == (False, True)
    assert Assignment.objects.get(device__name="c-failed").redeploy
    Device.objects.filter(name="d-waits").update(last_contact=None)
    assert everybody.post(f"{one('d-waits')}/refresh").json()["due_at"] is None


@succeeds("POST /updates/{update_id}/redeploy")
@refuses("POST /updates/{update_id}/redeploy")
def test_an_update_is_redeployed_where_it_failed(everybody, update):
    there = f"updates/{update.pk}/redeploy"
    assert everybody.post(there).json()["devices"]["assigned"] == 1
    problem(everybody.post(there), 409)


@succeeds("POST /updates/{update_id}/baseline", "DELETE /updates/{update_id}")
@refuses("POST /updates/{update_id}/baseline", "DELETE /updates/{update_id}")
def test_an_update_is_baselined_then_deleted(everybody, update):
    there = f"updates/{update.pk}"
    assert "baselined" in problem(everybody.delete(there), 409)["detail"]
    problem(everybody.post(f"{there}/baseline"), 409)
    SystemUpdate.objects.update(state=U.COMPLETED)
    assert everybody.post(f"{there}/baseline").json()["state"] == "baselined"
    answer = everybody.delete(there)
    assert (answer.status_code, answer.content) == (204, b"")
    problem(everybody.delete(there), 404)
    problem(everybody.get(one("c-failed")), 404)
    assert Entry.objects.filter(action="delete-update", actor="everybody").count() == 1


@succeeds("GET /updates/{update_id}/rollout")
def test_the_rollout_over_time_is_told(everybody, update):
    begin = update.assigned_at
    counts = {"trusted": 0, "activated": 0, "failed": 1, "of": 3}
    Sample.objects.create(update=update, at=begin, counts=counts)
    points = everybody.get(f"updates/{update.pk}/rollout").json()["points"]
    assert [(p["applied"], p["failed"], p["devices"]) for p in points] == [(0, 1, 3), (1, 1, 3)]
    SystemUpdate.objects.update(assigned_at=None)
    assert everybody.get(f"updates/{update.pk}/rollout").json()["points"] == []


@succeeds("GET /updates/{update_id}/release")
def test_what_was_signed_and_announced_is_told(everybody, zone, update):
    unsigned = everybody.get(f"updates/{update.pk}/release").json()
    assert (unsigned["signature"], unsigned["files"], unsigned["notices"]) == ("none", [], [])
    walkthrough.remint_ca()
    walkthrough.prepare(zone, walkthrough.fresh(walkthrough.Operation.objects.get()))
    made = SystemUpdate.objects.exclude(pk=update.pk).get()
    told = everybody.get(f"updates/{made.pk}/release").json()
    assert told["signature"] == "valid"
    assert {len(file["sha256"]) for file in told["files"]} == {64}
    assert len(told["root_sha256"]) == 64
    assert told["server_ids"] == []
    SystemUpdate.objects.filter(pk=made.pk).update(envelope={**made.envelope, "signature": "AAAA"})
    assert everybody.get(f"updates/{made.pk}/release").json()["signature"] == "invalid"


@pytest.fixture
def replica(everybody, zone, update):
    """A Content Satellite Server that lacks the content of the update."""
    satellite = zone.join("cs-1", messages.CONTENT_SATELLITE)
    device = Device.objects.get(pk=satellite.id)
    return factories.replica(update, device, ReplicaState.FAILED, reason="No route.")


@succeeds(
    "GET /updates/{update_id}/replicas",
    "GET /replicas/{replica_id}",
    "POST /replicas/{replica_id}/exclude",
    "POST /replicas/{replica_id}/include",
)
@refuses("POST /replicas/{replica_id}/exclude", "POST /replicas/{replica_id}/include")
def test_a_content_server_is_excluded_and_included(everybody, update, replica):
    there = f"replicas/{replica.pk}"
    problem(everybody.post(f"{there}/include"), 409)
    assert Replica.objects.get().state == "failed"
    told = everybody.post(f"{there}/exclude").json()
    assert (told["state"], told["may_include"], told["may_exclude"]) == ("excluded", True, False)
    problem(everybody.post(f"{there}/exclude"), 409)
    assert everybody.post(f"{there}/include").json()["state"] == "pending"
    listed = everybody.get(f"updates/{update.pk}/replicas").json()["items"]
    assert listed == [everybody.get(there).json()]
    assert listed[0]["server"] == "cs-1"
    assert listed[0]["todo"]


def test_who_blocks_an_assignment_is_told(everybody, update, replica):
    assert not everybody.get(f"replicas/{replica.pk}").json()["blocks"], "it is assigned already"
    SystemUpdate.objects.update(assigned_at=None)
    told = everybody.get(f"replicas/{replica.pk}").json()
    assert (told["blocks"], told["reason"]) == (True, "No route.")


@succeeds("POST /updates/{update_id}/replicate-now")
def test_every_server_that_lacks_content_is_asked_to_fetch_it(everybody, update, replica):
    everybody.post(f"updates/{update.pk}/replicate-now")
    assert Replica.objects.get().state == "pending"
    assert Device.objects.get(name="cs-1").errands


@succeeds("GET /trust", "GET /operations/{operation_id}/not-refreshed")
def test_late_devices_are_named(everybody, zone):
    late = zone.join("pc-1")
    late.refresh()
    zone.first.refresh()
    told = everybody.get("trust").json()
    assert [root["state"] for root in told["roots"]] == ["current"]
    total = told["total"]
    assert total == sum(told["counts"].values())
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    there = f"operations/{operation.pk}/not-refreshed"
    assert everybody.get(there).json()["stored_at"] is None
    operation = walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, walkthrough.Authority.objects.get(state="future"))
    Device.objects.filter(name="pc-1").update(last_contact=factories.now() - timedelta(days=1))
    told = everybody.get(f"{there}?q=pc").json()
    assert [device["name"] for device in told["items"]] == ["pc-1"]
    assert told["stored_at"]
    walkthrough.cut_over(zone, operation)
    told = everybody.get("trust?standing=relies&q=pc-1").json()
    assert {root["state"] for root in told["roots"]} == {"current", "grace"}
    assert told["bridged"]


@succeeds("GET /waiting-servers")
def test_servers_that_wait_are_named_with_what_can_be_done(everybody, update, replica, zone):
    zone.first.refresh()
    told = everybody.get("waiting-servers").json()
    assert [(one["server"], one["urgent"]) for one in told] == [("cs-1", True)]
    assert "Remint" in told[0]["text"]
    assert told[0]["todo"]
    everybody.post(f"replicas/{replica.pk}/exclude")
    Device.objects.filter(name="cs-1").update(last_contact=factories.now())
    assert everybody.get("waiting-servers").json() == []
