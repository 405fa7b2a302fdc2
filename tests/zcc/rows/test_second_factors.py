"""Write access to the database and a known password do not get past a second factor.

See: D-210
"""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP

from administrators.accounts import accounts
from administrators.login import second_factor
from administrators.models import AccountMac, RecoveryCode, SecondFactor
from audit.models import AlteredRow, Entry, RowAltered, list_rows
from devices.identity import zone_keys
from devices.models import Device
from tests.administrators.conftest import Authenticator
from tests.support import factories
from tests.zcc.rows import sql
from wire import messages
from zcc.rows import checks, stamping

PIN = "vault/second-factors.pin"
THIEF = b"secret of the thief!"


@pytest.fixture
def person(zone):
    return factories.user("person", "certificates.certificate_authority")


@pytest.fixture
def authenticator(person):
    return set_up(person)


def set_up(user) -> Authenticator:
    made = Authenticator(user)
    second_factor.start_setup(user)
    made.ahead = -30
    made.codes = second_factor.confirm_setup(user, made.code(), now=timezone.now())
    made.ahead = 0
    return made


def give_password(client, name="person"):
    return client.post("/login/", {"username": name, "password": factories.PASSWORD})


def log_in(client, code):
    give_password(client)
    return client.post("/login/code/", {"code": code}).status_code


def is_accepted(code) -> bool:
    client = Client()
    return log_in(client, code) == 302 and client.get("/").status_code == 200


def altered() -> set[str]:
    return {f"{row.label}:{row.key}" for row in AlteredRow.objects.all()}


def encrypt_secret_of_thief(user) -> str:
    binding = second_factor._binding(user)
    return zone_keys.get_keyring().encrypt_for_servers(THIEF, binding=binding)


def compute_code_of_thief() -> str:
    totp = TOTP(THIEF)
    totp.time = int(timezone.now().timestamp())
    return f"{totp.token():06}"


def delete_factor(user) -> None:
    sql.run("DELETE FROM people_recoverycode WHERE user_id = %s", [user.pk])
    sql.run("DELETE FROM people_secondfactor WHERE user_id = %s", [user.pk])


def unconfirm(user) -> None:
    sql.change(user.second_factor, confirmed_at=None)


def replace_secret(user) -> None:
    sql.change(user.second_factor, encrypted=encrypt_secret_of_thief(user))


def delete_factor_and_mac(user) -> None:
    delete_factor(user)
    sql.change(user.account_mac, second_factor_mac="")


def delete_factor_and_account_mac(user) -> None:
    delete_factor(user)
    sql.run("DELETE FROM people_accountmac WHERE user_id = %s", [user.pk])


def take_mac_of_another_user(user) -> None:
    other = factories.user("other")
    delete_factor(user)
    sql.change(user.account_mac, second_factor_mac=other.account_mac.second_factor_mac)


@pytest.mark.parametrize(
    "attack",
    [
        *(delete_factor, unconfirm, replace_secret, delete_factor_and_mac),
        *(delete_factor_and_account_mac, take_mac_of_another_user),
    ],
)
def test_a_second_factor_is_not_removed_or_replaced_with_sql(authenticator, person, attack):
    open_session = Client()
    assert log_in(open_session, authenticator.code()) == 302
    attack(type(person).objects.get(pk=person.pk))
    client = Client()
    assert give_password(client).status_code == 200, "the login page with its error"
    assert client.get("/").status_code == 302
    assert open_session.get("/").status_code == 302
    assert f"auth.User:{person.pk}" in altered()
    assert checks.check_rows() >= 1


@pytest.mark.parametrize("attack", [delete_factor, replace_secret])
def test_a_code_is_not_accepted_if_the_factor_changes_after_the_password(
    authenticator, person, attack
):
    client = Client()
    assert give_password(client).url == "/login/code/"
    attack(type(person).objects.get(pk=person.pk))
    for code in (compute_code_of_thief(), authenticator.codes[0]):
        assert not second_factor.verify_code(person, code, now=timezone.now())
        assert client.post("/login/code/", {"code": code}).status_code == 422
    assert client.get("/").status_code == 302
    assert altered() == {f"auth.User:{person.pk}"}


def test_an_authenticator_is_not_inserted_with_sql(zone):
    user = factories.user("person")
    factor = SecondFactor(user=user, encrypted=encrypt_secret_of_thief(user))
    factor.confirmed_at = timezone.now()
    sql.insert(factor)
    assert not is_accepted(compute_code_of_thief())
    assert altered() == {f"auth.User:{user.pk}"}


def test_an_inserted_recovery_code_is_not_accepted(authenticator, person):
    code = base64.b32encode(b"a code of thief").decode()
    sql.insert(RecoveryCode(pk=77, user=person, digest=second_factor._digest(code)))
    assert not is_accepted(code)
    assert altered() == {"people.RecoveryCode:77"}
    assert is_accepted(authenticator.codes[0]), "the codes of the user are still valid"
    call_command("check_rows", "--remove", "people.RecoveryCode:77", "--reason", "attack")
    assert altered() == set()


def test_a_changed_recovery_code_is_not_accepted(authenticator, person):
    code = base64.b32encode(b"a code of thief").decode()
    row = RecoveryCode.objects.filter(user=person).earliest("pk")
    sql.change(row, digest=second_factor._digest(code))
    assert not is_accepted(code)
    assert altered() == {f"people.RecoveryCode:{row.pk}"}


def test_a_used_recovery_code_is_not_made_unused_with_sql(authenticator):
    code = authenticator.codes[0]
    assert is_accepted(code)
    used = RecoveryCode.objects.get(used_at__isnull=False)
    sql.change(used, used_at=None)
    assert not is_accepted(code)
    assert altered() == {f"people.RecoveryCode:{used.pk}"}


def test_another_administrator_does_not_reset_an_altered_second_factor(authenticator, person):
    admin = factories.admin()
    unconfirm(type(person).objects.get(pk=person.pk))
    with pytest.raises(RowAltered):
        accounts.reset_second_factor(person.pk, by=admin, now=timezone.now())
    call_command("check_rows", "--accept", f"auth.User:{person.pk}", "--reason", "set up again")
    assert checks.check_rows() == 0
    client = Client()
    assert give_password(client).url == "/"


def test_changes_by_the_console_raise_no_alarm(authenticator, person):
    assert is_accepted(authenticator.code())
    assert is_accepted(authenticator.codes[0])
    renewed = second_factor.renew_codes(person)
    assert not is_accepted(authenticator.codes[1])
    assert is_accepted(renewed[0])
    accounts.set_roles(person.pk, ["auditor"], by=None, now=timezone.now())
    assert is_accepted(renewed[1])
    accounts.reset_second_factor(person.pk, by=factories.admin(), now=timezone.now())
    assert give_password(Client()).url == "/"
    again = set_up(type(person).objects.get(pk=person.pk))
    assert is_accepted(again.codes[0])
    second_factor.remove_authenticator(person)
    assert give_password(Client()).url == "/"
    assert checks.check_rows() == 0
    assert altered() == set()


# An existing zone, whose other rows have MACs already.


@pytest.fixture
def put_back(monkeypatch):
    """Return a function that puts a zone back to a version that has no MACs of second factors."""

    def act(*hosts):
        # The audit log is append-only, so that the entry about the new zone stays in it.
        monkeypatch.setattr(stamping, "SECOND_FACTORS_ACTION", "stamp-after-upgrade")
        list_rows(AccountMac).update(second_factor_mac="")
        list_rows(RecoveryCode).update(row_mac="")
        for host in hosts:
            (host.home / PIN).unlink(missing_ok=True)
        zone_keys.clear_cache()

    return act


@pytest.fixture
def second(zone):
    return zone.join("ps-02", messages.PRIMARY, "127.9.0.2")


def upgrade(*hosts):
    """Let the agents of these servers report that their console writes these MACs."""
    for host in hosts:
        features = [messages.FEATURE_ROW_MACS, messages.FEATURE_SECOND_FACTOR_MACS]
        Device.objects.filter(pk=host.id).update(features=features)


def change_with_previous_version(user) -> None:
    """Set up the second factor again, as a console that writes no MACs."""
    delete_factor(user)
    values = {"encrypted": encrypt_secret_of_thief(user), "confirmed_at": timezone.now()}
    sql.insert(SecondFactor(user=user, **values))


def test_an_upgraded_zone_requires_the_macs_when_all_servers_write_them(
    zone, second, authenticator, person, put_back
):
    put_back(zone.first, second)
    upgrade(zone.first)
    assert stamping.require_macs_if_ready()
    assert not (zone.home / PIN).exists()
    assert is_accepted(authenticator.code())
    change_with_previous_version(person)
    assert checks.check_rows() == 0
    assert is_accepted(compute_code_of_thief()), "the new authenticator of this person"
    upgrade(second)
    assert stamping.require_macs_if_ready()
    assert (zone.home / PIN).exists()
    assert Entry.objects.filter(action=stamping.SECOND_FACTORS_ACTION).count() == 1
    assert checks.check_rows() == 0
    fresh = type(person).objects.get(pk=person.pk)
    assert fresh.account_mac.has_second_factor_mac()
    delete_factor(person)
    assert checks.check_rows() == 1


def test_the_second_server_requires_them_and_stamps_nothing(
    zone, second, authenticator, person, put_back
):
    put_back(zone.first, second)
    upgrade(zone.first, second)
    assert stamping.require_macs_if_ready()
    delete_factor_and_mac(type(person).objects.get(pk=person.pk))
    (second.home / PIN).unlink(missing_ok=True)
    zone_keys.clear_cache()
    with zone.on(second):
        assert stamping.require_macs_if_ready()
        assert (second.home / PIN).exists()
        assert checks.check_rows() == 1
    assert altered() == {f"auth.User:{person.pk}"}


def test_the_stamp_gives_no_mac_to_other_rows(zone, second, authenticator, person, put_back):
    """An account that was altered before stays altered."""
    sql.change(person, is_superuser=True)
    put_back(zone.first, second)
    upgrade(zone.first, second)
    assert stamping.require_macs_if_ready()
    assert checks.check_rows() == 1
    assert altered() == {f"auth.User:{person.pk}"}


def test_a_forged_entry_does_not_lock_anyone_out(zone, second, authenticator, put_back):
    put_back(zone.first, second)
    Entry.objects.record(stamping.SECOND_FACTORS_ACTION, "devices.Zone:1", note="MAC: forged")
    assert stamping.require_macs_if_ready()
    assert not (zone.home / PIN).exists()
    upgrade(zone.first, second)
    assert stamping.require_macs_if_ready()
    assert is_accepted(authenticator.code())


def test_the_command_stamps_second_factors_once(zone, second, authenticator, person, put_back):
    put_back(zone.first, second)
    call_command("check_rows", "--stamp")
    assert (zone.home / PIN).exists()
    delete_factor_and_mac(type(person).objects.get(pk=person.pk))
    with pytest.raises(CommandError, match="MACs already"):
        call_command("check_rows", "--stamp")
    assert checks.check_rows() == 1


def test_a_server_that_joins_requires_them_from_the_beginning(zone, second):
    identity = f'{{"id": "{second.id}", "zone_pub": "{zone.zone.public_key}"}}'
    (second.home / "device.json").write_text(identity)
    (second.home / PIN).unlink(missing_ok=True)
    zone_keys.clear_cache()
    with zone.on(second):
        assert zone_keys.get_row_key().requires_second_factors
        assert (second.home / PIN).exists()


def test_a_server_that_joins_before_the_stamp_waits_for_it(zone, authenticator, put_back):
    put_back(zone.first)
    joined = zone.join("ps-03", messages.PRIMARY, "127.9.0.3")
    identity = f'{{"id": "{joined.id}", "zone_pub": "{zone.zone.public_key}"}}'
    (joined.home / "device.json").write_text(identity)
    zone_keys.clear_cache()
    with zone.on(joined):
        assert stamping.require_macs_if_ready()
        assert not (joined.home / PIN).exists()
        assert checks.check_rows() == 0
        upgrade(zone.first, joined)
        assert stamping.require_macs_if_ready()
        assert (joined.home / PIN).exists()
        assert checks.check_rows() == 0


def test_an_unconfirmed_setup_raises_no_alarm(zone, person):
    second_factor.start_setup(person)
    assert checks.check_rows() == 0
    assert give_password(Client()).url == "/"
    SecondFactor.objects.filter(user=person).update(last_step=1)
    later = timezone.now() + timedelta(minutes=1)
    assert not second_factor.verify_code(person, "ABCD", now=later)
