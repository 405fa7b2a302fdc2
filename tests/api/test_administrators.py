"""REST API: administrators, roles, and account rules."""

import re
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from administrators.accounts.roles import ROLES, rights_of
from administrators.api_tokens import tokens
from administrators.models import Administrator, Policies, SecondFactor, roles_of
from administrators.protection import account_macs
from audit.models import Entry
from tests.api.conftest import (
    ADMINISTER,
    CA,
    DEPLOY,
    EVERY_RIGHT,
    METRICS,
    Caller,
    caller,
    problem,
    refuses,
    succeeds,
)
from tests.support import factories

LINK = re.compile(r"^https?://[^/]+/setup-link/#([\w-]{43})$")
PASSWORD = "a sentence of several words"
EVE = {"name": "eve", "email": "eve@acme.example", "roles": ["deployer"]}


@pytest.fixture
def eve(everybody):
    """Create an administrator and return the ID."""
    return everybody.post("administrators", EVE).json()["id"]


@pytest.fixture
def chief(zone):
    """Return a client with the session of a Super Administrator who has just logged in."""
    user, browser = factories.admin("chief"), Client()
    browser.force_login(user)
    session = browser.session
    session["authenticated_at"] = timezone.now().timestamp()
    session.save()
    return Caller(user, client=browser)


@succeeds("POST /administrators")
def test_a_new_administrator_chooses_a_password_with_the_setup_link(everybody):
    response = everybody.post("administrators", EVE)
    assert response.status_code == 201, response.content
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json()["set_up_link"] == response.json()["setup_link"], "deprecated name"
    link = LINK.match(response.json()["setup_link"])[1]
    assert link not in str(list(Entry.objects.values()))
    browser = Client()
    form = {"code": link, "new_password": PASSWORD, "again": PASSWORD}
    assert browser.post("/setup-link/", form).status_code == 302
    assert browser.get("/").status_code == 200
    entry = Entry.objects.get(action="create-administrator")
    assert (entry.actor, entry.session[:6]) == ("everybody", "token ")


@refuses("POST /administrators")
@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"name": "EVERYBODY"}, 409, "name"),
        ({"name": "a b"}, 422, "name"),
        ({"roles": ["emperor"]}, 422, "roles"),
        ({"email": "no address@"}, 422, "email"),
        ({"roles": []}, 422, ""),
        ({"login_method": "smoke"}, 422, ""),
        ({"signs_in": "smoke"}, 422, ""),
        ({"is_superuser": True}, 422, ""),
    ],
)
def test_an_invalid_administrator_is_rejected(everybody, changes, status, field):
    response = problem(everybody.post("administrators", {**EVE, **changes}), status)
    assert not field or response["errors"][0]["field"] == field
    assert not User.objects.filter(username="eve").exists()


# The second name is deprecated.
@pytest.mark.parametrize("name", ["login_method", "signs_in"])
def test_the_login_method_is_stored_and_returned(everybody, name):
    response = everybody.post("administrators", {**EVE, name: "oidc"})
    assert response.status_code == 201, response.content
    shown = everybody.get(f"administrators/{response.json()['id']}").json()
    assert (shown["login_method"], shown["signs_in"]) == ("oidc", "oidc")


@succeeds("GET /administrators", "GET /administrators/{administrator_id}", "GET /roles")
def test_administrators_and_roles_are_listed_with_tokens_and_sessions(everybody, eve):
    found = everybody.get("administrators?q=ev&limit=1").json()
    assert found["total"] == 2
    assert found["items"][0]["name"] == "eve"
    assert found["items"][0]["roles"] == ["deployer"]
    assert everybody.get("administrators?state=deactivated").json()["total"] == 0
    shown = everybody.get(f"administrators/{everybody.user.pk}").json()
    assert (shown["tokens"], shown["sessions"], shown["locked_out"]) == (["test"], 0, False)
    roles = {role["key"]: role["rights"] for role in everybody.get("roles").json()}
    assert ADMINISTER in roles["super-administrator"]
    assert roles["viewer"] == []


@succeeds("PUT /administrators/{administrator_id}/roles")
@refuses("PUT /administrators/{administrator_id}/roles")
def test_roles_are_changed_but_the_last_super_administrator_keeps_the_role(everybody, chief, eve):
    url = f"administrators/{eve}/roles"
    assert everybody.put(url, {"roles": ["viewer"]}).json()["roles"] == ["viewer"]
    changed = chief.put(url, {"roles": ["super-administrator"]}).json()
    assert changed["roles"] == ["super-administrator"]
    own = f"administrators/{chief.user.pk}/roles"
    assert chief.put(url, {"roles": ["viewer"]}).json()["roles"] == ["viewer"]
    problem(chief.put(own, {"roles": ["viewer"]}), 409)
    problem(chief.put(own, {"roles": ["emperor"]}), 422)
    assert User.objects.get(pk=chief.user.pk).is_superuser


GIVING = ("setup-link", "set-up-link", "temporary-password", "reset-second-factor", "activate")


@pytest.mark.parametrize("role", [role.key for role in ROLES if role.rights])
def test_a_token_gives_no_role_beyond_its_rights(zone, role):
    clerk = caller("clerk", *EVERY_RIGHT, METRICS, narrowed=[ADMINISTER])
    said = problem(clerk.post("administrators", {**EVE, "roles": [role]}), 403)
    assert "Nothing was changed" in said["detail"]
    assert said["action"]
    assert not User.objects.filter(username="eve").exists()
    viewer = clerk.post("administrators", {**EVE, "roles": ["viewer"]}).json()["id"]
    problem(clerk.put(f"administrators/{viewer}/roles", {"roles": ["viewer", role]}), 403)
    assert not rights_of(role.key for role in roles_of(User.objects.get(pk=viewer)))


@pytest.mark.parametrize("target", ["super", "other", "itself", "deactivated", "by right"])
@pytest.mark.parametrize("action", GIVING)
def test_a_token_gives_nobody_access_with_more_rights_than_its_own(zone, target, action):
    clerk = caller("clerk", ADMINISTER, DEPLOY, narrowed=[ADMINISTER])
    users = {
        "super": lambda: factories.admin("super"),
        "itself": lambda: clerk.user,
        "by right": lambda: factories.user("other", CA),
    }
    user = users.get(target, lambda: factories.user("other"))()
    if target in ("other", "deactivated"):
        Administrator.objects.create(user=user, roles=["deployer"])
    User.objects.filter(pk=user.pk).update(is_active=target != "deactivated")
    account_macs.stamp(user.pk)
    SecondFactor.objects.create(user=user, encrypted="x", confirmed_at=timezone.now())
    clerk.user.refresh_from_db()
    before = User.objects.get(pk=user.pk)
    said = problem(clerk.post(f"administrators/{user.pk}/{action}"), 403)
    assert "Nothing was changed" in said["detail"]
    problem(clerk.put(f"administrators/{user.pk}/roles", {"roles": ["viewer"]}), 403)
    after = User.objects.get(pk=user.pk)
    assert (before.password, before.is_active) == (after.password, after.is_active)
    assert SecondFactor.objects.filter(user=user).exists()


def test_access_is_taken_away_with_the_administrators_right_alone(zone):
    clerk, other = caller("clerk", ADMINISTER), caller("other", CA)
    url = f"administrators/{other.user.pk}"
    assert clerk.post(f"{url}/revoke-tokens").status_code == 200
    assert clerk.post(f"{url}/deactivate").status_code == 200


def test_only_a_session_with_a_recent_authentication_makes_a_super_administrator(zone, chief, eve):
    body = {**EVE, "name": "second", "roles": ["super-administrator"]}
    rights = [*EVERY_RIGHT, METRICS]
    _token, text = tokens.create_token(chief.user, "full", rights=rights, expires_at=None)
    full = Caller(chief.user, text)
    assert "API token" in problem(full.post("administrators", body), 403)["detail"]
    assert (
        "API token"
        in problem(full.put(f"administrators/{eve}/roles", {"roles": body["roles"]}), 403)["detail"]
    )
    session = chief.client.session
    session["authenticated_at"] = 0
    session.save()
    assert "five minutes" in problem(chief.post("administrators", body), 403)["detail"]
    assert User.objects.filter(is_superuser=True).count() == 1
    session["authenticated_at"] = timezone.now().timestamp()
    session.save()
    assert chief.post("administrators", body).status_code == 201


def test_an_account_with_all_single_rights_is_no_super_administrator(zone, eve):
    browser = Client()
    peer = factories.user("peer", *EVERY_RIGHT, METRICS)
    browser.force_login(peer)
    session = browser.session
    session["authenticated_at"] = timezone.now().timestamp()
    session.save()
    url = f"administrators/{eve}/roles"
    said = problem(Caller(peer, client=browser).put(url, {"roles": ["super-administrator"]}), 403)
    assert "Only a Super Administrator" in said["detail"]
    page = f"/configuration/administrators/{eve}/roles/"
    assert browser.post(page, {"roles": ["super-administrator"]}).status_code in (403, 422)
    assert not User.objects.get(pk=eve).is_superuser


@succeeds(
    "POST /administrators/{administrator_id}/setup-link",
    "POST /administrators/{administrator_id}/set-up-link",
    "POST /administrators/{administrator_id}/temporary-password",
)
@refuses(
    "POST /administrators/{administrator_id}/setup-link",
    "POST /administrators/{administrator_id}/set-up-link",
    "POST /administrators/{administrator_id}/temporary-password",
)
def test_a_setup_link_or_temporary_password_is_returned_for_active_administrators(everybody, eve):
    # The second path is deprecated.
    for name in ("setup-link", "set-up-link"):
        link = everybody.post(f"administrators/{eve}/{name}")
        assert LINK.match(link.json()["setup_link"])
    response = everybody.post(f"administrators/{eve}/temporary-password")
    password = response.json()["temporary_password"]
    assert response.headers["Cache-Control"] == "no-store"
    assert Client().post("/login/", {"username": "eve", "password": password}).status_code == 302
    assert everybody.get(f"administrators/{eve}").json()["must_change_password"] is True
    User.objects.filter(pk=eve).update(is_active=False)
    account_macs.stamp(eve)
    for name in ("setup-link", "set-up-link", "temporary-password"):
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
def test_the_tokens_of_a_deactivated_administrator_are_rejected(everybody, zone):
    other = caller("other")
    assert other.get("me").status_code == 200
    url = f"administrators/{other.user.pk}"
    assert everybody.post(f"{url}/deactivate").json()["active"] is False
    problem(other.get("me"), 401)
    assert everybody.post(f"{url}/activate").json()["active"] is True
    assert other.get("me").status_code == 200
    problem(everybody.post(f"administrators/{everybody.user.pk}/deactivate"), 409)
    for name in ("deactivate", "activate", "end-sessions"):
        problem(everybody.post(f"administrators/{10**6}/{name}"), 404)


@succeeds("POST /administrators/{administrator_id}/unlock")
@refuses("POST /administrators/{administrator_id}/unlock")
def test_a_locked_account_is_unlocked(everybody, zone):
    locked = factories.user("locked")
    locked.set_password(PASSWORD)
    locked.save()
    account_macs.stamp(locked.pk)
    url, form = f"administrators/{locked.pk}", {"username": "locked", "password": PASSWORD}
    problem(everybody.post(f"{url}/unlock"), 409)
    for _ in range(5):
        Client().post("/login/", {"username": "locked", "password": "wrong"})
    assert Client().post("/login/", form).status_code == 429
    assert everybody.get(url).json()["locked_out"] is True
    unlocked = everybody.post(f"{url}/unlock").json()
    assert (unlocked["failures"], unlocked["locked_out"]) == (0, False)
    assert Client().post("/login/", form).status_code == 302
    assert Entry.objects.get(action="unlock-administrator").detail["before"]["failures"] >= 5


def test_old_login_failures_are_not_counted(everybody, zone):
    user = factories.user("locked")
    for _ in range(5):
        Client().post("/login/", {"username": "locked", "password": "wrong"})
    past = timezone.now() - timedelta(minutes=16)
    AccessAttempt.objects.update(attempt_time=past)
    shown = everybody.get(f"administrators/{user.pk}").json()
    assert (shown["failures"], shown["locked_out"]) == (0, False)


@succeeds(
    "POST /administrators/{administrator_id}/end-sessions",
    "POST /administrators/{administrator_id}/revoke-tokens",
)
@refuses("POST /administrators/{administrator_id}/revoke-tokens")
def test_sessions_are_ended_and_tokens_revoked(everybody, zone):
    other, browser = caller("other"), Client()
    browser.force_login(other.user)
    url = f"administrators/{other.user.pk}"
    assert everybody.get(url).json()["sessions"] == 1
    assert everybody.post(f"{url}/end-sessions").json()["sessions"] == 0
    assert browser.get("/").status_code == 302
    assert everybody.post(f"{url}/revoke-tokens").json()["tokens"] == []
    problem(other.get("me"), 401)
    problem(everybody.post(f"{url}/revoke-tokens"), 409)


@succeeds("POST /administrators/{administrator_id}/reset-second-factor")
@refuses("POST /administrators/{administrator_id}/reset-second-factor")
def test_a_lost_second_factor_is_reset(everybody, zone):
    other = factories.user("other")
    url = f"administrators/{other.pk}"
    problem(everybody.post(f"{url}/reset-second-factor"), 409)
    SecondFactor.objects.create(user=other, encrypted="x", confirmed_at=timezone.now())
    assert everybody.get(url).json()["second_factor"] is True
    assert everybody.post(f"{url}/reset-second-factor").json()["second_factor"] is False


@succeeds("POST /rules/refuse-end")
@refuses("POST /rules/refuse-end")
def test_turning_off_approval_is_rejected_or_withdrawn(everybody, zone):
    on = {"requires_second_factor": False, "two_administrators": True}
    second = caller("second", CA)
    everybody.put("rules", on)
    problem(second.post("rules/refuse-end"), 409)
    for by, body, action, note in (
        (second, {"reason": "Not yet."}, "refuse-rules", "Not yet."),
        (everybody, None, "withdraw-rules", ""),
    ):
        everybody.put("rules", {**on, "two_administrators": False})
        shown = by.post("rules/refuse-end", body).json()
        assert (shown["two_administrators"], shown["turn_off_requested_by"]) == (True, "")
        assert Entry.objects.get(action=action).note == note


@succeeds("GET /rules", "PUT /rules", "POST /rules/confirm-end")
@refuses("PUT /rules", "POST /rules/confirm-end")
def test_two_administrator_approval_is_turned_off_by_two_administrators(everybody, zone):
    on = {"requires_second_factor": False, "two_administrators": True}
    response = problem(everybody.put("rules", on), 409)
    assert response["errors"][0]["field"] == "two_administrators"
    second = caller("second", CA)
    assert everybody.put("rules", on).json()["two_administrators"] is True
    problem(second.post("rules/confirm-end"), 409)
    requested = everybody.put("rules", {**on, "two_administrators": False}).json()
    assert (requested["two_administrators"], requested["turn_off_requested_by"]) == (
        True,
        "everybody",
    )
    assert requested["end_asked_by"] == "everybody", "deprecated name"
    assert requested["end_asked_at"] == requested["turn_off_requested_at"] is not None
    problem(everybody.post("rules/confirm-end"), 409)
    assert second.post("rules/confirm-end").json()["two_administrators"] is False
    assert not Policies.objects.get().two_administrators
    shown = everybody.get("rules").json()
    assert (shown["turn_off_requested_by"], shown["end_asked_by"]) == ("", "")


def test_a_token_needs_the_right_even_if_its_user_has_it(everybody):
    narrow = caller("narrow", *EVERY_RIGHT, narrowed=[CA])
    response = problem(narrow.post("administrators", EVE), 403)
    assert "does not have" in response["detail"]
    assert "Administrators" in response["detail"]


def test_a_session_needs_a_recent_authentication(everybody):
    browser = Client()
    browser.force_login(everybody.user)
    client = Caller(everybody.user, client=browser)
    assert "five minutes" in problem(client.post("administrators", EVE), 403)["detail"]
    assert client.get("administrators").status_code == 200
