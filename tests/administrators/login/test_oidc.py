"""Logging in with an OpenID provider: a real one, on loopback (B-21, D-32, S-45)."""

import time

import pytest
import requests
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from joserfc.jwk import OctKey, RSAKey

from administrators.accounts import accounts
from administrators.models import Administrator
from audit.models import Entry
from tests.support import factories, oidc_provider

pytestmark = pytest.mark.django_db
CA = "certificates.certificate_authority"
REMINT = "/configuration/certificates/remint-ca/"


@pytest.fixture
def provider(zone, settings):
    with oidc_provider.running() as server:
        settings.OIDC_NAME = "Acme ID"
        settings.OIDC_ISSUER = server.issuer
        settings.OIDC_CLIENT_ID = oidc_provider.CLIENT_ID
        settings.OIDC_CLIENT_SECRET = oidc_provider.CLIENT_SECRET
        settings.OIDC_ROLES = {}
        yield server


@pytest.fixture
def olga(provider):
    order = accounts.NewAdministrator("olga", "", ["certificate-administrator"], "oidc")
    return accounts.create_administrator(order, by="chief", now=timezone.now())[0]


def start(client, path="/login/oidc/", **asked):
    return client.get(path, asked).headers.get("Location", "")


def come_back(client, there):
    """Follow the browser to the provider, and back to the console."""
    back = requests.get(there, allow_redirects=False, timeout=5).headers["Location"]
    return client.get(back.removeprefix("http://testserver"))


def log_in(client=None, **asked):
    client = client or Client()
    return client, come_back(client, start(client, **asked))


def test_an_openid_connect_login_binds_the_account_to_the_subject(provider, olga):
    client, answer = log_in(next="/devices/")
    assert answer.url == "/devices/"
    assert client.get("/devices/").status_code == 200
    assert Administrator.objects.get(user=olga).subject == f"{provider.issuer} 0815"
    assert Entry.objects.get(action="login").note == "OpenID Connect"
    assert provider.asked["code_challenge_method"] == "S256"
    provider.claims["preferred_username"] = "olga-after-her-wedding"
    assert log_in()[1].status_code == 302, "the subject counts, not the name"


def test_the_same_name_with_another_subject_is_rejected(provider, olga):
    log_in()
    provider.claims["sub"] = "4711"
    client, answer = log_in()
    assert answer.status_code == 403
    assert client.get("/").status_code == 302


def test_an_account_with_a_password_is_never_taken_over(provider):
    factories.admin("olga")
    client, answer = log_in()
    assert answer.status_code == 403
    assert b"olga is not an administrator of this zone" in answer.content
    assert client.get("/").status_code == 302
    line = Entry.objects.get(action="login-failed")
    assert "olga is not an administrator of this zone" in line.note


def test_a_deactivated_administrator_stays_out(provider, olga):
    log_in()
    accounts.deactivate(olga.pk, by=factories.admin())
    assert log_in()[1].status_code == 403


@pytest.mark.parametrize(
    "bent",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-client"},
        {"iss": "http://127.0.0.1:1"},
        {"exp": 1},
        {"sub": None},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_for_this_login_is_refused(provider, olga, bent):
    provider.claims.update(bent)
    client, answer = log_in()
    assert answer.status_code == 403
    assert client.get("/").status_code == 302
    assert Entry.objects.filter(action="login-failed").exists()


@pytest.mark.parametrize("forger", ["key", "symmetric"])
def test_an_id_token_of_another_key_is_refused(provider, olga, forger):
    if forger == "key":
        provider.key = RSAKey.generate_key(2048, {"kid": "one"})
    else:
        secret = OctKey.import_key(oidc_provider.CLIENT_SECRET * 2, {"kid": "one"})
        provider.key, provider.algorithm = secret, "HS256"
    assert log_in()[1].status_code == 403


def test_an_answer_that_this_session_did_not_ask_for_is_refused(provider, olga):
    """Login CSRF: the attacker's answer in the browser of somebody else."""
    attacker, victim = Client(), Client()
    there = start(attacker)
    assert come_back(victim, there).status_code == 403
    assert victim.get("/").status_code == 302


def test_an_answer_works_once(provider, olga):
    client = Client()
    there = start(client)
    back = requests.get(there, allow_redirects=False, timeout=5).headers["Location"]
    path = back.removeprefix("http://testserver")
    assert client.get(path).status_code == 302
    client.post("/logout/")
    assert client.get(path).status_code == 403


def test_an_unavailable_provider_is_reported(provider, olga):
    provider.down = True
    answer = Client().get("/login/oidc/")
    assert answer.status_code == 503
    assert b"Acme ID is not responding" in answer.content


def test_groups_give_roles_and_take_them_away(provider, settings):
    settings.OIDC_ROLES = {"zcc-ca": "certificate-administrator", "zcc-audit": "auditor"}
    factories.admin()
    provider.claims["groups"] = ["zcc-audit", "staff"]
    assert log_in()[1].status_code == 302
    olga = User.objects.get(username="olga")
    assert olga.has_perm("ledger.view_entry")
    assert not olga.has_usable_password()
    provider.claims["groups"] = ["zcc-ca"]
    log_in()
    assert User.objects.get(username="olga").has_perm(CA)
    provider.claims["groups"] = ["staff"]
    assert log_in()[1].status_code == 403


def test_nobody_is_let_in_by_a_group_without_role(provider, settings):
    settings.OIDC_ROLES = {"zcc-ca": "certificate-administrator"}
    provider.claims["groups"] = ["staff"]
    assert log_in()[1].status_code == 403
    assert not User.objects.filter(username="olga").exists()


def test_an_address_that_is_not_verified_names_nobody(provider, settings, olga):
    settings.OIDC_USER_CLAIM = "email"
    provider.claims |= {"email": "olga", "email_verified": False}
    assert log_in()[1].status_code == 403
    provider.claims["email_verified"] = True
    assert log_in()[1].status_code == 302


def test_a_login_with_an_old_provider_session_does_not_confirm_the_identity(provider, olga):
    factories.authority(factories.server("s-1"), state="grace")
    provider.claims["auth_time"] = int(time.time()) - 3600
    client, _answer = log_in()
    page = client.get(REMINT).content.decode()
    assert "/login/again/?next=" in page
    assert "Your password" not in page


def test_proving_again_asks_the_provider_for_a_fresh_login(provider, olga):
    provider.claims["auth_time"] = int(time.time()) - 3600
    client, _answer = log_in()
    provider.claims.pop("auth_time")
    there = start(client, "/login/again/", next=REMINT)
    assert come_back(client, there).url == REMINT
    assert provider.asked["prompt"] == "login"
    assert provider.asked["max_age"] == "0"
    assert "/login/again/" not in client.get(REMINT).content.decode()


@pytest.mark.parametrize("bent", ["auth_time", "missing", "sub"])
def test_a_provider_that_does_not_ask_again_proves_nothing(provider, olga, bent):
    provider.claims["auth_time"] = int(time.time()) - 3600
    client, _answer = log_in()
    if bent == "missing":
        provider.claims["auth_time"] = None
    elif bent == "sub":
        provider.claims |= {"auth_time": int(time.time()), "sub": "4711"}
    assert come_back(client, start(client, "/login/again/")).status_code == 403
    assert "/login/again/" in client.get(REMINT).content.decode()


def test_an_openid_connect_account_cannot_log_in_with_a_password(provider, olga):
    olga.set_password(factories.PASSWORD)
    olga.save()
    client = Client()
    client.post("/login/", {"username": "olga", "password": factories.PASSWORD})
    assert client.get("/").status_code == 302


def test_openid_connect_pages_do_not_exist_without_a_provider(zone):
    assert Client().get("/login/oidc/").status_code == 404
    assert Client().get("/login/oidc/callback/").status_code == 404
    assert b"/login/oidc/" not in Client().get("/login/").content


def test_the_next_page_is_one_of_this_console(provider, olga):
    assert log_in(next="https://evil.example/")[1].url == "/"
