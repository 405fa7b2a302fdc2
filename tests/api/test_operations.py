"""REST API: start, follow, cancel, and reschedule operations."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from administrators.models import Policies
from certificates.models import Authority, Operation
from certificates.monitoring import workers
from certificates.operations import cancellation
from certificates.operations.states import OperationState
from pki.certificates.constraints import NameConstraints
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
    """A Remint CA operation in preparation."""
    answer = everybody.post("operations/remint-ca", {"common_name": "NEXT", "activates_at": soon()})
    assert answer.status_code == 201, answer.content
    return f"operations/{answer.json()['id']}"


@pytest.fixture
def spread(zone, remint):
    """A Remint CA operation that is replicating to a Content Satellite Server."""
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
def test_get_the_zone_ca(everybody):
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
def test_available_actions_have_a_reason(everybody, spread):
    gates = {gate["name"]: gate for gate in everybody.get("gates").json()}
    assert not gates["change-ca"]["open"]
    assert "Remint CA" in gates["change-ca"]["reason"]
    limits = everybody.get("activation-limits?kind=remint-server").json()
    assert limits["earliest"] < limits["suggestion"] < limits["latest"]
    assert limits["latest_because"]


@refuses("GET /activation-limits")
def test_limits_of_unknown_servers_are_rejected(everybody):
    problem(everybody.get("activation-limits?kind=tea"), 422)
    problem(everybody.get("activation-limits?servers=x"), 422)


@succeeds("POST /operations/remint-ca", "GET /operations", "GET /operations/{operation_id}")
def test_remint_ca_can_be_started_and_followed(everybody, remint):
    shown = everybody.get(remint).json()
    assert (shown["kind"], shown["state"]) == ("remint-ca", "preparing")
    assert shown["requested_by"] == "everybody"
    assert shown["stages"][0]["mark"] == "now"
    assert {gate["name"] for gate in shown["gates"]} >= {"cancel"}
    listed = everybody.get("operations?open=true&state=preparing").json()
    assert [one["id"] for one in listed["items"]] == [shown["id"]]
    assert everybody.get("operations?state=completed").json()["total"] == 0


def test_a_repeated_idempotency_key_returns_the_same_operation(everybody):
    key, order = str(uuid4()), {"common_name": "NEXT", "activates_at": soon()}
    first = everybody.post("operations/remint-ca", order, idempotency_key=key)
    again = everybody.post("operations/remint-ca", order, idempotency_key=key)
    assert first.status_code == again.status_code == 201
    assert first.json()["id"] == again.json()["id"]
    assert Operation.objects.count() == 1


def test_an_idempotency_key_of_another_request_is_rejected(everybody, zone):
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


@succeeds("GET /authority/name-constraints")
def test_name_constraints_are_proposed_requested_and_kept(everybody, zone, monkeypatch):
    shown = everybody.get("authority/name-constraints").json()
    assert shown["current"] is None
    proposal = shown["proposal"]
    assert proposal == {
        "domains": ["test.example"],
        "networks": ["127.9.0.0/24"],
        "excluded": [],
    }
    order = {"common_name": "NEXT", "activates_at": soon(), "name_constraints": proposal}
    key = str(uuid4())
    assert everybody.post("operations/remint-ca", order, idempotency_key=key).status_code == 201
    operation = Operation.objects.get()
    assert operation.parameters["name_constraints"] == proposal
    plain = {name: value for name, value in order.items() if name != "name_constraints"}
    problem(everybody.post("operations/remint-ca", plain, idempotency_key=key), 409)
    walkthrough.prepare(zone, operation)
    future = walkthrough.fresh(operation).future_authority
    details = everybody.get(f"authorities/{future.pk}/details").json()
    assert details["permitted"][:2] == ["DNS test.example", "IP 127.9.0.0/24"]
    assert details["excluded"] == []
    cancellation.cancel(walkthrough.fresh(operation), now=timezone.now())
    walkthrough.step(operation)
    limits = NameConstraints.of(proposal)
    monkeypatch.setattr("certificates.name_constraints.proposal.get_current", lambda: limits)
    assert everybody.get("authority/name-constraints").json()["current"] == proposal
    everybody.post("operations/remint-ca", plain)
    assert Operation.objects.first().parameters["name_constraints"] == proposal
    cancellation.cancel(Operation.objects.first(), now=timezone.now())
    walkthrough.step(Operation.objects.first())
    everybody.post("operations/remint-ca", {**plain, "name_constraints": None})
    assert Operation.objects.first().parameters["name_constraints"] is None


def test_invalid_name_constraints_are_rejected_with_the_field(everybody, zone):
    order = {"common_name": "NEXT", "activates_at": soon()}
    for limits, field in (
        ({"domains": []}, "domains"),
        ({"domains": ["com"]}, "domains"),
        ({"domains": ["other.example"]}, "domains"),
        ({"domains": ["test.example"]}, "networks"),
        ({"domains": ["test.example"], "networks": ["127.9.0.1/24"]}, "networks"),
        ({"domains": ["test.example"], "excluded": ["a_b.example"]}, "excluded"),
    ):
        answer = everybody.post("operations/remint-ca", {**order, "name_constraints": limits})
        assert answer.status_code in (409, 422)
        assert problem(answer, answer.status_code)["errors"][0]["field"] == field
    workers.record_heartbeat(zone.first.guid, timezone.now())
    internal = {
        "certificate_server_id": zone.first.id,
        "subject": "NEXT",
        "activates_at": soon(),
        "name_constraints": {"domains": ["other.example"]},
    }
    problem(everybody.post("operations/change-ca/internal", internal), 409)
    assert not Operation.objects.exists()


@refuses("POST /operations/remint-ca")
def test_an_invalid_remint_is_rejected_with_the_field(everybody):
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
def test_change_ca_to_another_server(everybody, zone):
    second = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    second.refresh()
    order = {"certificate_server_id": second.id, "subject": "CN=NEW", "activates_at": soon()}
    answer = everybody.post("operations/change-ca/internal", order)
    assert answer.status_code == 201, answer.content
    assert answer.json()["kind"] == "change-ca"


@refuses("POST /operations/change-ca/internal")
def test_change_ca_to_a_satellite_is_rejected(everybody, zone):
    pc = zone.join("pc-1")
    for server in (pc.id, str(uuid4())):
        order = {"certificate_server_id": server, "subject": "CN=NEW", "activates_at": soon()}
        told = problem(everybody.post("operations/change-ca/internal", order), 422)
        assert "Primary Server" in told["detail"]
    assert not Operation.objects.exists()


@succeeds("POST /operations/change-ca/external")
@pytest.mark.parametrize("form", ["pem", "base64"])
def test_change_ca_to_an_external_ca(everybody, form):
    import base64

    text = CHAIN if form == "pem" else base64.b64encode(CHAIN.encode()).decode()
    order = {"certificates": text, "activates_at": soon()}
    answer = everybody.post("operations/change-ca/external", order)
    assert answer.status_code == 201, answer.content
    assert answer.json()["kind"] == "change-ca"


@refuses("POST /operations/change-ca/external")
def test_an_invalid_certificate_chain_is_rejected(everybody):
    for wrong in (
        *("", "!", "QUFB", EXTERNAL.chain[0], "-----BEGIN CERTIFICATE-----"),
        CHAIN + PublicCA("Other").root.pem,
    ):
        order = {"certificates": wrong, "activates_at": soon()}
        told = problem(everybody.post("operations/change-ca/external", order), 422)
        assert told["detail"]
    assert not Operation.objects.exists()


@succeeds("POST /operations/remint-servers")
def test_remint_servers(everybody, zone):
    order = {"server_ids": [zone.first.id], "name": "One", "activates_at": soon()}
    answer = everybody.post("operations/remint-servers", order)
    assert answer.status_code == 201, answer.content
    assert (answer.json()["kind"], answer.json()["name"]) == ("remint-server", "One")


@refuses("POST /operations/remint-servers")
def test_a_remint_without_servers_is_rejected(everybody, zone):
    pc = zone.join("pc-1")
    for servers in ([], [pc.id], [str(uuid4())], ["x"]):
        order = {"server_ids": servers, "name": "One", "activates_at": soon()}
        assert everybody.post("operations/remint-servers", order).status_code in (404, 409, 422)
    assert not Operation.objects.exists()


@succeeds(
    "POST /operations/{operation_id}/replicate-now",
    "POST /operations/{operation_id}/assign-now",
)
def test_replicate_now_and_assign_now(everybody, spread):
    assert everybody.post(f"{spread}/replicate-now").json()["state"] == "replicating"
    told = everybody.post(f"{spread}/assign-now").json()
    assert told["state"] == "assigned"
    assert sum(told["counts"]["devices"].values()) == 2


@refuses(
    "POST /operations/{operation_id}/replicate-now",
    "POST /operations/{operation_id}/assign-now",
    "POST /operations/{operation_id}/force",
)
def test_an_action_in_the_wrong_state_is_a_conflict(everybody, remint):
    for act in ("replicate-now", "assign-now", "force"):
        told = problem(everybody.post(f"{remint}/{act}"), 409)
        assert told["detail"], act
    assert everybody.get(remint).json()["state"] == "preparing"


@succeeds("POST /operations/{operation_id}/replicas/{replica_id}/exclude")
@refuses("POST /operations/{operation_id}/replicas/{replica_id}/exclude")
def test_a_content_server_can_be_excluded(everybody, spread):
    operation = Operation.objects.get()
    replicas = everybody.get(f"updates/{operation.update_id}/replicas").json()["items"]
    dead = next(one for one in replicas if one["server"] == "cs-1")
    there = f"operations/{operation.pk}/replicas"
    assert everybody.post(f"{there}/{dead['id']}/exclude").json()["counts"]["replicas"]["excluded"]
    problem(everybody.post(f"operations/{uuid4()}/replicas/{dead['id']}/exclude"), 404)
    problem(everybody.post(f"{there}/{dead['id']}/exclude"), 409)


@succeeds("PUT /operations/{operation_id}/activation-time")
def test_the_activation_time_can_be_changed(everybody, spread):
    later = walkthrough.soon(hours=2)
    answer = everybody.put(f"{spread}/activation-time", {"activates_at": later.isoformat()})
    assert answer.status_code == 200, answer.content
    assert Operation.objects.get().activates_at == later


@refuses("PUT /operations/{operation_id}/activation-time")
def test_a_time_outside_the_limits_is_rejected(everybody, spread):
    before = Operation.objects.get().activates_at
    for wrong in (soon(seconds=1), soon(days=5000), "soon"):
        told = problem(everybody.put(f"{spread}/activation-time", {"activates_at": wrong}), 422)
        assert "activates_at" in told["errors"][0]["field"]
    assert Operation.objects.get().activates_at == before


@succeeds("POST /operations/{operation_id}/cancel")
def test_an_operation_can_be_canceled(everybody, spread):
    assert everybody.post(f"{spread}/cancel").json()["state"] == "canceling"


@refuses("POST /operations/{operation_id}/cancel")
def test_cancel_in_the_freeze_period_is_rejected(everybody, spread):
    at = timezone.now() + timedelta(seconds=5)
    Operation.objects.update(activates_at=at)
    told = problem(everybody.post(f"{spread}/cancel"), 409)
    assert "could be canceled until" in told["detail"]
    assert Operation.objects.get().state == STATE.REPLICATING


@succeeds("POST /operations/{operation_id}/confirm")
def test_a_second_administrator_can_approve(everybody, zone):
    Policies.objects.update(two_administrators=True)
    operation = walkthrough.remint_ca()
    Operation.objects.update(requested_by=factories.user("first"))
    told = everybody.post(f"operations/{operation.pk}/confirm").json()
    assert told["state"] == "preparing"


@refuses("POST /operations/{operation_id}/confirm")
def test_the_requesting_administrator_cannot_approve(everybody, zone):
    Policies.objects.update(two_administrators=True)
    operation = walkthrough.remint_ca()
    Operation.objects.update(requested_by=everybody.user)
    told = problem(everybody.post(f"operations/{operation.pk}/confirm"), 409)
    assert "second administrator" in told["detail"]
    assert Operation.objects.get().state == "proposed"


@succeeds("POST /operations/{operation_id}/clear-failure")
def test_the_message_of_a_failed_cancellation_can_be_cleared(everybody, spread):
    Operation.objects.update(state=STATE.CANCEL_FAILED, reason="It failed.", action="Try again.")
    assert everybody.post(f"{spread}/clear-failure").json()["reason"] == ""


@succeeds("POST /operations/{operation_id}/force")
def test_a_blocked_operation_can_be_forced(everybody, zone, spread):
    walkthrough.replicate(zone, Operation.objects.get())
    walkthrough.step(Operation.objects.get())
    walkthrough.apply(zone, Operation.objects.get())
    walkthrough.sign(zone, Authority.objects.get(state="future"))
    Operation.objects.update(state=STATE.BLOCKED, reason="One lacks it.")
    told = everybody.post(f"{spread}/force").json()
    assert (told["state"], told["forced"]) == ("assigned", True)


# The second path is deprecated.
@succeeds(
    "POST /operations/{operation_id}/continue-without-cross-certificate",
    "POST /operations/{operation_id}/without-bridge",
)
@pytest.mark.parametrize("path", ["continue-without-cross-certificate", "without-bridge"])
def test_preparation_can_continue_without_the_cross_certificate(everybody, remint, path):
    assert everybody.post(f"{remint}/{path}").json()["state"] == "preparing"
    assert Operation.objects.get().parameters["without_cross_certificate"] is True


@refuses(
    "POST /operations/{operation_id}/continue-without-cross-certificate",
    "POST /operations/{operation_id}/without-bridge",
)
@pytest.mark.parametrize("path", ["continue-without-cross-certificate", "without-bridge"])
def test_a_prepared_operation_has_its_cross_certificate(everybody, spread, path):
    result = problem(everybody.post(f"{spread}/{path}"), 409)
    assert "already been prepared" in result["detail"]


def test_deprecated_names_are_accepted_and_returned(everybody, zone, spread):
    assert everybody.post(f"{spread}/cancel").json()["state"] == "canceling"
    for state in ("canceling", "cancelling"):
        items = everybody.get(f"operations?state={state}").json()["items"]
        assert [item["state"] for item in items] == ["canceling"]
    result = everybody.get(spread).json()
    assert result["lacking"] == result["blocking_servers"] == []
    assert (result["asked_act"], result["asked_by"]) == ("", "")
