"""Login, sessions and their ends (security rules S-81, S-82, S-87; docs/decisions.md D-32)."""

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client

from administrators.login.login import PasswordBackend
from administrators.protection import account_macs
from audit.models import AlteredRow
from console import middleware
from tests.support import factories

pytestmark = pytest.mark.django_db
LOGIN = "/login/"


@pytest.fixture
def client():
    factories.zone()
    factories.admin()
    return Client()


def log_in(client, password=factories.PASSWORD, **more):
    return client.post(LOGIN, {"username": "admin", "password": password, **more})


def test_every_page_leads_to_the_login_and_back(client):
    response = client.get("/configuration/certificates/?q=x")
    assert response.status_code == 302
    assert response.url == "/login/?next=/configuration/certificates/%3Fq%3Dx"
    assert log_in(client, next="/devices/").url == "/devices/"


def test_a_login_never_leads_to_another_host(client):
    assert log_in(client, next="https://evil.example/").url == "/"


def test_a_login_is_a_proof_of_the_password(client):
    log_in(client)
    assert client.session["authenticated_at"] > 0


def test_a_wrong_password_is_told_beside_the_form(client):
    response = log_in(client, "wrong")
    assert response.status_code == 200
    assert b'role="alert"' in response.content


def test_five_failures_lock_the_name_out(client):
    for _attempt in range(4):
        log_in(client, "wrong")
    assert log_in(client, "wrong").status_code == 429
    assert log_in(client).status_code == 429, "even the right password waits"


def test_a_poll_without_session_leaves_the_page_for_the_login(client):
    response = client.get(
        "/configuration/certificates/zone-ca/?rev=x",
        HTTP_HX_REQUEST="true",
        HTTP_HX_CURRENT_URL="http://testserver/configuration/certificates/?q=a",
    )
    assert response.status_code == 204
    assert response.headers["HX-Redirect"] == (
        "/login/?next=%2Fconfiguration%2Fcertificates%2F%3Fq%3Da&ended=session"
    )


def leave_idle(client):
    client.get("/")
    session = client.session
    session["seen_at"] -= middleware.IDLE_SECONDS + 60
    session.save()


def test_a_form_submitted_after_the_session_ended_leads_to_a_login_that_says_why(client):
    log_in(client)
    leave_idle(client)
    there = "/configuration/certificates/backup-ca/"
    response = client.post(there, {"passphrase": "seven quiet lakes"}, HTTP_HX_REQUEST="true")
    login = client.get(response.headers["HX-Redirect"]).content.decode()
    assert "Your session has ended." in login
    assert "Your entries were not submitted. Nothing was changed." in login
    assert "seven quiet lakes" not in login


def test_a_page_opened_after_the_session_ended_leads_to_a_login_that_says_why(client):
    log_in(client)
    leave_idle(client)
    login = client.get("/devices/", follow=True).content.decode()
    assert "Your session has ended." in login
    assert "Your entries were not submitted." not in login


def test_the_first_visit_and_a_logout_do_not_speak_of_a_session(client):
    assert "session has ended" not in client.get("/", follow=True).content.decode()
    log_in(client)
    assert "session has ended" not in client.post("/logout/", follow=True).content.decode()


def test_logout_is_a_post(client):
    log_in(client)
    assert client.get("/logout/").status_code == 405
    client.post("/logout/")
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    ("key", "age", "stays"),
    [
        ("seen_at", middleware.IDLE_SECONDS - 60, True),
        ("seen_at", middleware.IDLE_SECONDS + 1, False),
        ("started_at", middleware.LIFETIME_SECONDS + 1, False),
    ],
)
def test_a_session_ends_when_idle_or_old(client, key, age, stays):
    log_in(client)
    client.get("/")
    session = client.session
    session[key] -= age
    session.save()
    assert (client.get("/").status_code == 200) is stays


def test_polls_do_not_keep_a_session_alive(client):
    log_in(client)
    client.get("/")
    session = client.session
    session["seen_at"] -= 600
    session.save()
    before = client.session["seen_at"]
    client.get("/configuration/certificates/zone-ca/?rev=x")
    assert client.session["seen_at"] == before
    client.get("/devices/")
    assert client.session["seen_at"] > before


def test_a_form_without_its_token_is_refused():
    factories.zone()
    factories.admin()
    strict = Client(enforce_csrf_checks=True)
    response = strict.post(LOGIN, {"username": "admin", "password": factories.PASSWORD})
    assert response.status_code == 403
    assert b"Nothing was changed" in response.content


def test_a_password_that_django_hashes_again_does_not_alter_the_account(zone, settings):
    """Django stores a new hash at the login after its parameters have become stronger."""
    user = factories.admin()
    user.password = make_password("a long enough password", hasher="md5")
    user.save(update_fields=["password"])
    account_macs.stamp(user.pk)
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.Argon2PasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]
    for _login in range(2):
        given = {"username": user.username, "password": "a long enough password"}
        assert PasswordBackend().authenticate(None, **given) == user
    user.refresh_from_db()
    assert user.password.startswith("argon2")
    assert not AlteredRow.objects.exists()


def test_the_hash_of_an_altered_account_is_kept_as_evidence(zone, settings):
    user = factories.admin()
    inserted = make_password("a long enough password", hasher="md5")
    type(user).objects.filter(pk=user.pk).update(password=inserted)
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.Argon2PasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]
    given = {"username": user.username, "password": "a long enough password"}
    assert PasswordBackend().authenticate(None, **given) is None
    user.refresh_from_db()
    assert user.password == inserted
    assert AlteredRow.objects.get().name == user.username
