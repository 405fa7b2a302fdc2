"""REST API of ACME account keys."""

from datetime import datetime, timedelta
from uuid import uuid4

from certificates.models import AcmeAccountKey
from tests.api.conftest import problem, refuses, succeeds
from tests.support import factories, walkthrough

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
