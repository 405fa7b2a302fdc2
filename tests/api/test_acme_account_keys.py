"""REST API of ACME account keys, and of the certificates of hosts."""

from datetime import datetime, timedelta
from uuid import uuid4

from certificates.models import AcmeAccountKey, AcmeCertificate, Revocation
from tests.api.conftest import problem, refuses, succeeds
from tests.support import factories, hosts, walkthrough

KEYS = "acme-account-keys"
VALUES = {"label": "web", "names": ["*.hosts.example"]}


@succeeds(
    "GET /acme-account-keys",
    "POST /acme-account-keys",
    "POST /acme-account-keys/{account_key_id}/disable",
)
def test_a_key_is_created_listed_and_disabled(everybody, zone):
    created = everybody.post(KEYS, VALUES)
    assert created.status_code == 201, created.content
    found = created.json()
    assert found["hmac_key"]
    assert found["directory"].endswith("/acme/directory")
    listed = everybody.get(KEYS).json()["items"][0]
    assert (listed["key_id"], listed["accounts"]) == (found["key_id"], 0)
    assert "hmac_key" not in listed
    end = datetime.fromisoformat(listed["expires_at"])
    assert abs(end - factories.now() - timedelta(days=7)) < timedelta(minutes=5)
    assert everybody.post(KEYS, {**VALUES, "expires_at": None}).status_code == 201
    assert everybody.get(KEYS).json()["items"][0]["expires_at"] is None
    disabled = everybody.post(f"{KEYS}/{found['id']}/disable", {}).json()
    assert disabled["disabled_at"]


@refuses("POST /acme-account-keys", "POST /acme-account-keys/{account_key_id}/disable")
def test_wrong_values_are_rejected(everybody, zone):
    response = everybody.post(KEYS, {**VALUES, "names": ["*.com"]})
    assert problem(response, 422)
    past = (factories.now() - timedelta(days=1)).isoformat()
    assert problem(everybody.post(KEYS, {**VALUES, "expires_at": past}), 422)
    assert problem(everybody.post(f"{KEYS}/999/disable", {}), 404)
    assert not AcmeAccountKey.objects.exists()


@succeeds("GET /operations/{operation_id}/hosts-at-risk")
@refuses("GET /operations/{operation_id}/hosts-at-risk")
def test_hosts_at_risk_are_those_of_an_operation(everybody, zone):
    operation = walkthrough.remint_ca(activates_at=walkthrough.soon(hours=20))
    found = everybody.get(f"operations/{operation.pk}/hosts-at-risk")
    assert (found.status_code, found.json()["items"]) == (200, [])
    assert problem(everybody.get(f"operations/{uuid4()}/hosts-at-risk"), 404)


@succeeds("GET /host-certificates", "POST /host-certificates/{host_certificate_id}/revoke")
@refuses("POST /host-certificates/{host_certificate_id}/revoke")
def test_the_certificate_of_a_host_is_revoked(everybody, zone):
    row = hosts.issue("web.hosts.example")
    hosts.issue("db.hosts.example")
    (listed,) = everybody.get("host-certificates?q=web.hosts").json()["items"]
    assert (listed["id"], listed["sha256"]) == (str(row.pk), row.digest)
    assert (listed["names"], listed["is_revoked"]) == (["web.hosts.example"], False)
    there = f"host-certificates/{row.pk}/revoke"
    problem(everybody.post(there, {"reason": "certificate-hold"}), 422)
    revoked = everybody.post(there, {"reason": "key-compromise"}).json()
    assert (revoked["server_id"], revoked["subject"]) == (None, "web.hosts.example")
    assert revoked["revoked_by"] == everybody.user.get_username()
    assert Revocation.objects.get().digest == row.digest
    assert everybody.get("host-certificates?q=web.hosts").json()["items"][0]["is_revoked"]
    problem(everybody.post(there, {"reason": "superseded"}), 409)


@refuses("POST /host-certificates/{host_certificate_id}/revoke")
def test_an_expired_certificate_of_a_host_is_not_revoked(everybody, zone):
    row = hosts.issue("web.hosts.example")
    AcmeCertificate.objects.update(not_after=factories.now())
    problem(everybody.post(f"host-certificates/{row.pk}/revoke", {"reason": "superseded"}), 409)
    assert not Revocation.objects.exists()
