"""REST API of health checks.

See: D-185
"""

from certificates.models import Authority, HealthAcceptance
from tests.api.conftest import problem, refuses, succeeds

CHECKS = "health-checks"
BACKUP = f"{CHECKS}/ca-backup/acceptances"


def find(everybody, key):
    return next(check for check in everybody.get(CHECKS).json() if check["key"] == key)


@succeeds(
    "GET /health-checks",
    "POST /health-checks/{check_key}/acceptances",
    "DELETE /health-check-acceptances/{acceptance_id}",
)
def test_a_finding_is_accepted_and_the_acceptance_withdrawn(everybody):
    ca = Authority.objects.current()
    check = find(everybody, "ca-backup")
    (finding,) = check["findings"]
    assert (check["passed"], finding["subject"]) == (False, ca.sha256)
    assert finding["acceptance"] is None
    body = {"subject": finding["subject"], "reason": "The key is in the safe."}
    response = everybody.post(BACKUP, body)
    assert response.status_code == 201, response.content
    check = find(everybody, "ca-backup")
    assert check["passed"]
    assert check["findings"][0]["acceptance"] == response.json()
    url = f"health-check-acceptances/{response.json()['id']}"
    assert everybody.delete(url).status_code == 204
    problem(everybody.delete(url), 404)
    assert not find(everybody, "ca-backup")["passed"]


@refuses(
    "POST /health-checks/{check_key}/acceptances",
    "DELETE /health-check-acceptances/{acceptance_id}",
)
def test_nothing_is_accepted_without_a_reason_or_for_a_fault(everybody):
    problem(everybody.post(BACKUP, {"subject": Authority.objects.current().sha256}), 422)
    problem(everybody.post(f"{CHECKS}/disk/acceptances", {"reason": "no matter"}), 409)
    problem(everybody.post(f"{CHECKS}/unknown/acceptances", {"reason": "no matter"}), 404)
    problem(everybody.delete("health-check-acceptances/1"), 404)
    assert not HealthAcceptance.objects.exists()
