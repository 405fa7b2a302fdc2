"""Passkeys: add one, log in, confirm a CA operation, remove it, and what is not accepted."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from administrators.accounts import accounts, tables
from administrators.login import second_factor
from administrators.models import Passkey, Policies, RecoveryCode
from administrators.passkeys import challenges
from administrators.protection import account_macs
from audit.models import Entry
from certificates.monitoring import notifications
from certificates.monitoring.checks import access_checks
from console.access import reauthentication
from devices.models import Device, Zone
from notifications.delivery import events
from notifications.models import Delivery, Target
from tests.administrators.conftest import Authenticator as App
from tests.support import factories
from tests.support.authenticators import USER_PRESENT, Authenticator
from tests.support.clients import log_in
from tests.support.passkeys import (
    ADD,
    ADD_OPTIONS,
    CODE,
    LOGIN,
    USE_OPTIONS,
    Browser,
)
from zcc.rows import checks

REMINT = "/configuration/certificates/remint-ca/"
SECURITY = "/preferences/security/"
FACTOR = "/preferences/second-factor/"
CODES = "/preferences/recovery-codes/"
ADMINISTRATORS = "/configuration/administrators/"


def fresh(person):
    users = type(person).objects.select_related("account_mac", "second_factor", "administrator")
    return users.get(pk=person.pk)


def remove(browser, name="laptop"):
    pk = Passkey.objects.get(name=name).pk
    return browser.post(f"/preferences/passkeys/{pk}/remove/")


def actions() -> list[str]:
    return list(Entry.objects.order_by("seq").values_list("action", flat=True))


def test_the_first_passkey_turns_two_factor_authentication_on_and_gives_recovery_codes(person):
    browser = Browser().log_in(person)
    page = browser.add(Authenticator())
    assert "no-store" in page.headers["Cache-Control"]
    assert page.content.decode().count("<code>") == second_factor.CODE_COUNT
    assert second_factor.is_on(fresh(person))
    shown = browser.get(SECURITY).content.decode()
    assert "laptop" in shown
    assert "console.example" in shown
    entry = Entry.objects.get(action="passkey-added")
    assert entry.detail == {"after": {"passkey": "laptop", "host name": "console.example"}}
    assert checks.check_rows() == 0


def test_a_second_passkey_keeps_the_recovery_codes(passkey, person):
    before = set(RecoveryCode.objects.values_list("digest", flat=True))
    assert Browser().log_in(person).add(Authenticator(), "spare").status_code == 302
    assert set(RecoveryCode.objects.values_list("digest", flat=True)) == before
    assert Passkey.objects.count() == 2


def test_an_authenticator_app_beside_a_passkey_keeps_the_recovery_codes(passkey, person):
    before = set(RecoveryCode.objects.values_list("digest", flat=True))
    browser = Browser().log_in(person)
    browser.post(FACTOR, {})
    assert browser.post(FACTOR, {"code": App(person).code()}).status_code == 302
    assert set(RecoveryCode.objects.values_list("digest", flat=True)) == before
    assert reauthentication.has_authenticator(fresh(person))


def test_password_and_passkey_log_in(passkey):
    browser = Browser()
    assert browser.give_password().url == CODE
    assert browser.get("/").headers["Location"].startswith(LOGIN)
    page = browser.get(CODE).content.decode()
    assert 'data-passkey="get"' in page
    assert browser.give_passkey(passkey).status_code == 302
    assert browser.get("/").status_code == 200
    assert Entry.objects.filter(action="login", note="password and passkey").exists()
    used = Entry.objects.get(action="passkey-used")
    assert used.detail["after"]["passkey"] == "laptop"
    row = Passkey.objects.get()
    assert (row.sign_count, bool(row.last_used_at)) == (1, True)


def test_a_passkey_without_the_password_before_it_opens_nothing(passkey):
    browser = Browser()
    assert browser.post(USE_OPTIONS).status_code == 403
    assert browser.post(CODE, {"passkey": "{}"}).headers["Location"] == LOGIN


def test_a_recovery_code_logs_in_without_the_passkey(person):
    page = Browser().log_in(person).add(Authenticator()).content.decode()
    code = re.findall(r"<code>([A-Z2-7-]+)</code>", page)[0]
    browser = Browser()
    browser.give_password()
    assert browser.post(CODE, {"code": code}).status_code == 302
    assert browser.get("/").status_code == 200


def test_a_ca_operation_is_confirmed_with_password_and_passkey(passkey, person):
    browser = Browser().log_in(person, reauthenticated=False)
    page = browser.get(REMINT).content.decode()
    assert 'name="password_2"' in page
    assert 'data-passkey="get"' in page
    right = {"password_0": factories.PASSWORD, "password_1": ""}
    assert browser.post(CODES, {**right, "password_2": ""}).status_code == 422
    response = passkey.get(browser.ask())
    wrong = {**right, "password_0": "wrong", "password_2": response}
    assert browser.post(CODES, wrong).status_code == 422
    assert browser.post(CODES, {**right, "password_2": response}).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "http://console.example.evil.example"},
        {"origin": "https://console.example"},
        {"origin": "http://console.example:8443"},
        {"rp_id": "evil.example"},
        {"flags": USER_PRESENT},
        {"flags": 0},
        {"key": Authenticator().key},
        {"credential_id": b"unknown"},
    ],
)
def test_a_forged_response_is_not_accepted(passkey, change):
    for name, value in change.items():
        setattr(passkey, name, value)
    browser = Browser()
    browser.give_password()
    assert browser.give_passkey(passkey).status_code == 422
    assert browser.get("/").status_code == 302
    assert Passkey.objects.get().last_used_at is None
    assert Entry.objects.filter(action="login-failed", note="passkey not accepted").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "http://evil.example"},
        {"rp_id": "evil.example"},
        {"flags": USER_PRESENT},
    ],
)
def test_a_forged_registration_is_not_accepted(person, change):
    browser = Browser().log_in(person)
    assert browser.add(Authenticator(**change)).status_code == 422
    assert not Passkey.objects.exists()
    assert not second_factor.is_on(fresh(person))


@pytest.mark.parametrize(
    "text",
    [
        *("{}", "[]", "null", "passkey", '{"id": 1}', "\x00", "ÿ" * 100),
        json.dumps({"id": "AA", "rawId": "AA", "type": "public-key", "response": {}}),
        json.dumps(
            {
                "id": "AA",
                "rawId": "AA",
                "type": "public-key",
                "response": {
                    "clientDataJSON": "AAAA",
                    "attestationObject": "AAAA",
                    "authenticatorData": "AAAA",
                    "signature": "AAAA",
                },
            }
        ),
    ],
)
def test_malformed_responses_are_not_accepted(passkey, person, text):
    browser = Browser()
    browser.give_password()
    browser.ask()
    assert browser.post(CODE, {"passkey": text}).status_code == 422
    adding = Browser().log_in(person)
    adding.ask(ADD_OPTIONS)
    assert adding.post(ADD, {"name": "x", "response": text}).status_code == 422
    assert Passkey.objects.count() == 1


@pytest.mark.parametrize("part", ["clientDataJSON", "authenticatorData", "signature"])
def test_no_changed_byte_is_accepted(passkey, part):
    browser = Browser()
    browser.give_password()
    response = json.loads(passkey.get(browser.ask()))
    text = response["response"][part]
    middle = len(text) // 2
    other = "A" if text[middle] != "A" else "B"
    response["response"][part] = text[:middle] + other + text[middle + 1 :]
    assert browser.post(CODE, {"passkey": json.dumps(response)}).status_code == 422


def test_a_response_is_accepted_once(passkey, person):
    browser = Browser().log_in(person, reauthenticated=False)
    response = passkey.get(browser.ask())
    values = {"password_0": factories.PASSWORD, "password_1": "", "password_2": response}
    assert browser.post(CODES, values).status_code == 200
    session = browser.session
    session["authenticated_at"] = 0
    session.save()
    Passkey.objects.update(sign_count=0)
    assert browser.post(CODES, values).status_code == 422


def test_a_rejected_response_uses_the_challenge_up(passkey):
    browser = Browser()
    browser.give_password()
    options = browser.ask()
    assert browser.post(CODE, {"passkey": "{}"}).status_code == 422
    assert browser.post(CODE, {"passkey": passkey.get(options)}).status_code == 422


def test_a_response_to_the_challenge_of_another_session_is_not_accepted(passkey):
    first, second = Browser(), Browser()
    first.give_password(), second.give_password()
    options = first.ask()
    second.ask()
    assert second.post(CODE, {"passkey": passkey.get(options)}).status_code == 422


def test_a_challenge_expires(passkey):
    browser = Browser()
    browser.give_password()
    options = browser.ask()
    session = browser.session
    session[challenges.SESSION_KEY]["use"]["at"] -= challenges.LIFETIME.total_seconds()
    session.save()
    assert browser.post(CODE, {"passkey": passkey.get(options)}).status_code == 422


def test_the_passkey_of_another_user_is_not_accepted(passkey):
    other = factories.user("other")
    theirs = Authenticator()
    Browser().log_in(other).add(theirs, "other")
    browser = Browser()
    browser.give_password()
    assert browser.give_passkey(theirs).status_code == 422
    options = browser.ask()
    listed = {one["id"] for one in options["allowCredentials"]}
    assert listed == {Passkey.objects.get(name="laptop").credential_id}


def test_a_passkey_that_exists_is_not_added_to_another_account(passkey):
    browser = Browser().log_in(factories.user("other"))
    assert browser.add(passkey).status_code == 422
    assert Passkey.objects.count() == 1


@pytest.mark.parametrize("step", [0, -1])
def test_a_counter_that_does_not_increase_is_refused_recorded_and_notified(passkey, step):
    Target.objects.create(
        name="team",
        kind="mail",
        recipients="team@acme.example",
        events=[events.LOGIN_FAILURES],
    )
    notifications.create_notifications(timezone.now())
    first = Browser()
    first.give_password()
    passkey.counter = 5
    assert first.give_passkey(passkey).status_code == 302
    passkey.step = step
    second = Browser()
    second.give_password()
    assert second.give_passkey(passkey).status_code == 422
    assert second.get("/").status_code == 302
    assert Passkey.objects.get().sign_count == 6
    entry = Entry.objects.get(action="passkey-copied")
    assert entry.detail["before"] == {"signature counter": 6}
    notifications.create_notifications(timezone.now())
    assert "A passkey of person was rejected" in Delivery.objects.get().title


def test_a_wrong_counter_with_a_wrong_signature_raises_no_alarm(passkey):
    first = Browser()
    first.give_password()
    first.give_passkey(passkey)
    passkey.step, passkey.key = 0, Authenticator().key
    second = Browser()
    second.give_password()
    assert second.give_passkey(passkey).status_code == 422
    assert "passkey-copied" not in actions()


def test_a_passkey_without_a_counter_is_accepted_again(passkey):
    passkey.step = 0
    for _round in range(2):
        browser = Browser()
        browser.give_password()
        assert browser.give_passkey(passkey).status_code == 302


def test_failures_lock_out_as_wrong_passwords_do(passkey):
    browser = Browser()
    browser.give_password()
    answers = [browser.post(CODE, {"passkey": "{}"}).status_code for _ in range(5)]
    assert answers == [422, 422, 422, 422, 429]
    assert browser.give_passkey(passkey).status_code == 429


def test_a_passkey_belongs_to_one_host_name(passkey, person):
    browser = Browser()
    browser.defaults["SERVER_NAME"] = "other.example"
    browser.give_password()
    page = browser.get(CODE).content.decode()
    assert "Your passkeys belong to console.example" in page
    assert "data-passkey" not in page
    response = browser.post(USE_OPTIONS)
    assert response.status_code == 409
    assert "other.example" in response.json()["error"]


@pytest.mark.parametrize("address", ["192.0.2.7", "[2001:db8::7]"])
def test_an_ip_address_is_explained(person, address):
    browser = Browser().log_in(person)
    browser.defaults["SERVER_NAME"] = address
    assert "opened with an IP address" in browser.get(SECURITY).content.decode()
    assert "opened with an IP address" in browser.get(ADD).content.decode()
    response = browser.post(ADD_OPTIONS)
    assert response.status_code == 409
    assert "host name" in response.json()["error"]


def test_the_port_is_not_part_of_the_name_but_of_the_origin(person):
    browser = Browser().log_in(person)
    browser.defaults["HTTP_HOST"] = "console.example:8443"
    options = browser.ask(ADD_OPTIONS)
    assert options["rp"]["id"] == "console.example"
    right = Authenticator(origin="http://console.example:8443")
    assert browser.add(right).status_code == 200


def test_a_proxy_that_hides_the_port_needs_a_trusted_origin(person, settings):
    origin = "https://console.example:9443"
    browser = Browser().log_in(person)
    assert browser.add(Authenticator(origin=origin)).status_code == 422
    settings.CSRF_TRUSTED_ORIGINS = [origin, "https://evil.example"]
    assert browser.add(Authenticator(origin="https://evil.example")).status_code == 422
    assert browser.add(Authenticator(origin=origin)).status_code == 200


def test_nothing_is_asked_of_the_authenticator_but_what_it_must_do(person):
    options = Browser().log_in(person).ask(ADD_OPTIONS)
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert "person" not in json.dumps(options["user"]["id"])


def test_adding_needs_a_recent_authentication(person):
    browser = Browser().log_in(person, reauthenticated=False)
    made = Authenticator()
    assert browser.add(made).status_code == 422
    assert not Passkey.objects.exists()
    response = made.create(browser.ask(ADD_OPTIONS))
    values = {"name": "laptop", "response": response, "password": factories.PASSWORD}
    assert browser.post(ADD, values).status_code == 200


def test_removing_needs_a_recent_authentication(passkey, person):
    assert remove(Browser().log_in(person, reauthenticated=False)).status_code == 422
    assert Passkey.objects.exists()


def test_removing_the_only_factor_turns_two_factor_authentication_off(passkey, person):
    assert remove(Browser().log_in(person)).status_code == 302
    assert not second_factor.is_on(fresh(person))
    assert not RecoveryCode.objects.exists()
    assert Entry.objects.get(action="passkey-removed").detail["before"]["passkey"] == "laptop"
    assert checks.check_rows() == 0
    assert Browser().give_password().url == "/"


def test_the_only_factor_is_not_removed_if_one_is_required(passkey, person):
    Policies.objects.update(requires_second_factor=True)
    browser = Browser().log_in(person)
    assert remove(browser).status_code == 422
    assert Passkey.objects.exists()
    browser.add(Authenticator(), "spare")
    assert remove(browser).status_code == 302
    assert remove(browser, "spare").status_code == 422


def test_removing_the_app_keeps_passkey_and_codes(passkey, person):
    browser = Browser().log_in(person)
    browser.post(FACTOR, {})
    browser.post(FACTOR, {"code": App(person).code()})
    assert browser.post(FACTOR, {}).status_code == 302
    assert second_factor.is_on(fresh(person))
    assert RecoveryCode.objects.count() == second_factor.CODE_COUNT


def test_a_required_factor_must_be_set_up_again_after_the_app_was_removed(person):
    browser = Browser().log_in(person)
    browser.post(FACTOR, {})
    browser.post(FACTOR, {"code": App(person).code()})
    Policies.objects.update(requires_second_factor=True)
    assert browser.post(FACTOR, {}).status_code == 302
    assert browser.get("/devices/").headers["Location"] == FACTOR


def test_a_required_second_factor_can_be_a_passkey(person):
    Policies.objects.update(requires_second_factor=True)
    browser = Browser()
    browser.give_password()
    assert browser.get("/devices/").headers["Location"] == FACTOR
    assert ADD in browser.get(FACTOR).content.decode()
    assert browser.get(ADD).status_code == 200
    assert browser.add(Authenticator()).status_code == 200
    assert browser.get("/devices/").status_code == 200


def test_no_one_removes_the_passkey_of_another_user(passkey):
    assert remove(Browser().log_in(factories.admin())).status_code == 404
    assert Passkey.objects.exists()


def test_an_administrator_resets_passkeys_with_the_second_factor(passkey, person):
    chief = factories.admin()
    accounts.reset_second_factor(person.pk, by=chief, now=timezone.now())
    assert not Passkey.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert Browser().give_password().url == "/"
    assert checks.check_rows() == 0


def test_the_page_of_an_administrator_names_the_passkeys(passkey, person):
    page = Browser().log_in(factories.admin())
    shown = page.get(f"/configuration/administrators/{person.pk}/").content.decode()
    assert "Passkey laptop (console.example)" in shown


def test_names_are_unique_and_their_number_is_limited(passkey, person, monkeypatch):
    browser = Browser().log_in(person)
    assert browser.add(Authenticator()).status_code == 422
    monkeypatch.setattr("administrators.passkeys.passkeys.MAX_PASSKEYS", 1)
    assert browser.post(ADD_OPTIONS).status_code == 409
    assert Passkey.objects.count() == 1


def test_no_passkey_is_added_while_a_primary_server_does_not_know_them(person):
    """A console of the previous version would store a MAC without the passkeys."""
    Device.objects.primaries().update(features=[])
    browser = Browser().log_in(person)
    assert "does not support passkeys yet" in browser.get(ADD).content.decode()
    assert browser.post(ADD_OPTIONS).status_code == 409


def test_an_account_of_an_openid_provider_has_no_passkeys(person):
    account = accounts.get_administrator(person.pk).administrator
    account.login_method = "oidc"
    account.save()
    account_macs.stamp(person.pk)
    browser = Browser().log_in(fresh(person))
    assert 'id="passkeys"' not in browser.get(SECURITY).content.decode()
    assert browser.post(ADD_OPTIONS).status_code == 409


def test_a_challenge_of_one_purpose_is_not_valid_for_another(passkey, person):
    browser = Browser().log_in(person)
    options = browser.ask()
    made = Authenticator()
    response = made.create(options)
    assert browser.post(ADD, {"name": "x", "response": response}).status_code == 422


def test_the_second_factor_counts_for_health_checks_and_lists(passkey, person):
    page = log_in(factories.admin()).get(f"{ADMINISTRATORS}?q=person").content.decode()
    assert "with second factor" in page
    assert person not in tables.list_administrators(state="no-second-factor")
    found = list(access_checks.check_second_factors(Zone.objects.get_zone(), timezone.now()))
    assert str(person.pk) not in {finding.subject for finding in found}
    remove(Browser().log_in(person))
    assert person in tables.list_administrators(state="no-second-factor")
    found = list(access_checks.check_second_factors(Zone.objects.get_zone(), timezone.now()))
    assert str(person.pk) in {finding.subject for finding in found}


def test_a_challenge_in_the_future_is_not_valid(passkey, person):
    browser = Browser().log_in(person)
    browser.ask()
    session = browser.session
    now = timezone.now() - timedelta(minutes=1)
    assert challenges.take(session, challenges.USE, person, now=now) is None
