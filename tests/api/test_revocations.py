"""REST API: revocations."""

import pytest

from certificates.models import Revocation
from tests.api.conftest import problem, refuses, succeeds


@pytest.fixture
def there(everybody, zone):
    certificates = everybody.get(f"servers/{zone.first.id}/certificates").json()["items"]
    return f"servers/{zone.first.id}/certificates/{certificates[0]['id']}/revoke"


@succeeds("POST /servers/{server_id}/certificates/{certificate_id}/revoke", "GET /revocations")
@refuses("POST /servers/{server_id}/certificates/{certificate_id}/revoke")
def test_a_certificate_is_revoked_and_listed(everybody, zone, there):
    problem(everybody.post(there, {"reason": "certificate-hold"}), 422)
    assert everybody.get("revocations").json()["total"] == 0
    revoked = everybody.post(there, {"reason": "superseded"}).json()
    assert (revoked["server_id"], revoked["reason"]) == (zone.first.id, "superseded")
    assert everybody.get("revocations").json()["items"] == [revoked]
    assert revoked["sha256"] == Revocation.objects.get().digest
    problem(everybody.post(there, {"reason": "superseded"}), 409)
