"""REST API: readiness policy, devices at risk, retry, rollback, report, previous certificates."""

import base64
import json

import pytest

from certificates.models import Authority, FutureCertificate, Operation
from certificates.operations.states import FutureState, OperationState
from devices.models import Zone
from tests.api.conftest import problem, refuses, succeeds
from tests.support import factories, walkthrough
from wire import metadata
from wire.envelope import Envelope, PublicKeys


@pytest.fixture
def running(zone):
    """A Remint CA operation that every host has applied."""
    walkthrough.remint_ca()
    walkthrough.prepare(zone, Operation.objects.get())
    operation = walkthrough.step(Operation.objects.get())
    walkthrough.apply(zone, operation)
    return operation


@succeeds("GET /readiness-policy", "PUT /readiness-policy")
@refuses("PUT /readiness-policy")
def test_the_readiness_policy_can_be_set(everybody):
    order = {"servers": True, "percent": 90, "days": 14}
    assert everybody.put("readiness-policy", order).json() == order
    for wrong in ({"percent": 101}, {"percent": -1}, {"days": 0}, {"days": 366}, {"servers": None}):
        problem(everybody.put("readiness-policy", {**order, **wrong}), 422)
    assert everybody.get("readiness-policy").json() == order


@succeeds("GET /operations/{operation_id}/rollout")
def test_devices_at_risk_are_listed_with_the_reason(everybody, zone, running):
    zone.join("pc-1")
    result = everybody.get(f"operations/{running.pk}/rollout").json()
    assert result["total"] == 2
    assert sum(result["counts"].values()) == 2
    at_risk = everybody.get(f"operations/{running.pk}/rollout?why=at-risk").json()["items"]
    assert "pc-1" in [one["name"] for one in at_risk]
    assert all(one["why"] for one in at_risk)


@succeeds("POST /operations/{operation_id}/report")
def test_a_report_is_signed_with_the_zone_key(everybody, running):
    signed = Envelope(**everybody.post(f"operations/{running.pk}/report").json())
    result = json.loads(
        signed.verify(PublicKeys(Zone.objects.get_zone().public_key), metadata.REPORT)
    )
    assert result["id"] == str(running.pk)
    assert base64.b64decode(signed.signature)


def test_a_report_and_the_operation_name_the_hosts_at_risk(everybody, running):
    factories.acme_certificate("a.hosts.example", running.authority)
    factories.acme_certificate("b.hosts.example", running.future_authority)
    shown = everybody.get(f"operations/{running.pk}").json()
    assert shown["hosts"] == {"total": 2, "ready": 1, "at_risk": 1}
    signed = Envelope(**everybody.post(f"operations/{running.pk}/report").json())
    result = json.loads(
        signed.verify(PublicKeys(Zone.objects.get_zone().public_key), metadata.REPORT)
    )
    states = {host["name"]: host["state"] for host in result["hosts"]}
    assert states == {"a.hosts.example": "at-risk", "b.hosts.example": "ready"}
    numbers = {key: n for key, n in result["counts"].items() if key.startswith("hosts_")}
    assert numbers == {"hosts_total": 2, "hosts_ready": 1, "hosts_at_risk": 1}
    roots = {root["authority_id"]: root["hosts"] for root in everybody.get("trust").json()["roots"]}
    assert roots[str(running.authority_id)] == 1


@succeeds("POST /authorities/{authority_id}/key-record")
def test_a_record_of_a_ca_key_is_signed_with_the_zone_key(everybody, zone):
    authority = Authority.objects.current()
    signed = Envelope(**everybody.post(f"authorities/{authority.pk}/key-record").json())
    result = json.loads(
        signed.verify(PublicKeys(Zone.objects.get_zone().public_key), metadata.KEY_RECORD)
    )
    assert result["id"] == str(authority.pk)
    assert [action["action"] for action in result["actions"]] == ["created"]


@succeeds("POST /operations/{operation_id}/roll-back")
@refuses("POST /operations/{operation_id}/roll-back")
def test_an_operation_can_be_rolled_back_after_activation(everybody, zone, running):
    there = f"operations/{running.pk}/roll-back"
    result = problem(everybody.post(there), 409)
    assert "activated" in result["detail"]
    walkthrough.sign(zone, Authority.objects.get(state="future"))
    walkthrough.cut_over(zone, running)
    assert everybody.post(there).json()["state"] in ("rolling-back", "rolled-back")


@succeeds("POST /operations/{operation_id}/try-again")
@refuses("POST /operations/{operation_id}/try-again")
def test_a_failed_preparation_can_be_retried(everybody, zone):
    operation = walkthrough.remint_ca()
    there = f"operations/{operation.pk}/try-again"
    problem(everybody.post(there), 409)
    Operation.objects.update(state=OperationState.FAILED, reason="The key vault cannot be read.")
    result = everybody.post(there).json()
    assert (result["state"], result["reason"]) == ("preparing", "")


@succeeds("POST /servers/{server_id}/try-again")
@refuses("POST /servers/{server_id}/try-again")
def test_a_failed_server_certificate_can_be_retried(everybody, zone, running):
    there = f"servers/{zone.first.id}/try-again"
    problem(everybody.post(there), 409)
    FutureCertificate.objects.update(state=FutureState.CREATE_FAILED, reason="The key is weak.")
    assert everybody.post(there).json()["future"]["state"] == "awaited"


@succeeds(
    "GET /servers/{server_id}/certificates",
    "GET /servers/{server_id}/certificates/{certificate_id}",
)
def test_previous_certificates_of_a_server_are_listed_and_downloaded(everybody, zone, running):
    walkthrough.sign(zone, Authority.objects.get(state="future"))
    walkthrough.cut_over(zone, running)
    there = f"servers/{zone.first.id}/certificates"
    new, old = everybody.get(there).json()["items"]
    assert new["superseded_at"] is None
    assert old["superseded_at"]
    file = everybody.get(f"{there}/{old['id']}")
    assert file.content.startswith(b"-----BEGIN CERTIFICATE-----")
    pc = zone.join("pc-1")
    problem(everybody.get(f"servers/{pc.id}/certificates/{old['id']}"), 404)
