"""Logging in with a second factor, and its recovery codes (B-21; security rules S-30, S-82)."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from administrators.login import second_factor, views
from administrators.models import RecoveryCode, SecondFactor
from audit.models import Entry
from tests.administrators.conftest import FACTOR_URL
from tests.support import factories

pytestmark = pytest.mark.django_db
LOGIN, CODE = "/login/", "/login/code/"
REMINT = "/configuration/certificates/remint-ca/"


def give_password(client, **more):
    return client.post(LOGIN, {"username": "person", "password": factories.PASSWORD, **more})


def give_code(client, code, **more):
    return client.post(CODE, {"code": code, **more})


def test_the_password_alone_does_not_log_in(authenticator):
    client = Client()
    assert give_password(client).url == CODE
    assert client.get("/").headers["Location"].startswith("/login/")


def test_password_and_code_open_the_page_that_was_asked_for(authenticator):
    client = Client()
    there = give_password(client, next="/devices/").url
    assert there == f"{CODE}?next=/devices/"
    assert give_code(client, authenticator.code(), next="/devices/").url == "/devices/"
    assert client.get("/devices/").status_code == 200
    assert Entry.objects.filter(action="login", note="password and code").exists()


def test_an_authenticator_code_is_accepted_once(authenticator):
    code = authenticator.code()
    first, second = Client(), Client()
    give_password(first), give_password(second)
    assert give_code(first, code).status_code == 302
    assert give_code(second, code).status_code == 422


def test_a_code_without_the_password_before_it_opens_nothing(authenticator):
    client = Client()
    assert give_code(client, authenticator.code()).url == LOGIN
    assert client.get("/").status_code == 302


def test_the_password_is_forgotten_when_the_code_comes_late(authenticator):
    client = Client()
    give_password(client)
    session = client.session
    session[views.PENDING_CODE]["at"] -= views.CODE_PERIOD.total_seconds() + 1
    session.save()
    assert give_code(client, authenticator.code()).url == LOGIN


def test_the_session_has_a_new_key_after_each_step(authenticator):
    client = Client()
    client.get(LOGIN)
    give_password(client)
    halfway = client.session.session_key
    give_code(client, authenticator.code())
    assert client.session.session_key != halfway
    assert views.PENDING_CODE not in client.session


def test_wrong_codes_lock_out_as_wrong_passwords_do(authenticator):
    client = Client()
    give_password(client)
    answers = [give_code(client, "000000").status_code for _ in range(5)]
    assert answers == [422, 422, 422, 422, 429]
    assert give_code(client, authenticator.code()).status_code == 429
    assert Entry.objects.filter(action="login-failed", note="incorrect code").count() == 5


@pytest.mark.parametrize("shift", [-30, 30])
def test_a_clock_half_a_minute_off_does_no_harm(authenticator, shift):
    authenticator.ahead = shift
    SecondFactor.objects.update(last_step=0)
    client = Client()
    give_password(client)
    assert give_code(client, authenticator.code()).status_code == 302


def test_a_recovery_code_opens_once_and_leaves_its_line(authenticator):
    code = authenticator.codes[3]
    first, second = Client(), Client()
    give_password(first), give_password(second)
    assert give_code(first, code.lower().replace("-", " ")).status_code == 302
    assert give_code(second, code).status_code == 422
    assert Entry.objects.get(action="recovery-code-used").note == "person, 9 left"


def test_second_factor_secrets_are_not_stored_in_plaintext(authenticator):
    """S-30: the secret is sealed, of a recovery code only the digest is there."""
    kept = str(list(SecondFactor.objects.values()) + list(RecoveryCode.objects.values()))
    secret = second_factor.secret_text(SecondFactor.objects.get())
    assert secret not in kept
    assert not any(code.replace("-", "") in kept for code in authenticator.codes)


def test_the_secret_of_one_user_cannot_be_decrypted_for_another(authenticator):
    other = factories.user("other")
    blob = SecondFactor.objects.get().encrypted
    moved = SecondFactor.objects.create(user=other, encrypted=blob, confirmed_at=timezone.now())
    with pytest.raises(Exception, match="cannot be decrypted"):
        second_factor._decrypt(moved)


def test_a_ca_operation_requires_password_and_code_again(authenticator, enter, person):
    client = enter(person, reauthenticated=False)
    page = client.get(REMINT).content.decode()
    assert 'name="password_0"' in page
    assert 'name="password_1"' in page
    url = "/preferences/recovery-codes/"
    right = {"password_0": factories.PASSWORD, "password_1": authenticator.code()}
    assert client.post(url, {"password_0": factories.PASSWORD, "password_1": ""}).status_code == 422
    assert client.post(url, {**right, "password_0": "wrong"}).status_code == 422
    assert client.post(url, {"password": factories.PASSWORD}).status_code == 422
    assert client.post(url, right).status_code == 200


def test_setting_one_up_asks_for_the_password_and_for_the_first_code(zone, enter):
    user = factories.user("person")
    client = enter(user, reauthenticated=False)
    assert client.post(FACTOR_URL, {"password": "wrong"}).status_code == 422
    assert not SecondFactor.objects.exists()
    assert client.post(FACTOR_URL, {"password": factories.PASSWORD}).status_code == 302
    page = client.get(FACTOR_URL).content.decode()
    secret = second_factor.secret_text(SecondFactor.objects.get())
    assert secret in page
    assert "data:image/svg+xml" in page
    assert client.post(FACTOR_URL, {"code": "12345"}).status_code == 422
    assert not second_factor.is_on(factories.User.objects.get(pk=user.pk))


def test_the_secret_is_shown_only_shortly_after_the_password(zone, enter):
    user = factories.user("person")
    second_factor.start_setup(user)
    secret = second_factor.secret_text(SecondFactor.objects.get())
    page = enter(user, reauthenticated=False).get(FACTOR_URL).content.decode()
    assert secret not in page


def test_removing_it_needs_the_proof_and_takes_the_codes_with_it(authenticator, enter, person):
    stranger = enter(person, reauthenticated=False)
    assert stranger.post(FACTOR_URL, {}).status_code == 422
    assert enter(person).post(FACTOR_URL, {}).status_code == 302
    assert not SecondFactor.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert Entry.objects.filter(action="second-factor-off").exists()


def test_a_required_second_factor_must_be_set_up_first(zone):
    from administrators.models import Policies

    factories.user("person")
    Policies.objects.update(requires_second_factor=True)
    client = Client()
    assert give_password(client).status_code == 302
    assert client.get("/devices/").headers["Location"] == FACTOR_URL
    assert client.get(FACTOR_URL).status_code == 200
    client.post(FACTOR_URL, {})
    from tests.administrators.conftest import Authenticator

    code = Authenticator(factories.User.objects.get()).code()
    assert client.post(FACTOR_URL, {"code": code}).status_code == 200
    assert client.get("/devices/").status_code == 200


def test_an_authenticator_code_expires(authenticator, person):
    code = authenticator.code()
    assert not second_factor.verify_code(person, code, now=timezone.now() + timedelta(hours=1))
    assert second_factor.verify_code(person, code, now=timezone.now())
