"""Operations in the REST API: start, follow, cancel, postpone; a key makes a retry harmless."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from administrators.models import Rules
from certificates.models import Authority, Operation
from certificates.operations.states import OperationState
from tests.api.conftest import caller, problem, refuses, succeeds
from tests.support import factories, walkthrough
from tests.support.public_ca import PublicCA
from wire import messages

STATE = OperationState
EXTERNAL = PublicCA()
CHAIN = "".join([EXTERNAL.root.pem, *EXTERNAL.chain])


def soon(**span):
    return walkthrough.soon(**span).isoformat()


@pytest.fixture
def remint(everybody):
    """A Remint CA that is being prepared."""
    answer = everybody.post("operations/remint-ca", {"common_name": "NEXT", "activates_at": soon()})
    assert answer.status_code == 201, answer.content
    return f"operations/{answer.json()['id']}"


@pytest.fixture
def spread(zone, remint):
    """It waits until a Content Satellite Server has its content, too."""
    zone.join("cs-1", messages.CONTENT_SATELLITE)
    walkthrough.prepare(zone, Operation.objects.get())
    assert walkthrough.step(Operation.objects.get()).state == STATE.REPLICATING
    return remint


@succeeds(
    "GET /authority",
    "GET /authorities",
    "GET /authorities/{authority_id}",
    "GET /authorities/{authority_id}/certificate",
    "GET /authorities/{authority_id}/details",
)
def test_the_zone_ca_is_shown(everybody):
    current = everybody.get("authority").json()
    assert (current["kind"], current["state"]) == ("internal", "current")
    assert everybody.get("authorities").json()["items"] == [current]
    there = f"authorities/{current['id']}"
    assert everybody.get(there).json() == current
    file = everybody.get(f"{there}/certificate")
    assert file.content.startswith(b"-----BEGIN CERTIFICATE-----")
    assert file.headers["Content-Disposition"].startswith("attachment; ")
    assert file.headers["Cache-Control"] == "no-store"
    details = everybody.get(f"{there}/details").json()
    assert details["sha256"].replace(":", "").lower() == current["sha256"]
    assert details["key"] == "EC P-256" or details["key"]
    assert details["subject"] == details["issuer"]


@succeeds("GET /gates", "GET /activation-limits")
def test_what_is_possible_now_is_told_with_its_reason(everybody, spread):
    gates = {gate["name"]: gate for gate in everybody.get("gates").json()}
    assert not gates["change-ca"]["open"]
    assert "Remint CA" in gates["change-ca"]["reason"]
    limits = everybody.get("activation-limits?kind=remint-server").json()
    assert limits["earliest"] < limits["suggestion"] < limits["latest"]
    assert limits["latest_because"]


@refuses("GET /activation-limits")
def test_limits_of_nothing_known_are_refused(everybody):
    problem(everybody.get("activation-limits?kind=tea"), 422)
    problem(everybody.get("activation-limits?servers=x"), 422)


@succeeds("POST /operations/remint-ca", "GET /operations", "GET /operations/{operation_id}")
def test_a_remint_is_started_and_followed(everybody, remint):
    shown = everybody.get(remint).json()
    assert (shown["kind"], shown["state"]) == ("remint-ca", "preparing")
    assert shown["requested_by"] == "everybody"
    assert shown["stages"][0]["mark"] == "now"
    assert {gate["name"] for gate in shown["gates"]} >= {"cancel"}
    listed = everybody.get("operations?open=true&state=preparing").json()
    assert [one["id"] for one in listed["items"]] == [shown["id"]]
    assert everybody.get("operations?state=completed").json()["total"] == 0


def test_a_call_that_is_repeated_with_its_key_is_one_operation(everybody):
    key, order = str(uuid4()), {"common_name": "NEXT", "activates_at": soon()}
    first = everybody.post("operations/remint-ca", order, idempotency_key=key)
    again = everybody.post("operations/remint-ca", order, idempotency_key=key)
    assert first.status_code == again.status_code == 201
    assert first.json()["id"] == again.json()["id"]
    assert Operation.objects.count() == 1


def test_a_key_that_was_used_for_something_else_is_refused(everybody, zone):
    key, order = str(uuid4()), {"common_name": "NEXT", "activates_at": soon()}
    everybody.post("operations/remint-ca", order, idempotency_key=key)
    other = {**order, "common_name": "OTHER"}
    told = problem(everybody.post("operations/remint-ca", other, idempotency_key=key), 409)
    assert "Idempotency-Key" in told["detail"]
    stranger = caller("stranger", "certificates.certificate_authority")
    problem(stranger.post("operations/remint-ca", order, idempotency_key=key), 409)
    server = {"server_ids": [zone.first.id], "name": "x", "activates_at": soon()}
    problem(everybody.post("operations/remint-servers", server, idempotency_key=key), 409)
    problem(everybody.post("operations/remint-ca", order, idempotency_key="1"), 422)


@refuses("POST /operations/remint-ca")
def test_a_remint_that_cannot_be_is_refused_and_names_what_is_wrong(everybody):
    good = {"common_name": "NEXT", "activates_at": soon()}
    for wrong, field in (
        ({"common_name": ""}, "common_name"),
        ({"key_length": 1024}, "key_length"),
        ({"years": 11}, "years"),
        ({"years": 0}, "years"),
        ({"activates_at": soon(seconds=5)}, "activates_at"),
        ({"activates_at": soon(days=40_00)}, "activates_at"),
        ({"activates_at": None}, "activates_at"),
        ({"activates_at": "2030-01-01T00:00:00"}, "activates_at"),
        ({"surprise": True}, "surprise"),
    ):
        told = problem(everybody.post("operations/remint-ca", {**good, **wrong}), 422)
        assert field in told["errors"][0]["field"], (wrong, told)
    assert not Operation.objects.exists()
    everybody.post("operations/remint-ca", good)
    told = problem(everybody.post("operations/remint-ca", good), 409)
    assert "in progress" in told["detail"]
    assert Operation.objects.count() == 1


@succeeds("POST /operations/change-ca/internal")
def test_the_ca_is_changed_to_another_server(everybody, zone):
    second = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    second.refresh()
    order = {"certificate_server_id": second.id, "subject": "CN=NEW", "activates_at": soon()}
    answer = everybody.post("operations/change-ca/internal", order)
    assert answer.status_code == 201, answer.content
    assert answer.json()["kind"] == "change-ca"


@refuses("POST /operations/change-ca/internal")
def test_a_change_to_what_is_no_primary_server_is_refused(everybody, zone):
    pc = zone.join("pc-1")
    for server in (pc.id, str(uuid4())):
        order = {"certificate_server_id": server, "subject": "CN=NEW", "activates_at": soon()}
        told = problem(everybody.post("operations/change-ca/internal", order), 422)
        assert "Primary Server" in told["detail"]
    assert not Operation.objects.exists()


@succeeds("POST /operations/change-ca/external")
@pytest.mark.parametrize("form", ["pem", "base64"])
def test_the_ca_is_changed_to_an_external_one(everybody, form):
    import base64

    text = CHAIN if form == "pem" else base64.b64encode(CHAIN.encode()).decode()
    order = {"certificates": text, "activates_at": soon()}
    answer = everybody.post("operations/change-ca/external", order)
    assert answer.status_code == 201, answer.content
    assert answer.json()["kind"] == "change-ca"


@refuses("POST /operations/change-ca/external")
def test_a_chain_without_root_or_rubbish_is_refused(everybody):
    for wrong in (
        *("", "!", "QUFB", EXTERNAL.chain[0], "-----BEGIN CERTIFICATE-----"),
        CHAIN + PublicCA("Other").root.pem,
    ):
        order = {"certificates": wrong, "activates_at": soon()}
        told = problem(everybody.post("operations/change-ca/external", order), 422)
        assert told["detail"]
    assert not Operation.objects.exists()


@succeeds("POST /operations/remint-servers")
def test_certificates_of_servers_are_reminted(everybody, zone):
    order = {"server_ids": [zone.first.id], "name": "One", "activates_at": soon()}
    answer = everybody.post("operations/remint-servers", order)
    assert answer.status_code == 201, answer.content
    assert (answer.json()["kind"], answer.json()["name"]) == ("remint-server", "One")


@refuses("POST /operations/remint-servers")
def test_a_remint_of_no_server_or_of_a_device_is_refused(everybody, zone):
    pc = zone.join("pc-1")
    for servers in ([], [pc.id], [str(uuid4())], ["x"]):
        order = {"server_ids": servers, "name": "One", "activates_at": soon()}
        assert everybody.post("operations/remint-servers", order).status_code in (404, 409, 422)
    assert not Operation.objects.exists()


@succeeds(
    "POST /operations/{operation_id}/replicate-now",
    "POST /operations/{operation_id}/assign-now",
)
def test_the_content_is_asked_for_and_assigned_by_hand(everybody, spread):
    assert everybody.post(f"{spread}/replicate-now").json()["state"] == "replicating"
    told = everybody.post(f"{spread}/assign-now").json()
    assert told["state"] == "assigned"
    assert sum(told["counts"]["devices"].values()) == 2


@refuses(
    "POST /operations/{operation_id}/replicate-now",
    "POST /operations/{operation_id}/assign-now",
    "POST /operations/{operation_id}/force",
)
def test_what_does_not_fit_its_state_is_a_conflict(everybody, remint):
    for act in ("replicate-now", "assign-now", "force"):
        told = problem(everybody.post(f"{remint}/{act}"), 409)
        assert told["detail"], act
    assert everybody.get(remint).json()["state"] == "preparing"


@succeeds("POST /operations/{operation_id}/replicas/{replica_id}/exclude")
@refuses("POST /operations/{operation_id}/replicas/{replica_id}/exclude")
def test_a_dead_content_server_is_left_out_and_another_operation_has_none(everybody, spread):
    operation = Operation.objects.get()
    replicas = everybody.get(f"updates/{operation.update_id}/replicas").json()["items"]
    dead = next(one for one in replicas if one["server"] == "cs-1")
    there = f"operations/{operation.pk}/replicas"
    assert everybody.post(f"{there}/{dead['id']}/exclude").json()["counts"]["replicas"]["excluded"]
    problem(everybody.post(f"operations/{uuid4()}/replicas/{dead['id']}/exclude"), 404)
    problem(everybody.post(f"{there}/{dead['id']}/exclude"), 409)


@succeeds("PUT /operations/{operation_id}/activation-time")
def test_the_activation_is_set_to_another_time(everybody, spread):
    later = walkthrough.soon(hours=2)
    answer = everybody.put(f"{spread}/activation-time", {"activates_at": later.isoformat()})
    assert answer.status_code == 200, answer.content
    assert Operation.objects.get().activates_at == later


@refuses("PUT /operations/{operation_id}/activation-time")
def test_a_time_outside_the_limits_is_refused(everybody, spread):
    before = Operation.objects.get().activates_at
    for wrong in (soon(seconds=1), soon(days=5000), "soon"):
        told = problem(everybody.put(f"{spread}/activation-time", {"activates_at": wrong}), 422)
        assert "activates_at" in told["errors"][0]["field"]
    assert Operation.objects.get().activates_at == before


@succeeds("POST /operations/{operation_id}/cancel")
def test_an_operation_is_cancelled(everybody, spread):
    assert everybody.post(f"{spread}/cancel").json()["state"] == "cancelling"


@refuses("POST /operations/{operation_id}/cancel")
def test_from_the_lock_out_cancel_is_refused(everybody, spread):
    at = timezone.now() + timedelta(seconds=5)
    Operation.objects.update(activates_at=at)
    told = problem(everybody.post(f"{spread}/cancel"), 409)
    assert "Cancel was possible until" in told["detail"]
    assert Operation.objects.get().state == STATE.REPLICATING


@succeeds("POST /operations/{operation_id}/confirm")
def test_a_second_administrator_confirms(everybody, zone):
    Rules.objects.create(pk=1, two_administrators=True)
    operation = walkthrough.remint_ca()
    Operation.objects.update(requested_by=factories.user("first"))
    told = everybody.post(f"operations/{operation.pk}/confirm").json()
    assert told["state"] == "preparing"


@refuses("POST /operations/{operation_id}/confirm")
def test_the_first_administrator_cannot_confirm(everybody, zone):
    Rules.objects.create(pk=1, two_administrators=True)
    operation = walkthrough.remint_ca()
    Operation.objects.update(requested_by=everybody.user)
    told = problem(everybody.post(f"operations/{operation.pk}/confirm"), 409)
    assert "second administrator" in told["detail"]
    assert Operation.objects.get().state == "proposed"


@succeeds("POST /operations/{operation_id}/clear-failure")
def test_the_message_of_a_failed_cancel_is_cleared(everybody, spread):
    Operation.objects.update(state=STATE.CANCEL_FAILED, reason="It failed.", action="Try again.")
    assert everybody.post(f"{spread}/clear-failure").json()["reason"] == ""


@succeeds("POST /operations/{operation_id}/force")
def test_a_blocked_operation_is_forced(everybody, zone, spread):
    walkthrough.replicate(zone, Operation.objects.get())
    walkthrough.step(Operation.objects.get())
    walkthrough.apply(zone, Operation.objects.get())
    walkthrough.sign(zone, Authority.objects.get(state="future"))
    Operation.objects.update(state=STATE.BLOCKED, reason="One lacks it.")
    told = everybody.post(f"{spread}/force").json()
    assert (told["state"], told["forced"]) == ("assigned", True)


@succeeds("POST /operations/{operation_id}/without-bridge")
def test_a_lost_certificate_server_is_not_waited_for(everybody, remint):
    assert everybody.post(f"{remint}/without-bridge").json()["state"] == "preparing"
    assert Operation.objects.get().order["without_bridge"] is True


@refuses("POST /operations/{operation_id}/without-bridge")
def test_what_is_prepared_has_its_bridge(everybody, spread):
    told = problem(everybody.post(f"{spread}/without-bridge"), 409)
    assert "prepared already" in told["detail"]
