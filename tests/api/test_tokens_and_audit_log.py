"""REST API: API tokens, the audit log, the current user, and invalid requests."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from administrators.api_tokens import tokens
from audit.models import Entry
from console.models import ApiToken
from faults import Forbidden
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


def make_child(parent, name, **more):
    body = {"name": name, "rights": [], "expires_at": soon(hours=1), **more}
    made = parent.post("tokens", body).json()
    return Caller(parent.user, made["token"]), made


def test_a_token_is_revoked_together_with_the_one_it_was_created_with(everybody):
    parent, first = make_child(everybody, "parent", expires_at=soon(hours=2))
    child, second = make_child(parent, "child")
    grandchild, third = make_child(child, "grandchild", expires_at=soon(minutes=5))
    assert [second["parent"], third["parent"]] == [first["id"], second["id"]]
    listed = {item["name"]: item["parent"] for item in everybody.get("tokens").json()["items"]}
    assert listed["grandchild"] == second["id"]
    assert everybody.post(f"tokens/{first['id']}/revoke").status_code == 200
    for one in (parent, child, grandchild):
        problem(one.get("me"), 401)
    assert everybody.get("me").status_code == 200
    assert Entry.objects.filter(action="revoke-api-token").count() == 3


def test_a_token_revokes_itself_and_its_children_but_no_other(everybody):
    left, one = make_child(everybody, "left")
    right, two = make_child(everybody, "right")
    own = ApiToken.objects.get(name="test").pk
    for number in (two["id"], own):
        said = problem(left.post(f"tokens/{number}/revoke"), 403)
        assert "Nothing was changed" in said["detail"]
        assert "API Tokens page" in said["action"]
    assert right.get("me").status_code == everybody.get("me").status_code == 200
    _child, three = make_child(left, "child", expires_at=soon(minutes=5))
    assert left.post(f"tokens/{three['id']}/revoke").status_code == 200
    assert left.post(f"tokens/{one['id']}/revoke").status_code == 200
    problem(left.get("me"), 401)


def test_a_session_revokes_each_token_of_its_user(everybody):
    _child, made = make_child(everybody, "child")
    browser = Client()
    browser.force_login(everybody.user)
    session = Caller(everybody.user, client=browser)
    assert session.post(f"tokens/{made['id']}/revoke").status_code == 200


def test_a_revoked_token_creates_none(everybody):
    parent = ApiToken.objects.get(name="test")
    tokens.revoke_token(everybody.user, parent.pk, now=timezone.now())
    with pytest.raises(Forbidden, match="has been revoked"):
        tokens.create_token(everybody.user, "late", rights=[], expires_at=None, parent=parent)


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
