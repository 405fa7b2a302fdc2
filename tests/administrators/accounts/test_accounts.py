"""Administrators: who is let in, in which roles, and what is done to them (D-32, S-81, S-83)."""

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from administrators.accounts import accounts, setup_links
from administrators.accounts.roles import RIGHTS, ROLES, SUPER
from administrators.api_tokens import tokens
from administrators.login import second_factor
from administrators.models import Administrator, SetupLink, roles_of
from audit.models import Entry
from console.models import ApiToken
from faults import Refused
from tests.support import factories

pytestmark = pytest.mark.django_db
PAGE = "/configuration/administrators/"
LINK = re.compile(r"/setup-link/#([\w-]{43})\b")
CA, DEPLOY = "certificates.certificate_authority", "systemupdates.deploy_update"


@pytest.fixture
def chief(zone):
    return factories.admin("chief")


@pytest.fixture
def client(chief, enter):
    return enter(chief)


def create(client, name="eve", roles=("deployer",), **more):
    return client.post(f"{PAGE}create/", {"name": name, "roles": list(roles), **more})


def log_in(name, password):
    client = Client()
    return client, client.post("/login/", {"username": name, "password": password})


def set_up(text, password="a sentence of several words", again=None):
    client = Client()
    given = {"code": text, "new_password": password, "again": again or password}
    return client, client.post("/setup-link/", given)


def test_a_new_administrator_gets_a_link_that_is_shown_once(client):
    response = create(client, email="eve@acme.example")
    assert response.headers["Cache-Control"] == "no-store"
    text = LINK.search(response.content.decode())[1]
    kept = str(list(SetupLink.objects.values()) + list(Entry.objects.values()))
    assert text not in kept
    eve, answer = set_up(text)
    assert answer.status_code == 302
    assert eve.get("/").status_code == 200, "the link has logged them in"
    assert set_up(text)[1].status_code == 404, "and opens nothing twice"
    assert log_in("eve", "a sentence of several words")[1].status_code == 302


@pytest.mark.parametrize("old", ["/setup-link/{}/", "/set-up/{}/"])
def test_an_old_link_leads_to_the_page_with_its_code_behind_the_hash(chief, old):
    _user, text = accounts.create_administrator(
        accounts.NewAdministrator("eve", "", ["viewer"]), by="chief", now=timezone.now()
    )
    answer = Client().get(old.format(text))
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/setup-link/#{text}"


@pytest.mark.parametrize("entered", ["{}", " {}\n", "https://console.example/setup-link/#{}"])
def test_the_code_or_the_whole_link_can_be_pasted(chief, entered):
    """Without JavaScript, the page asks for the code that is behind the hash of the link."""
    _user, text = accounts.create_administrator(
        accounts.NewAdministrator("eve", "", ["viewer"]), by="chief", now=timezone.now()
    )
    browser = Client()
    page = browser.get("/setup-link/")
    assert page.status_code == 200
    assert 'name="code"' in page.content.decode()
    shown = browser.post("/setup-link/", {"code": entered.format(text)})
    assert shown.status_code == 200
    assert shown.headers["Cache-Control"].count("no-store") == 1
    assert "eve" in shown.content.decode()
    assert 'name="new_password"' in shown.content.decode()
    assert browser.post("/setup-link/", {"code": ""}).status_code == 422
    assert browser.post("/setup-link/", {"code": "x" * 43}).status_code == 404
    assert set_up(text)[1].status_code == 302, "showing the page has not used the link"


def test_a_link_ends_after_a_day_and_with_a_newer_one(client, chief):
    user, text = accounts.create_administrator(
        accounts.NewAdministrator("eve", "", ["viewer"]), by="chief", now=timezone.now()
    )
    newer = accounts.create_setup_link(user.pk, by=chief, now=timezone.now())
    assert set_up(text)[1].status_code == 404
    SetupLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert set_up(newer)[1].status_code == 404


@pytest.mark.parametrize(
    ("password", "again", "said"),
    [
        ("short", None, "too short"),
        ("password123", None, "too common"),
        ("eve-eve-eve", None, "too similar"),
        ("a sentence of words", "another sentence", "passwords do not match"),
    ],
)
def test_a_weak_password_is_rejected_with_the_reason(client, password, again, said):
    text = LINK.search(create(client, name="eve-eve-eve").content.decode())[1]
    answer = set_up(text, password, again)[1]
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert set_up(text)[1].status_code == 302, "the link is still good"


@pytest.mark.parametrize(
    "given",
    [
        {"name": "chief"},
        {"name": "CHIEF"},
        {"name": "a b"},
        {"roles": []},
        {"roles": ["emperor"]},
        {"email": "no address"},
    ],
)
def test_invalid_settings_of_a_new_administrator_are_rejected(client, given):
    assert create(client, **{"name": "eve", "roles": ["viewer"], **given}).status_code in (409, 422)
    assert User.objects.count() == 1


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.key)
def test_each_role_gives_its_rights_and_no_other(chief, role):
    user, _text = accounts.create_administrator(
        accounts.NewAdministrator("eve", "", [role.key]), by="chief", now=timezone.now()
    )
    user = User.objects.get(pk=user.pk)
    assert {right for right in RIGHTS if user.has_perm(right)} == role.rights
    assert user.is_superuser is (role.key == SUPER)


def test_two_roles_add_up(client, chief):
    create(client, roles=["deployer", "auditor"])
    eve = User.objects.get(username="eve")
    assert eve.has_perm(DEPLOY)
    assert eve.has_perm("ledger.view_entry")
    assert not eve.has_perm(CA)


def test_changed_roles_apply_immediately_and_are_recorded_with_both_values(client, enter):
    create(client)
    eve = User.objects.get(username="eve")
    theirs = enter(eve)
    assert theirs.get("/audit/").status_code == 403
    client.post(f"{PAGE}{eve.pk}/roles/", {"roles": ["auditor"]})
    assert theirs.get("/audit/").status_code == 200
    line = Entry.objects.get(action="set-roles")
    assert line.actor == "chief"
    assert line.detail == {"before": {"roles": ["deployer"]}, "after": {"roles": ["auditor"]}}


def test_a_refusal_names_the_right_and_who_may_grant_it(client, enter):
    create(client)
    answer = enter(User.objects.get(username="eve")).get("/audit/").content.decode()
    assert "View Audit Log" in answer
    assert "chief" in answer


def test_deactivating_ends_sessions_and_tokens_at_once(client, enter):
    create(client)
    eve = User.objects.get(username="eve")
    theirs = enter(eve)
    _token, text = tokens.create_token(eve, "report", rights=[], expires_at=None)
    bearer = {"Authorization": f"Bearer {text}"}
    assert Client().get("/api/v1/zone", headers=bearer).status_code == 200
    assert client.post(f"{PAGE}{eve.pk}/deactivate/").status_code == 302
    assert theirs.get("/").status_code == 302
    assert Client().get("/api/v1/zone", headers=bearer).status_code == 401
    assert ApiToken.objects.count() == 1, "the token is back when they are"
    client.post(f"{PAGE}{eve.pk}/activate/")
    assert Client().get("/api/v1/zone", headers=bearer).status_code == 200


def test_the_tokens_of_an_administrator_are_revoked_at_once(client):
    create(client)
    eve = User.objects.get(username="eve")
    _token, text = tokens.create_token(eve, "report", rights=[], expires_at=None)
    bearer = {"Authorization": f"Bearer {text}"}
    assert "Revoke API Tokens" in client.get(f"{PAGE}{eve.pk}/").content.decode()
    assert client.post(f"{PAGE}{eve.pk}/revoke-tokens/").status_code == 302
    assert Client().get("/api/v1/zone", headers=bearer).status_code == 401
    assert Entry.objects.get(action="revoke-api-tokens").detail["before"] == {"tokens": ["report"]}
    assert client.post(f"{PAGE}{eve.pk}/revoke-tokens/").status_code == 422


def test_nobody_deactivates_themselves(client, chief):
    answer = client.post(f"{PAGE}{chief.pk}/deactivate/")
    assert answer.status_code == 422
    assert User.objects.get(pk=chief.pk).is_active


def test_the_last_super_administrator_cannot_lose_the_role(client, chief):
    answer = client.post(f"{PAGE}{chief.pk}/roles/", {"roles": ["viewer"]})
    assert b"chief is the only Super Administrator" in answer.content
    assert User.objects.get(pk=chief.pk).is_superuser
    other = factories.admin("other")
    accounts.deactivate(other.pk, by=chief)
    with pytest.raises(Refused, match="chief is the only Super Administrator"):
        accounts.deactivate(chief.pk, by=other)
    accounts.activate(other.pk, by=chief)
    accounts.set_roles(chief.pk, ["viewer"], by=other, now=timezone.now())
    assert not User.objects.get(pk=chief.pk).is_superuser


def test_ending_sessions_ends_every_one_of_theirs_and_no_other(client, enter):
    create(client)
    eve = User.objects.get(username="eve")
    first, second = enter(eve), enter(eve)
    client.post(f"{PAGE}{eve.pk}/end-sessions/")
    assert first.get("/").status_code == second.get("/").status_code == 302
    assert client.get("/").status_code == 200
    assert Entry.objects.get(action="end-sessions").detail["before"] == {"sessions": 2}


def test_a_temporary_password_opens_one_page_the_one_to_replace_it(client, enter):
    create(client)
    eve = User.objects.get(username="eve")
    answer = client.post(f"{PAGE}{eve.pk}/temporary-password/").content.decode()
    password = re.search(r'id="temporary-password">([\w-]+)<', answer)[1]
    theirs, response = log_in("eve", password)
    assert response.status_code == 302
    assert theirs.get("/devices/").url == "/preferences/password/"
    assert theirs.post("/configuration/certificates/remint-ca/").url == "/preferences/password/"
    new = {"new_password": "a sentence of several words", "again": "a sentence of several words"}
    assert theirs.post("/preferences/password/", new).status_code == 302
    assert theirs.get("/devices/").status_code == 200
    assert log_in("eve", password)[1].status_code == 200, "the temporary one is gone"


def test_changing_the_password_ends_the_other_sessions(zone, enter):
    person = factories.user("person")
    here, there = enter(person), enter(person)
    new = {"new_password": "a sentence of several words", "again": "a sentence of several words"}
    assert here.post("/preferences/password/", new).status_code == 302
    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 302


def test_changing_the_password_needs_the_old_one_when_the_login_is_old(zone, enter):
    client = enter(factories.user("person"), reauthenticated=False)
    new = {"new_password": "a sentence of several words", "again": "a sentence of several words"}
    assert client.post("/preferences/password/", new).status_code == 422
    assert client.post("/preferences/password/", {**new, "password": "wrong"}).status_code == 422
    right = {**new, "password": factories.PASSWORD}
    assert client.post("/preferences/password/", right).status_code == 302


def test_resetting_a_second_factor_lets_them_in_by_password(client, person, authenticator):
    answer = client.post(f"{PAGE}{person.pk}/reset-second-factor/")
    assert answer.status_code == 302
    assert not second_factor.is_on(User.objects.get(pk=person.pk))
    assert log_in("person", factories.PASSWORD)[1].url == "/"


def test_every_action_requires_the_password_when_the_login_is_old(chief, enter):
    eve, _text = accounts.create_administrator(
        accounts.NewAdministrator("eve", "", ["viewer"]), by="chief", now=timezone.now()
    )
    client = enter(chief, reauthenticated=False)
    before = Entry.objects.count()
    for name in ("deactivate", "end-sessions", "roles", "setup-link", "temporary-password"):
        answer = client.post(f"{PAGE}{eve.pk}/{name}/", {"roles": ["super-administrator"]})
        assert answer.status_code == 422, name
    assert create(client, name="mallory").status_code == 422
    assert client.post(f"{PAGE}rules/", {"two_administrators": "on"}).status_code == 422
    assert Entry.objects.count() == before


def test_a_user_without_roles_keeps_individual_rights(zone):
    person = factories.user("person", CA)
    assert not Administrator.objects.filter(user=person).exists()
    assert person.has_perm(CA)
    assert roles_of(person) == []
    assert roles_of(factories.admin("old-root"))[0].key == SUPER


def test_login_and_logout_are_recorded_in_the_audit_log(zone):
    factories.user("person")
    client, _answer = log_in("person", factories.PASSWORD)
    client.post("/logout/")
    lines = Entry.objects.filter(action__in=("login", "logout")).order_by("seq")
    assert [(line.actor, line.action, line.address) for line in lines] == [
        ("person", "login", "127.0.0.1"),
        ("person", "logout", "127.0.0.1"),
    ]


def test_a_failed_login_is_recorded_without_an_unknown_user_name(zone):
    factories.user("person")
    log_in("person", "wrong")
    log_in("my-secret-password", "person")
    lines = Entry.objects.filter(action="login-failed").order_by("seq")
    assert [line.actor for line in lines] == ["person", "unknown"]
    assert "my-secret" not in str(list(Entry.objects.values()))


def test_a_locked_account_adds_no_more_audit_entries(zone):
    factories.user("person")
    for _ in range(12):
        log_in("person", "wrong")
    assert Entry.objects.filter(action="login-failed").count() == 5


def test_other_fields_of_a_failed_login_are_not_stored(zone, enter):
    """S-30: the lock-out counts a failure, it does not keep the form with its passphrase."""
    from axes.models import AccessAttempt

    client = enter(factories.user("person", CA), reauthenticated=False)
    sent = {"password": "wrong", "passphrase": "hidden-passphrase", "again": "hidden-passphrase"}
    client.post("/configuration/certificates/backup-ca/?x=hidden-passphrase", sent)
    assert AccessAttempt.objects.count() == 1
    assert "hidden-passphrase" not in str(list(AccessAttempt.objects.values()))


def test_a_link_of_a_deactivated_user_opens_nothing(client, chief):
    user, text = accounts.create_administrator(
        accounts.NewAdministrator("eve", "", ["viewer"]), by="chief", now=timezone.now()
    )
    accounts.deactivate(user.pk, by=chief)
    assert set_up(text)[1].status_code == 404
    with pytest.raises(Refused, match="deactivated"):
        accounts.create_setup_link(user.pk, by=chief, now=timezone.now())


def test_the_filters_of_the_list_count_and_select(client):
    create(client)
    accounts.deactivate(User.objects.get(username="eve").pk, by=User.objects.get(username="chief"))
    page = client.get(f"{PAGE}?state=deactivated").content.decode()
    assert ">eve</a>" in page
    assert ">chief</a>" not in page.split("<tbody>")[1].split("</tbody>")[0]


def test_links_of_others_are_not_touched(chief):
    first, text = accounts.create_administrator(
        accounts.NewAdministrator("eve", "", ["viewer"]), by="chief", now=timezone.now()
    )
    accounts.create_administrator(
        accounts.NewAdministrator("bob", "", ["viewer"]), by="chief", now=timezone.now()
    )
    assert setup_links.find_link(text, now=timezone.now()).user == first


def test_the_command_creates_a_setup_link_for_an_administrator(person, authenticator):
    said = StringIO()
    call_command("set_up_link", "person", "--without-second-factor", stdout=said)
    address = said.getvalue().strip()
    assert address.startswith("https://127.9.0.1:8443/setup-link/#")
    assert log_in("person", factories.PASSWORD)[1].status_code == 200, "the old password is gone"
    client, answer = set_up(address)
    assert answer.status_code == 302
    assert client.get("/").status_code == 200
    with pytest.raises(CommandError, match="No administrator is named nobody"):
        call_command("set_up_link", "nobody")


def test_a_lock_out_is_shown_and_ended_on_the_page(client, zone):
    locked = factories.user("locked")
    there = f"{PAGE}{locked.pk}/"
    assert "Unlock" not in client.get(there).content.decode()
    for _ in range(5):
        log_in("locked", "wrong")
    shown = client.get(there).content.decode()
    assert "Account Locked" in shown
    assert client.post(f"{there}unlock/").status_code == 302
    assert "Account Locked" not in client.get(there).content.decode()
    assert Entry.objects.get(action="unlock-administrator").note == "locked"


def test_more_rights_end_an_unused_link_and_a_temporary_password(chief, zone):
    """Whoever created them could log in with the rights that a user gets later."""
    invited, known = factories.user("invited"), factories.user("known")
    text = accounts.create_setup_link(invited.pk, by=chief, now=timezone.now())
    password = accounts.create_temporary_password(known.pk, by=chief, now=timezone.now())
    for user in (invited, known):
        accounts.set_roles(user.pk, ["super-administrator"], by=chief, now=timezone.now())
    assert set_up(text)[1].status_code == 404
    known.refresh_from_db()
    assert not known.check_password(password)


def test_fewer_rights_keep_an_unused_link(chief, zone):
    invited = factories.user("invited")
    accounts.set_roles(invited.pk, ["deployer", "auditor"], by=chief, now=timezone.now())
    text = accounts.create_setup_link(invited.pk, by=chief, now=timezone.now())
    accounts.set_roles(invited.pk, ["auditor"], by=chief, now=timezone.now())
    assert set_up(text)[1].status_code == 302
