"""The audit log, tokens and who the caller is, in the REST API (S-40, S-44)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import Entry
from console.models import ApiToken
from tests.api.conftest import AUDIT, CA, Caller, caller, problem, refuses, succeeds


def soon(**span):
    return (timezone.now() + timedelta(**(span or {"days": 1}))).isoformat()


@succeeds("GET /audit-entries", "GET /audit-entries/{seq}")
def test_what_a_program_does_is_in_the_ledger_under_its_token(everybody):
    everybody.post("registration-keys", {"label": "by-a-program"})
    found = everybody.get("audit-entries?actor=everybody&limit=1").json()
    entry = found["items"][0]
    assert entry["session"].startswith("token ")
    assert everybody.get(f"audit-entries/{entry['seq']}").json() == entry
    before = everybody.get(f"audit-entries/{entry['seq'] - 1}").json()
    assert entry["previous"] == before["digest"]


@refuses("GET /audit-entries", "GET /audit-entries/{seq}")
def test_entries_that_are_not_there_or_not_askable(everybody):
    problem(everybody.get("audit-entries?since=yesterday"), 422)
    problem(everybody.get("audit-entries?since=2026-01-01T00:00:00"), 422)
    problem(everybody.get(f"audit-entries/{Entry.objects.count() + 5}"), 404)
    for method in ("PUT", "DELETE", "PATCH", "POST"):
        problem(everybody.call(method, "audit-entries/1"), 405)


@succeeds("GET /me")
def test_a_caller_learns_who_it_is(everybody):
    told = everybody.get("me").json()
    assert (told["username"], told["token"]) == ("everybody", "test")
    assert CA in told["rights"]
    narrow = caller("reader", CA, narrowed=[])
    assert narrow.get("me").json()["rights"] == []


@succeeds("GET /tokens", "POST /tokens", "POST /tokens/{token_id}/revoke")
def test_a_token_is_made_works_is_listed_and_revoked(everybody):
    order = {"name": "nightly", "rights": [AUDIT], "expires_at": soon()}
    answer = everybody.post("tokens", order)
    assert answer.status_code == 201, answer.content
    made = Caller(everybody.user, answer.json()["token"])
    assert made.get("me").json()["rights"] == [AUDIT]
    listed = everybody.get("tokens")
    assert made.text not in listed.content.decode()
    number = next(one["id"] for one in listed.json()["items"] if one["name"] == "nightly")
    assert everybody.post(f"tokens/{number}/revoke").status_code == 200
    told = problem(made.get("me"), 401)
    assert "expired or revoked" in told["detail"]


@refuses("POST /tokens", "POST /tokens/{token_id}/revoke")
def test_a_token_makes_none_that_can_do_more_or_lives_longer(everybody):
    answer = everybody.post(
        "tokens", {"name": "narrow", "rights": [AUDIT], "expires_at": soon(hours=1)}
    )
    narrow = Caller(everybody.user, answer.json()["token"])
    for order in (
        {"name": "a", "rights": [CA], "expires_at": soon(minutes=5)},
        {"name": "b", "rights": [], "expires_at": soon(hours=2)},
        {"name": "c", "rights": ["auth.add_user"], "expires_at": soon(minutes=5)},
    ):
        problem(narrow.post("tokens", order), 403)
    problem(narrow.post("tokens", {"name": "d", "expires_at": soon(minutes=-1)}), 422)
    told = problem(narrow.post("tokens", {"name": "narrow", "expires_at": soon(minutes=1)}), 409)
    assert told["errors"][0]["field"] == "name"
    assert ApiToken.objects.count() == 2
    other = caller("other")
    problem(other.post(f"tokens/{ApiToken.objects.get(name='narrow').pk}/revoke"), 404)


@pytest.mark.parametrize("text", ["", "zcct_", "zcct_wrong", "Basic", "zcct_" + "x" * 5000])
def test_a_wrong_token_opens_nothing(zone, text):
    told = problem(Caller(None, text or "zcct_").get("zone"), 401)
    assert "wrong, expired or revoked" in told["detail"]


def test_a_token_opens_no_page(everybody):
    there = everybody.client.get("/", HTTP_AUTHORIZATION=f"Bearer {everybody.text}")
    assert there.status_code == 302


def test_a_session_needs_the_csrf_token_to_change_something(everybody):
    everybody.client.force_login(everybody.user)
    everybody.text = ""
    assert everybody.get("zone").status_code == 200
    told = problem(everybody.patch("zone", {"refresh_seconds": 90}), 403)
    assert "CSRF" in told["detail"]


def test_a_body_that_is_too_large_is_refused_before_it_is_read(everybody):
    problem(everybody.post("tokens", {"name": "x" * (1 << 20)}), 413)


@pytest.mark.parametrize("path", ["nowhere", "devices/", "zone/x", "operations/1/2/3"])
def test_an_address_that_leads_nowhere_is_a_problem(everybody, path):
    problem(everybody.get(path), 404)
