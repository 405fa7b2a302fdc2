"""REST API of the pilot group, and of operations that wait for it."""

from datetime import datetime, timedelta

from audit.models import Entry
from certificates.models import Authority
from certificates.operations.states import OperationState
from certificates.pilot.settings import get_group
from systemupdates.updates.states import AssignmentState
from tests.api.conftest import caller, problem, refuses, succeeds
from tests.support import factories

GROUP = "pilot-group"


@succeeds("GET /pilot-group", "PUT /pilot-group")
def test_the_group_is_set(everybody, zone):
    shown = everybody.get(GROUP).json()
    assert shown == {
        "on": False,
        "devices": [],
        "roles": [],
        "count": 0,
        "percent": 100,
        "timeout_seconds": 86_400,
    }
    factories.device("pc-001")
    body = {"on": True, "devices": ["pc-001"], "percent": 50, "timeout_seconds": 60}
    changed = everybody.put(GROUP, body)
    assert changed.status_code == 200, changed.content
    assert changed.json() == shown | body
    everybody.put(GROUP, {"on": True, "roles": ["managed"], "count": 3})
    assert get_group().count == 3


@refuses("PUT /pilot-group")
def test_invalid_settings_are_rejected_with_the_field(everybody, zone):
    answer = problem(everybody.put(GROUP, {"on": True, "devices": ["pc-9"]}), 422)
    assert answer["errors"][0]["field"] == "devices"
    problem(everybody.put(GROUP, {"on": True, "count": 1, "percent": 0}), 422)
    problem(everybody.put(GROUP, {"on": True}), 422)
    assert not get_group().is_on


def test_the_suggested_activation_time_includes_the_time_limit(everybody, zone):
    def suggested(kind):
        limits = everybody.get(f"activation-limits?kind={kind}").json()
        return datetime.fromisoformat(limits["suggestion"]), limits["suggestion_text"]

    before = suggested("remint-ca")[0]
    everybody.put(GROUP, {"on": True, "count": 3, "timeout_seconds": 7200})
    for kind in ("remint-ca", "change-ca"):
        after, words = suggested(kind)
        assert timedelta(hours=2) <= after - before <= timedelta(hours=2, minutes=1)
        assert "+ 2 h time limit of the pilot group" in words
    assert "pilot" not in suggested("remint-server")[1]


def held():
    operation = factories.operation(
        Authority.objects.current(), state=OperationState.BLOCKED, activates_in=timedelta(days=1)
    )
    until = (factories.now() + timedelta(hours=1)).isoformat()
    operation.parameters = {"pilot": {"percent": 100, "until": until, "released": ""}}
    operation.save()
    failed = AssignmentState.FAILED
    device = factories.device("pc-001")
    factories.assignment(operation.update, device, state=failed, is_pilot=True)
    return operation


@succeeds("POST /operations/{operation_id}/continue-after-pilot")
@refuses("POST /operations/{operation_id}/continue-after-pilot")
def test_an_operation_is_continued(everybody, zone, monkeypatch):
    monkeypatch.setattr("certificates.pilot.waiting.publish_new_revision", lambda *_a, **_o: None)
    operation = held()
    url = f"operations/{operation.pk}"
    shown = everybody.get(url).json()
    pilot = shown["pilot"]
    assert (pilot["total"], pilot["passed"], pilot["failed"]) == (1, 0, 1)
    assert pilot["failed_devices"] == ["pc-001"]
    assert [gate["name"] for gate in shown["gates"] if gate["name"].startswith("continue")]
    listed = everybody.get(f"updates/{operation.update_id}/assignments").json()["items"]
    assert [row["is_pilot"] for row in listed] == [True]
    problem(caller("reader").post(f"{url}/continue-after-pilot"), 403)
    continued = everybody.post(f"{url}/continue-after-pilot")
    assert continued.status_code == 200, continued.content
    assert (continued.json()["state"], continued.json()["pilot"]) == ("assigned", None)
    assert Entry.objects.filter(action="continue-after-pilot").exists()
    problem(everybody.post(f"{url}/continue-after-pilot"), 409)
