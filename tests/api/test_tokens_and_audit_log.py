"""REST API: API tokens, the audit log, the current user, and invalid requests."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import Entry
from console.models import ApiToken
from tests.api.conftest import AUDIT, CA, Caller, caller, problem, refuses, succeeds


def soon(**span):
    return (timezone.now() + timedelta(**(span or {"days": 1}))).isoformat()


@succeeds("GET /audit-entries", "GET /audit-entries/{seq}")
def test_the_audit_log_names_the_token_of_each_action(everybody):
    everybody.post("registration-keys", {"label": "branch"})
    found = everybody.get("audit-entries?actor=everybody&limit=1").json()
    entry = found["items"][0]
    assert entry["session"].startswith("token ")
    assert everybody.get(f"audit-entries/{entry['seq']}").json() == entry
    before = everybody.get(f"audit-entries/{entry['seq'] - 1}").json()
    assert entry["previous"] == before["digest"]


@refuses("GET /audit-entries", "GET /audit-entries/{seq}")
def test_unknown_entries_and_invalid_filters_are_rejected(everybody):
    problem(everybody.get("audit-entries?since=yesterday"), 422)
    problem(everybody.get("audit-entries?since=2026-01-01T00:00:00"), 422)
    problem(everybody.get(f"audit-entries/{Entry.objects.count() + 5}"), 404)
    for method in ("PUT", "DELETE", "PATCH", "POST"):
        problem(everybody.call(method, "audit-entries/1"), 405)


@succeeds("GET /me")
def test_the_current_user_and_rights_are_returned(everybody):
    response = everybody.get("me").json()
    assert (response["username"], response["token"]) == ("everybody", "test")
    assert CA in response["rights"]
    narrow = caller("reader", CA, narrowed=[])
    assert narrow.get("me").json()["rights"] == []


@succeeds("GET /tokens", "POST /tokens", "POST /tokens/{token_id}/revoke")
def test_a_token_is_created_used_listed_and_revoked(everybody):
    body = {"name": "nightly", "rights": [AUDIT], "expires_at": soon()}
    response = everybody.post("tokens", body)
    assert response.status_code == 201, response.content
    created = Caller(everybody.user, response.json()["token"])
    assert created.get("me").json()["rights"] == [AUDIT]
    listed = everybody.get("tokens")
    assert created.text not in listed.content.decode()
    number = next(item["id"] for item in listed.json()["items"] if item["name"] == "nightly")
    assert everybody.post(f"tokens/{number}/revoke").status_code == 200
    response = problem(created.get("me"), 401)
    assert "expired, or revoked" in response["detail"]


@refuses("POST /tokens", "POST /tokens/{token_id}/revoke")
def test_a_token_cannot_create_one_with_more_rights_or_a_later_expiration(everybody):
    response = everybody.post(
        "tokens", {"name": "narrow", "rights": [AUDIT], "expires_at": soon(hours=1)}
    )
    narrow = Caller(everybody.user, response.json()["token"])
    for body in (
        {"name": "a", "rights": [CA], "expires_at": soon(minutes=5)},
        {"name": "b", "rights": [], "expires_at": soon(hours=2)},
        {"name": "c", "rights": ["auth.add_user"], "expires_at": soon(minutes=5)},
    ):
        problem(narrow.post("tokens", body), 403)
    problem(narrow.post("tokens", {"name": "d", "expires_at": soon(minutes=-1)}), 422)
    duplicate = {"name": "narrow", "expires_at": soon(minutes=1)}
    assert problem(narrow.post("tokens", duplicate), 409)["errors"][0]["field"] == "name"
    assert ApiToken.objects.count() == 2
    other = caller("other")
    problem(other.post(f"tokens/{ApiToken.objects.get(name='narrow').pk}/revoke"), 404)


@pytest.mark.parametrize("text", ["", "zcct_", "zcct_wrong", "Basic", "zcct_" + "x" * 5000])
def test_an_invalid_token_is_rejected(zone, text):
    response = problem(Caller(None, text or "zcct_").get("zone"), 401)
    assert "invalid, expired, or revoked" in response["detail"]


def test_a_token_cannot_open_pages(everybody):
    response = everybody.client.get("/", HTTP_AUTHORIZATION=f"Bearer {everybody.text}")
    assert response.status_code == 302


def test_a_session_needs_the_csrf_token_to_change_something(everybody):
    everybody.client.force_login(everybody.user)
    everybody.text = ""
    assert everybody.get("zone").status_code == 200
    response = problem(everybody.patch("zone", {"refresh_seconds": 90}), 403)
    assert "CSRF" in response["detail"]


def test_a_body_that_is_too_large_is_rejected(everybody):
    problem(everybody.post("tokens", {"name": "x" * (1 << 20)}), 413)


@pytest.mark.parametrize("path", ["nowhere", "devices/", "zone/x", "operations/1/2/3"])
def test_an_unknown_path_returns_a_problem_document(everybody, path):
    problem(everybody.get(path), 404)
