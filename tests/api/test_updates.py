"""REST API of system updates, assignments, and replicas."""

from datetime import timedelta

import pytest

from audit.models import Entry
from certificates.models import Authority
from devices.models import Device
from systemupdates.models import Assignment, Replica, RolloutSample, SystemUpdate, TrustNotice
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
    """Return an update with devices in four states."""
    created = factories.update(server, state=U.ASSIGNED, name="Remint", assigned_at=factories.now())
    for name, state in (
        ("b-done", A.ACTIVATED),
        ("c-failed", A.FAILED),
        ("d-waits", A.PENDING),
        ("a-left", A.IGNORED),
    ):
        reason = "Disk full." if state == A.FAILED else ""
        factories.assignment(created, factories.device(name), state, reason=reason)
    return created


def get_path(device):
    return f"assignments/{Assignment.objects.get(device__name=device).pk}"


def names(everybody, update, query=""):
    answer = everybody.get(f"updates/{update.pk}/assignments{query}")
    return [item["device"] for item in answer.json()["items"]]


@succeeds("GET /updates", "GET /updates/{update_id}")
def test_updates_are_filtered_and_sorted_like_the_page(everybody, update, server):
    old = factories.update(server, state=U.COMPLETED, name="Before")
    gone = factories.update(server, state=U.CANCELED, name="Gone", deleted_at=factories.now())

    def listed(query=""):
        return [item["name"] for item in everybody.get(f"updates{query}").json()["items"]]

    assert listed() == ["Before", "Remint"]
    assert listed("?sort=-name") == ["Remint", "Before"]
    assert listed("?state=history") == listed("?state=completed") == ["Before"]
    assert listed("?state=deploying") == listed("?q=mint") == ["Remint"]
    shown = everybody.get(f"updates/{update.pk}").json()
    assert shown["assigned_by_hand"] is shown["assigned_manually"] is False, "deprecated name"
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
    assert everybody.get(get_path("c-failed")).json() == listed["items"][0]


@succeeds("GET /devices/{device_id}/assignments")
def test_the_updates_of_a_device_are_listed(everybody, update):
    device = Device.objects.get(name="c-failed")
    found = everybody.get(f"devices/{device.pk}/assignments").json()["items"]
    assert [(item["update"], item["state"]) for item in found] == [("Remint", "failed")]


@succeeds("POST /assignments/{assignment_id}/ignore", "POST /assignments/{assignment_id}/redeploy")
@refuses("POST /assignments/{assignment_id}/ignore", "POST /assignments/{assignment_id}/redeploy")
def test_a_device_is_ignored_and_redeployed(everybody, update):
    url = get_path("d-waits")
    problem(everybody.post(f"{url}/redeploy"), 409)
    assert everybody.post(f"{url}/ignore").json()["state"] == "ignored"
    problem(everybody.post(f"{url}/ignore"), 409)
    assert everybody.post(f"{url}/redeploy").json()["state"] == "assigned"


@succeeds("POST /assignments/{assignment_id}/clear-error")
@refuses("POST /assignments/{assignment_id}/clear-error")
def test_an_error_is_cleared_once(everybody, update):
    url = get_path("c-failed")
    response = everybody.post(f"{url}/clear-error").json()
    assert (response["state"], response["reason"]) == ("assigned", "")
    problem(everybody.post(f"{url}/clear-error"), 409)
    assert not Assignment.objects.get(device__name="c-failed").redeploy, "no retry is requested"


@succeeds("POST /assignments/{assignment_id}/refresh")
def test_a_device_retries_at_its_next_contact(everybody, update):
    last_contact = factories.now() - timedelta(seconds=10)
    Device.objects.filter(name="c-failed").update(last_contact=last_contact)
    response = everybody.post(f"{get_path('c-failed')}/refresh").json()
    assert (response["is_immediate"], response["due_at"] is not None) == (False, True)
    assert response["at_once"] == response["is_immediate"], "deprecated name"
    assert Assignment.objects.get(device__name="c-failed").redeploy
    Device.objects.filter(name="d-waits").update(last_contact=None)
    assert everybody.post(f"{get_path('d-waits')}/refresh").json()["due_at"] is None


@succeeds("POST /updates/{update_id}/redeploy")
@refuses("POST /updates/{update_id}/redeploy")
def test_an_update_is_redeployed_to_failed_devices(everybody, update):
    url = f"updates/{update.pk}/redeploy"
    assert everybody.post(url).json()["devices"]["assigned"] == 1
    problem(everybody.post(url), 409)


@succeeds("POST /updates/{update_id}/baseline", "DELETE /updates/{update_id}")
@refuses("POST /updates/{update_id}/baseline", "DELETE /updates/{update_id}")
def test_an_update_is_baselined_then_deleted(everybody, update):
    url = f"updates/{update.pk}"
    assert "baselined" in problem(everybody.delete(url), 409)["detail"]
    problem(everybody.post(f"{url}/baseline"), 409)
    SystemUpdate.objects.update(state=U.COMPLETED)
    assert everybody.post(f"{url}/baseline").json()["state"] == "baselined"
    answer = everybody.delete(url)
    assert (answer.status_code, answer.content) == (204, b"")
    problem(everybody.delete(url), 404)
    problem(everybody.get(get_path("c-failed")), 404)
    assert Entry.objects.filter(action="delete-update", actor="everybody").count() == 1


@succeeds("GET /updates/{update_id}/rollout")
def test_the_rollout_over_time_is_returned(everybody, update):
    begin = update.assigned_at
    counts = {"trusted": 0, "activated": 0, "failed": 1, "of": 3}
    RolloutSample.objects.create(update=update, at=begin, counts=counts)
    points = everybody.get(f"updates/{update.pk}/rollout").json()["points"]
    assert [(p["applied"], p["failed"], p["devices"]) for p in points] == [(0, 1, 3), (1, 1, 3)]
    SystemUpdate.objects.update(assigned_at=None)
    assert everybody.get(f"updates/{update.pk}/rollout").json()["points"] == []


@succeeds("GET /updates/{update_id}/release")
def test_release_details_have_the_signature_files_and_notices(everybody, zone, update):
    unsigned = everybody.get(f"updates/{update.pk}/release").json()
    assert (unsigned["signature"], unsigned["files"], unsigned["notices"]) == ("none", [], [])
    walkthrough.remint_ca()
    walkthrough.prepare(zone, walkthrough.fresh(walkthrough.Operation.objects.get()))
    created = SystemUpdate.objects.exclude(pk=update.pk).get()
    response = everybody.get(f"updates/{created.pk}/release").json()
    assert response["signature"] == "valid"
    assert {len(file["sha256"]) for file in response["files"]} == {64}
    assert len(response["root_sha256"]) == 64
    assert response["server_ids"] == []
    assert response["assigned_by_hand"] is response["assigned_manually"] is False
    SystemUpdate.objects.filter(pk=created.pk).update(
        envelope={**created.envelope, "signature": "AAAA"}
    )
    assert everybody.get(f"updates/{created.pk}/release").json()["signature"] == "invalid"


@pytest.fixture
def replica(everybody, zone, update):
    """Return a replica without content on a Content Satellite Server."""
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
    url = f"replicas/{replica.pk}"
    problem(everybody.post(f"{url}/include"), 409)
    assert Replica.objects.get().state == "failed"
    response = everybody.post(f"{url}/exclude").json()
    assert (response["state"], response["may_include"], response["may_exclude"]) == (
        "excluded",
        True,
        False,
    )
    problem(everybody.post(f"{url}/exclude"), 409)
    assert everybody.post(f"{url}/include").json()["state"] == "pending"
    listed = everybody.get(f"updates/{update.pk}/replicas").json()["items"]
    assert listed == [everybody.get(url).json()]
    assert listed[0]["server"] == "cs-1"
    assert listed[0]["todo"]


def test_a_replica_that_blocks_the_assignment_is_marked(everybody, update, replica):
    assert not everybody.get(f"replicas/{replica.pk}").json()["blocks"], "already assigned"
    SystemUpdate.objects.update(assigned_at=None)
    response = everybody.get(f"replicas/{replica.pk}").json()
    assert (response["blocks"], response["reason"]) == (True, "No route.")


@succeeds("POST /updates/{update_id}/replicate-now")
def test_replication_is_requested_from_servers_without_the_content(everybody, update, replica):
    everybody.post(f"updates/{update.pk}/replicate-now")
    assert Replica.objects.get().state == "pending"
    assert Device.objects.get(name="cs-1").has_pending_work


@succeeds("GET /trust", "GET /operations/{operation_id}/not-refreshed")
def test_devices_without_the_update_are_listed(everybody, zone):
    offline = zone.join("pc-1")
    offline.refresh()
    zone.first.refresh()
    response = everybody.get("trust").json()
    assert [root["state"] for root in response["roots"]] == ["current"]
    total = response["total"]
    assert total == sum(response["counts"].values())
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    url = f"operations/{operation.pk}/not-refreshed"
    assert everybody.get(url).json()["stored_at"] is None
    operation = walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, walkthrough.Authority.objects.get(state="future"))
    Device.objects.filter(name="pc-1").update(last_contact=factories.now() - timedelta(days=1))
    response = everybody.get(f"{url}?q=pc").json()
    assert [device["name"] for device in response["items"]] == ["pc-1"]
    assert response["stored_at"]
    before = Device.objects.get(name="pc-1").root_sha256
    walkthrough.cut_over(zone, operation)
    Device.objects.filter(name="pc-1").update(root_sha256=before)
    response = everybody.get("trust?status=relies&q=pc-1").json()
    assert {root["state"] for root in response["roots"]} == {"current", "grace"}
    assert response["has_cross_certificate"]
    assert [device["status"] for device in response["items"]] == ["relies"]
    # Deprecated names.
    assert everybody.get("trust?standing=relies&q=pc-1").json() == response
    assert everybody.get("trust?standing=not-yet&q=pc-1").json()["items"] == []
    assert response["bridged"] is True
    assert [device["standing"] for device in response["items"]] == ["relies"]
    for root in response["roots"]:
        assert root["bridge_until"] == root["cross_certificate_until"]
    assert any(root["bridge_until"] for root in response["roots"])


@pytest.mark.parametrize(
    ("kind", "name", "deprecated"),
    [
        (TrustNotice.Kind.ACTIVATION_ORDER, "activation_order", "go"),
        (TrustNotice.Kind.CANCELLATION, "cancellation", "cancel"),
        (TrustNotice.Kind.ACTIVATED, "activated", "activated"),
        (TrustNotice.Kind.RETIREMENT, "retirement", "retire"),
        (TrustNotice.Kind.ROLLBACK, "rollback", "rollback"),
    ],
)
def test_the_type_of_a_notice_is_also_returned_under_its_deprecated_name(
    everybody, update, kind, name, deprecated
):
    TrustNotice.objects.create(update=update, kind=kind, revision=1, envelope={})
    notices = everybody.get(f"updates/{update.pk}/release").json()["notices"]
    assert [(notice["type"], notice["kind"]) for notice in notices] == [(name, deprecated)]


def test_with_an_expired_ca_no_server_is_to_be_retired(everybody, zone):
    zone.first.refresh()
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    Device.objects.filter(name="ps-02").update(last_contact=factories.now() - timedelta(days=3))
    assert [item["server"] for item in everybody.get("waiting-servers").json()] == ["ps-02"]
    Authority.objects.update(not_after=factories.now() - timedelta(days=1))
    assert everybody.get("waiting-servers").json() == []


@succeeds("GET /waiting-servers")
def test_waiting_servers_are_listed_with_the_next_step(everybody, update, replica, zone):
    zone.first.refresh()
    response = everybody.get("waiting-servers").json()
    assert [(item["server"], item["urgent"]) for item in response] == [("cs-1", True)]
    assert "Remint" in response[0]["text"]
    assert response[0]["todo"]
    everybody.post(f"replicas/{replica.pk}/exclude")
    Device.objects.filter(name="cs-1").update(last_contact=factories.now())
    assert everybody.get("waiting-servers").json() == []
