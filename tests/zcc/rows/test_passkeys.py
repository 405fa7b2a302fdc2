"""Write access to the database and a known password do not get past a passkey.

See: D-254
"""

from __future__ import annotations

import hashlib

import pytest
from django.core.management import call_command
from django.utils import timezone
from webauthn.helpers import bytes_to_base64url, encode_cbor

from administrators.accounts import accounts
from administrators.models import Passkey
from administrators.passkeys.passkeys import remove_passkey
from audit.models import AlteredRow, RowAltered
from tests.support import factories, passkeys
from tests.support.authenticators import Authenticator
from tests.support.passkeys import Browser
from tests.zcc.rows import sql
from zcc.rows import checks


@pytest.fixture
def person(zone):
    passkeys.enable()
    return factories.user("person", "certificates.certificate_authority")


@pytest.fixture
def passkey(person):
    return passkeys.add(person)


def altered() -> set[str]:
    return {f"{row.label}:{row.key}" for row in AlteredRow.objects.all()}


def is_accepted(authenticator, name="person") -> bool:
    browser = Browser()
    if browser.give_password(name).status_code != 302:
        return False
    options = browser.ask()
    if "challenge" not in options:
        return False
    response = authenticator.get(options)
    return browser.post("/login/code/", {"passkey": response}).status_code == 302


def delete_row(user) -> None:
    sql.run("DELETE FROM people_passkey WHERE user_id = %s", [user.pk])


def copy(row, **values) -> Passkey:
    fields = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    return Passkey(**{**fields, **values})


def test_deleting_the_row_does_not_turn_the_second_factor_off(passkey, person):
    delete_row(person)
    browser = Browser()
    assert browser.give_password().url == "/login/code/"
    assert "error" in browser.ask()
    assert altered() == {f"auth.User:{person.pk}"}
    assert checks.check_rows() == 1


def test_deleting_row_and_list_locks_the_account(passkey, person):
    open_session = Browser().log_in(person)
    delete_row(person)
    sql.change(type(person).objects.get(pk=person.pk).account_mac, passkeys="")
    assert Browser().give_password().status_code == 200, "the login page with its error"
    assert open_session.get("/").status_code == 302
    assert f"auth.User:{person.pk}" in altered()


def test_an_inserted_passkey_is_not_accepted(passkey, person):
    thief = Authenticator()
    thief.create({"challenge": "AA"})
    row = Passkey.objects.get()
    public = _public_key(thief)
    digest = _digest(thief.credential_id)
    values = {"credential_id": bytes_to_base64url(thief.credential_id), "digest": digest}
    inserted = copy(row, pk=77, name="thief", public_key=public, **values)
    sql.insert(inserted)
    assert not is_accepted(thief)
    assert altered() == {"people.Passkey:77"}
    assert is_accepted(passkey), "the passkey of the user is still valid"
    call_command("check_rows", "--remove", "people.Passkey:77", "--reason", "attack")
    assert checks.check_rows() == 0


def test_an_inserted_passkey_and_a_changed_list_lock_the_account(passkey, person):
    row = Passkey.objects.get()
    other = copy(row, digest="ab" * 32)
    mac = type(person).objects.get(pk=person.pk).account_mac
    sql.change(mac, passkeys=f"{mac.passkeys}\n{other.list_entry}")
    assert not is_accepted(passkey)
    assert f"auth.User:{person.pk}" in altered()


@pytest.mark.parametrize("column", ["public_key", "rp_id", "sign_count", "user_id"])
def test_a_changed_passkey_is_not_accepted(passkey, person, column):
    thief = Authenticator(credential_id=passkey.credential_id)
    values = {
        "public_key": _public_key(thief),
        "rp_id": "evil.example",
        "sign_count": 0,
        "user_id": factories.user("other").pk,
    }
    assert is_accepted(passkey)
    sql.change(Passkey.objects.get(), **{column: values[column]})
    used = thief if column == "public_key" else passkey
    assert not is_accepted(used)
    assert altered()


def test_a_removed_passkey_is_not_put_back_with_sql(passkey, person):
    """The row and its MAC are valid, but the account does not list it."""
    row = Passkey.objects.get()
    browser = Browser().log_in(person)
    browser.add(Authenticator(), "spare")
    assert browser.post(f"/preferences/passkeys/{row.pk}/remove/").status_code == 302
    sql.insert(row)
    assert not is_accepted(passkey)
    assert altered() == {f"people.Passkey:{row.pk}"}


def test_other_changes_of_the_account_do_not_accept_it(passkey, person):
    row = Passkey.objects.get()
    sql.insert(copy(row, pk=77, name="thief", digest="ab" * 32))
    accounts.set_roles(person.pk, ["auditor"], by=None, now=timezone.now())
    Browser().log_in(person).add(Authenticator(), "spare")
    assert checks.check_rows() == 1
    assert altered() == {"people.Passkey:77"}


def test_an_administrator_accepts_what_was_deleted(passkey, person):
    delete_row(person)
    assert checks.check_rows() == 1
    call_command("check_rows", "--accept", f"auth.User:{person.pk}", "--reason", "new laptop")
    assert checks.check_rows() == 0
    assert Browser().give_password().url == "/"


def test_an_altered_account_is_not_changed(passkey, person):
    row = Passkey.objects.get()
    sql.change(type(person).objects.get(pk=person.pk).account_mac, passkeys="")
    with pytest.raises(RowAltered):
        remove_passkey(person, row.pk)
    assert Passkey.objects.exists()


def _public_key(authenticator) -> str:
    numbers = authenticator.key.public_key().public_numbers()
    x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
    return bytes_to_base64url(encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y}))


def _digest(credential_id: bytes) -> str:
    return hashlib.sha256(credential_id).hexdigest()
