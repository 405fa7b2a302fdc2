"""Administrators, roles and rules in the REST API (B-20, B-21, B-29, D-32)."""

import re
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from administrators.models import Policies
from audit.models import Entry
from tests.api.conftest import (
    ADMINISTER,
    CA,
    EVERY_RIGHT,
    Caller,
    caller,
    problem,
    refuses,
    succeeds,
)
from tests.support import factories

LINK = re.compile(r"^https?://[^/]+(/setup-link/[\w-]{43}/)$")
PASSWORD = "a sentence of several words"
EVE = {"name": "eve", "email": "eve@acme.example", "roles": ["deployer"]}


@pytest.fixture
def eve(everybody):
    """An administrator who was just let in; returns the number."""
    return everybody.post("administrators", EVE).json()["id"]


@succeeds("POST /administrators")
def test_whoever_is_let_in_by_a_program_chooses_a_password_by_the_link(everybody):
    answer = everybody.post("administrators", EVE)
    assert answer.status_code == 201, answer.content
    assert answer.headers["Cache-Control"] == "no-store"
    link = LINK.match(answer.json()["set_up_link"])[1]
    assert link.split("/")[2] not in str(list(Entry.objects.values()))
    browser = Client()
    given = {"new_password": PASSWORD, "again": PASSWORD}
    assert browser.post(link, given).status_code == 302
    assert browser.get("/").status_code == 200
    line = Entry.objects.get(action="create-administrator")
    assert (line.actor, line.session[:6]) == ("everybody", "token ")


@refuses("POST /administrators")
@pytest.mark.parametrize(
    ("given", "status", "field"),
    [
        ({"name": "EVERYBODY"}, 409, "name"),
        ({"name": "a b"}, 422, "name"),
        ({"roles": ["emperor"]}, 422, "roles"),
        ({"email": "no address@"}, 422, "email"),
        ({"roles": []}, 422, ""),
        ({"signs_in": "smoke"}, 422, ""),
        ({"is_superuser": True}, 422, ""),
    ],
)
def test_who_cannot_be_an_administrator_is_refused(everybody, given, status, field):
    told = problem(everybody.post("administrators", {**EVE, **given}), status)
    assert not field or told["errors"][0]["field"] == field
    assert not User.objects.filter(username="eve").exists()


@succeeds("GET /administrators", "GET /administrators/{administrator_id}", "GET /roles")
def test_administrators_and_roles_are_listed_with_what_is_open(everybody, eve):
    found = everybody.get("administrators?q=ev&limit=1").json()
    assert found["total"] == 2
    assert found["items"][0]["name"] == "eve"
    assert found["items"][0]["roles"] == ["deployer"]
    assert everybody.get("administrators?state=deactivated").json()["total"] == 0
    told = everybody.get(f"administrators/{everybody.user.pk}").json()
    assert (told["tokens"], told["sessions"], told["locked_out"]) == (["test"], 0, False)
    roles = {role["key"]: role["rights"] for role in everybody.get("roles").json()}
    assert ADMINISTER in roles["super-administrator"]
    assert roles["viewer"] == []


@succeeds("PUT /administrators/{administrator_id}/roles")
@refuses("PUT /administrators/{administrator_id}/roles")
def test_roles_are_changed_and_the_last_super_administrator_stays_one(everybody, eve):
    there = f"administrators/{eve}/roles"
    told = everybody.put(there, {"roles": ["super-administrator"]}).json()
    assert told["roles"] == ["super-administrator"]
    problem(everybody.put(there, {"roles": ["viewer"]}), 409)
    problem(everybody.put(there, {"roles": ["emperor"]}), 422)
    assert User.objects.get(pk=eve).is_superuser


@succeeds(
    "POST /administrators/{administrator_id}/set-up-link",
    "POST /administrators/{administrator_id}/temporary-password",
)
@refuses(
    "POST /administrators/{administrator_id}/set-up-link",
    "POST /administrators/{administrator_id}/temporary-password",
)
def test_a_link_or_a_password_is_handed_out_once_to_whoever_may_log_in(everybody, eve):
    link = everybody.post(f"administrators/{eve}/set-up-link")
    assert LINK.match(link.json()["set_up_link"])
    answer = everybody.post(f"administrators/{eve}/temporary-password")
    password = answer.json()["temporary_password"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert Client().post("/login/", {"username": "eve", "password": password}).status_code == 302
    assert everybody.get(f"administrators/{eve}").json()["must_change_password"] is True
    User.objects.filter(pk=eve).update(is_active=False)
    for name in ("set-up-link", "temporary-password"):
        assert "Activate" in problem(everybody.post(f"administrators/{eve}/{name}"), 409)["action"]


@succeeds(
    "POST /administrators/{administrator_id}/deactivate",
    "POST /administrators/{administrator_id}/activate",
)
@refuses(
    "POST /administrators/{administrator_id}/deactivate",
    "POST /administrators/{administrator_id}/activate",
    "POST /administrators/{administrator_id}/end-sessions",
)
def test_a_deactivated_administrators_token_opens_nothing(everybody, zone):
    other = caller("other")
    assert other.get("me").status_code == 200
    there = f"administrators/{other.user.pk}"
    assert everybody.post(f"{there}/deactivate").json()["active"] is False
    problem(other.get("me"), 401)
    assert everybody.post(f"{there}/activate").json()["active"] is True
    assert other.get("me").status_code == 200
    problem(everybody.post(f"administrators/{everybody.user.pk}/deactivate"), 409)
    for name in ("deactivate", "activate", "end-sessions"):
        problem(everybody.post(f"administrators/{10**6}/{name}"), 404)


@succeeds("POST /administrators/{administrator_id}/unlock")
@refuses("POST /administrators/{administrator_id}/unlock")
def test_a_lock_out_is_ended(everybody, zone):
    locked = factories.user("locked")
    locked.set_password(PASSWORD)
    locked.save()
    there, right = f"administrators/{locked.pk}", {"username": "locked", "password": PASSWORD}
    problem(everybody.post(f"{there}/unlock"), 409)
    for _ in range(5):
        Client().post("/login/", {"username": "locked", "password": "wrong"})
    assert Client().post("/login/", right).status_code == 429
    assert everybody.get(there).json()["locked_out"] is True
    told = everybody.post(f"{there}/unlock").json()
    assert (told["failures"], told["locked_out"]) == (0, False)
    assert Client().post("/login/", right).status_code == 302
    assert Entry.objects.get(action="unlock-administrator").detail["before"]["failures"] >= 5


def test_failures_that_are_past_their_time_count_no_more(everybody, zone):
    person = factories.user("locked")
    for _ in range(5):
        Client().post("/login/", {"username": "locked", "password": "wrong"})
    past = timezone.now() - timedelta(minutes=16)
    AccessAttempt.objects.update(attempt_time=past)
    told = everybody.get(f"administrators/{person.pk}").json()
    assert (told["failures"], told["locked_out"]) == (0, False)


@succeeds(
    "POST /administrators/{administrator_id}/end-sessions",
    "POST /administrators/{administrator_id}/revoke-tokens",
)
@refuses("POST /administrators/{administrator_id}/revoke-tokens")
def test_sessions_and_tokens_of_somebody_end(everybody, zone):
    other, browser = caller("other"), Client()
    browser.force_login(other.user)
    there = f"administrators/{other.user.pk}"
    assert everybody.get(there).json()["sessions"] == 1
    assert everybody.post(f"{there}/end-sessions").json()["sessions"] == 0
    assert browser.get("/").status_code == 302
    assert everybody.post(f"{there}/revoke-tokens").json()["tokens"] == []
    problem(other.get("me"), 401)
    problem(everybody.post(f"{there}/revoke-tokens"), 409)


@succeeds("POST /administrators/{administrator_id}/reset-second-factor")
@refuses("POST /administrators/{administrator_id}/reset-second-factor")
def test_a_lost_second_factor_is_taken_away(everybody, zone):
    from administrators.models import SecondFactor

    other = factories.user("other")
    there = f"administrators/{other.pk}"
    problem(everybody.post(f"{there}/reset-second-factor"), 409)
    SecondFactor.objects.create(user=other, sealed="x", confirmed_at=timezone.now())
    assert everybody.get(there).json()["second_factor"] is True
    assert everybody.post(f"{there}/reset-second-factor").json()["second_factor"] is False


@succeeds("GET /rules", "PUT /rules", "POST /rules/confirm-end")
@refuses("PUT /rules", "POST /rules/confirm-end")
def test_the_rule_of_two_is_ended_by_two_programs_alone(everybody, zone):
    on = {"requires_second_factor": False, "two_administrators": True}
    told = problem(everybody.put("rules", on), 409)
    assert told["errors"][0]["field"] == "two_administrators"
    second = caller("second", CA)
    assert everybody.put("rules", on).json()["two_administrators"] is True
    problem(second.post("rules/confirm-end"), 409)
    asked = everybody.put("rules", {**on, "two_administrators": False}).json()
    assert (asked["two_administrators"], asked["end_asked_by"]) == (True, "everybody")
    problem(everybody.post("rules/confirm-end"), 409)
    assert second.post("rules/confirm-end").json()["two_administrators"] is False
    assert not Policies.objects.get().two_administrators
    assert everybody.get("rules").json()["end_asked_by"] == ""


def test_a_token_without_the_right_administers_nobody_though_its_user_may(everybody):
    narrow = caller("narrow", *EVERY_RIGHT, narrowed=[CA])
    told = problem(narrow.post("administrators", EVE), 403)
    assert "lacks the right" in told["detail"]


def test_a_session_needs_a_fresh_proof_of_the_password(everybody):
    browser = Client()
    browser.force_login(everybody.user)
    person = Caller(everybody.user, client=browser)
    assert "five minutes" in problem(person.post("administrators", EVE), 403)["detail"]
    assert person.get("administrators").status_code == 200
