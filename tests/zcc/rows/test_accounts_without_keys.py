"""A server that cannot open its zone keys lets no one log in: SQL alone can cause that.

See: D-241
"""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from administrators.login.login import PasswordBackend
from administrators.protection import account_macs
from console.access import api_tokens
from console.models import ApiToken
from devices.identity import zone_keys
from devices.models import ZoneKey
from tests.support import clients, factories
from tests.zcc.rows import sql
from wire import messages

REASON = "cannot open its zone keys"
PIN = "vault/zone-master.pin"


@pytest.fixture
def person(zone):
    return factories.user("person")


def restart_without_keys(zone):
    """Delete the encrypted zone keys of this server with SQL, and restart it."""
    assert zone_keys.get_keyring().pin.exists
    keys = list(ZoneKey.objects.filter(server=zone.first.id).values())
    sql.run("DELETE FROM devices_zonekey", [])
    zone_keys.clear_cache()
    return keys


def give_password(client):
    return client.post("/login/", {"username": "person", "password": factories.PASSWORD})


def test_a_forged_administrator_cannot_log_in(zone, person):
    sql.change(person, is_superuser=True)
    restart_without_keys(zone)
    for response in (give_password(Client()), Client().get("/login/")):
        assert response.status_code == 503
        page = response.content.decode()
        assert REASON in page
        assert "manage.py check_rows" in page
    with pytest.raises(account_macs.AccountsNotVerified):
        PasswordBackend().authenticate(None, "person", factories.PASSWORD)


def test_a_session_is_not_used_until_the_keys_are_available(zone, person):
    client = clients.log_in(person)
    assert client.get("/").status_code == 200
    keys = restart_without_keys(zone)
    response = client.get("/")
    assert (response.status_code, response["Location"][:7]) == (302, "/login/")
    assert client.get(response["Location"]).status_code == 503
    ZoneKey.objects.bulk_create(ZoneKey(**values) for values in keys)
    zone_keys.clear_cache()
    assert client.get("/").status_code == 200


def test_an_api_token_is_not_used(zone, person):
    text, digest = api_tokens.new_secret()
    ApiToken.objects.create(user=person, name="own", digest=digest)
    account_macs.stamp_token(ApiToken.objects.get())
    sql.change(person, is_superuser=True)
    restart_without_keys(zone)
    response = Client().get("/api/v1/devices", headers={"Authorization": f"Bearer {text}"})
    assert response.status_code == 503
    assert REASON in response.json()["detail"]
    wrong = Client().get("/api/v1/devices", headers={"Authorization": "Bearer zcct_x"})
    assert wrong.status_code == 401


def test_no_right_is_given(zone, person):
    right = factories.Permission.objects.get(codename="certificate_authority")
    sql.run(
        "INSERT INTO auth_user_user_permissions (user_id, permission_id) VALUES (%s, %s)",
        [person.pk, right.pk],
    )
    restart_without_keys(zone)
    fresh = type(person).objects.get(pk=person.pk)
    with pytest.raises(account_macs.AccountsNotVerified):
        fresh.has_perm("certificates.certificate_authority")


def test_a_command_on_the_server_reports_the_cause(zone, person):
    restart_without_keys(zone)
    with pytest.raises(CommandError, match="have not been encrypted for this server"):
        call_command("check_rows")


def test_a_server_of_a_zone_without_macs_still_accepts_accounts(zone, person):
    """It has not required a MAC yet, and gets its keys from another server."""
    restart_without_keys(zone)
    (zone.home / PIN).unlink()
    zone_keys.clear_cache()
    (zone.home / "device.json").write_text(f'{{"id": "{zone.first.id}"}}')
    assert give_password(Client()).status_code == 302


def test_a_second_server_with_its_keys_lets_administrators_log_in(zone, person):
    second = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    with zone.on(second):
        assert zone_keys.get_keyring().row_key
    sql.run(f"DELETE FROM devices_zonekey WHERE server_id <> '{second.guid.hex}'", [])
    zone_keys.clear_cache()
    assert Client().get("/login/").status_code == 503
    with zone.on(second):
        assert give_password(Client()).status_code == 302
