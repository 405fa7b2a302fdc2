"""REST API of deployment stages."""

import pytest

from audit.models import Entry
from systemupdates.assignments import stages
from systemupdates.models import Stage
from tests.api.conftest import problem, refuses, succeeds
from tests.support import factories

STAGES = "deployment-stages"


@pytest.fixture
def devices(everybody):
    return [factories.device(f"pc-{n}") for n in range(3)]


def create_stage(everybody, name, *members, **values):
    response = everybody.post(STAGES, {"name": name, "members": list(members), **values})
    assert response.status_code == 201, response.content
    return response.json()


@succeeds(
    "GET /deployment-stages",
    "POST /deployment-stages",
    "GET /deployment-stages/{stage_id}",
    "PUT /deployment-stages/{stage_id}",
    "DELETE /deployment-stages/{stage_id}",
    "POST /deployment-stages/{stage_id}/move",
)
def test_stages_are_created_moved_changed_and_removed(everybody, zone, devices):
    pilot = create_stage(everybody, " pilot ", "pc-0", timeout_seconds=3600)
    branch = create_stage(everybody, "branch")
    assert [member["name"] for member in pilot["members"]] == ["pc-0"]
    assert (pilot["name"], pilot["timeout_seconds"]) == ("pilot", 3600)
    assert branch["timeout_seconds"] == 3 * 86_400, "the zone setting"
    moved = everybody.post(f"{STAGES}/{branch['id']}/move", {"up": True}).json()
    assert moved["position"] == 0
    assert everybody.post(f"{STAGES}/{branch['id']}/move", {"up": True}).json() == moved
    listed = everybody.get(STAGES).json()
    assert [stage["name"] for stage in listed["items"]] == ["branch", "pilot"]
    assert listed["others"] == 3, "the server, and two devices"
    url = f"{STAGES}/{pilot['id']}"
    changed = everybody.put(url, {"name": "first", "members": ["pc-1", "pc-2", "pc-1"]}).json()
    assert [member["name"] for member in changed["members"]] == ["pc-1", "pc-2"]
    assert changed["timeout_seconds"] == 3600, "the timeout is not changed"
    assert everybody.get(url).json() == changed
    assert everybody.delete(url).status_code == 204
    problem(everybody.get(url), 404)
    assert Entry.objects.filter(action="remove-deployment-stage").exists()


@refuses(
    "POST /deployment-stages",
    "PUT /deployment-stages/{stage_id}",
)
def test_an_invalid_stage_is_rejected(everybody, devices):
    pilot = create_stage(everybody, "pilot", "pc-0")
    response = problem(everybody.post(STAGES, {"name": "pilot"}), 409)
    assert response["errors"][0]["field"] == "name"
    response = problem(everybody.post(STAGES, {"name": "x", "members": ["pc-0"]}), 409)
    assert "pilot" in response["detail"]
    response = problem(everybody.post(STAGES, {"name": "x", "members": ["pc-9"]}), 422)
    assert response["errors"][0]["field"] == "members"
    for invalid in (
        {"name": " "},
        {"name": "x" * 65},
        {"name": "x", "timeout_seconds": stages.MIN_TIMEOUT_SECONDS - 1},
        {"name": "x", "timeout_seconds": stages.MAX_TIMEOUT_SECONDS + 1},
        {"name": "x", "order": 1},
    ):
        problem(everybody.post(STAGES, invalid), 422)
        problem(everybody.put(f"{STAGES}/{pilot['id']}", invalid), 422)
    assert [stage.name for stage in Stage.objects.all()] == ["pilot"]


@refuses("DELETE /deployment-stages/{stage_id}", "POST /deployment-stages/{stage_id}/move")
def test_a_removed_stage_is_not_found(everybody, devices):
    pilot = create_stage(everybody, "pilot")
    assert everybody.delete(f"{STAGES}/{pilot['id']}").status_code == 204
    problem(everybody.delete(f"{STAGES}/{pilot['id']}"), 404)
    problem(everybody.post(f"{STAGES}/{pilot['id']}/move", {"up": True}), 404)
    problem(everybody.post(f"{STAGES}/{pilot['id']}/move", {"up": "sideways"}), 422)
