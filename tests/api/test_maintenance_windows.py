"""REST API of maintenance windows, change freezes, and activations outside of them."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from audit.models import Entry
from certificates.models import ChangeFreeze, MaintenanceWindow, Operation
from tests.api.conftest import CA, ZONE, caller, problem, refuses, succeeds
from tests.support import factories

WINDOWS, FREEZES = "maintenance-windows", "change-freezes"


def freeze(**changes):
    begins = factories.now() - timedelta(minutes=1)
    values = {"begins_at": begins, "ends_at": begins + timedelta(days=2), "reason": "Holidays"}
    values |= changes
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


@succeeds(
    "GET /maintenance-windows",
    "POST /maintenance-windows",
    "PUT /maintenance-windows/{window_id}",
    "DELETE /maintenance-windows/{window_id}",
    "GET /activation-times",
)
def test_windows_are_created_changed_and_removed(everybody, zone):
    assert everybody.get("activation-times").json()["open"] is True
    created = everybody.post(WINDOWS, {"name": "Night", "rule": factories.EVERY_DAY})
    assert created.status_code == 201, created.content
    shown = created.json()
    assert (shown["name"], shown["rule"]) == ("Night", factories.EVERY_DAY)
    opens, closes = (datetime.fromisoformat(shown[key]) for key in ("opens_at", "closes_at"))
    assert closes - opens == timedelta(hours=1)
    assert opens.astimezone(UTC).hour == 22
    assert everybody.get("activation-times").json()["window"] == "Night"
    url = f"{WINDOWS}/{shown['id']}"
    body = {"name": "Late", "rule": factories.EVERY_DAY.replace("PT1H", "PT2H")}
    assert everybody.put(url, body).json()["name"] == "Late"
    assert [row["name"] for row in everybody.get(WINDOWS).json()] == ["Late"]
    assert everybody.delete(url).status_code == 204
    assert everybody.get(WINDOWS).json() == []


@refuses(
    "POST /maintenance-windows",
    "PUT /maintenance-windows/{window_id}",
    "DELETE /maintenance-windows/{window_id}",
)
def test_invalid_windows_are_rejected_with_the_field(everybody, zone):
    answer = problem(everybody.post(WINDOWS, {"name": "Night", "rule": "FREQ=DAILY"}), 422)
    assert answer["errors"][0]["field"] == "rule"
    problem(everybody.put(f"{WINDOWS}/1", {"name": "Night", "rule": factories.EVERY_DAY}), 404)
    problem(everybody.delete(f"{WINDOWS}/1"), 404)
    assert not MaintenanceWindow.objects.exists()


@succeeds(
    "GET /change-freezes",
    "POST /change-freezes",
    "PUT /change-freezes/{freeze_id}",
    "DELETE /change-freezes/{freeze_id}",
)
def test_freezes_are_created_changed_and_removed(everybody, zone):
    created = everybody.post(FREEZES, freeze())
    assert created.status_code == 201, created.content
    times = everybody.get("activation-times").json()
    assert (times["open"], times["opens_at"]) == (False, created.json()["ends_at"])
    url = f"{FREEZES}/{created.json()['id']}"
    assert everybody.put(url, freeze(reason="Move")).json()["reason"] == "Move"
    assert [row["reason"] for row in everybody.get(FREEZES).json()] == ["Move"]
    assert everybody.delete(url).status_code == 204
    assert not ChangeFreeze.objects.exists()


@refuses(
    "POST /change-freezes",
    "PUT /change-freezes/{freeze_id}",
    "DELETE /change-freezes/{freeze_id}",
)
def test_invalid_freezes_are_rejected_with_the_field(everybody, zone):
    wrong = freeze(ends_at=factories.now() - timedelta(days=1))
    answer = problem(everybody.post(FREEZES, wrong), 422)
    assert answer["errors"][0]["field"] == "ends_at"
    problem(everybody.put(f"{FREEZES}/1", freeze()), 404)
    problem(everybody.delete(f"{FREEZES}/1"), 404)


def start(client, key=None, **more):
    at = (factories.now() + timedelta(hours=5)).isoformat()
    body = {"common_name": "NEXT", "activates_at": at, **more}
    return client.post("operations/remint-ca", body, idempotency_key=str(key or uuid4()))


def test_an_activation_in_a_freeze_needs_a_reason_and_the_right(everybody, zone):
    everybody.post(FREEZES, freeze())
    answer = problem(start(everybody), 422)
    assert "The change freeze “Holidays” is in force" in answer["detail"]
    why = {"window_override": "The CA is compromised."}
    problem(start(caller("without", CA), **why), 403)
    assert not Operation.objects.exists()
    started = start(caller("with", CA, ZONE), **why)
    assert started.status_code == 201, started.content
    assert Entry.objects.get(action="override-window").note == why["window_override"]
    url = f"operations/{started.json()['id']}/activation-time"
    later = {"activates_at": (factories.now() + timedelta(hours=9)).isoformat()}
    problem(everybody.put(url, later), 422)
    problem(caller("other", CA).put(url, {**later, **why}), 403)
    assert everybody.put(url, {**later, **why}).status_code == 200


def test_a_request_with_a_reason_can_be_repeated(everybody, zone):
    key = uuid4()
    at = (factories.now() + timedelta(hours=5)).isoformat()
    why = {"window_override": "Not needed.", "activates_at": at}
    first, again = start(everybody, key, **why), start(everybody, key, **why)
    assert first.status_code == 201, first.content
    assert first.json()["id"] == again.json()["id"]
