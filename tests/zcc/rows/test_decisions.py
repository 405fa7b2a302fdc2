"""SQL neither makes nor removes what an administrator must decide about a device.

See: D-243
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import RowAltered
from audit.rows import macs
from devices.identity import zone_keys
from devices.models import Device, ZoneKey
from devices.registration import changes, registration, replacement
from pki.protection import sealing
from tests.devices.registration.test_decisions import return_as
from tests.devices.registration.test_key_limits import OFFICE
from tests.devices.registration.test_server_names import register
from tests.support.zone import Host
from tests.zcc.rows import sql
from wire import messages
from zcc.rows import checks


def join_waiting(zone, name):
    """Register a managed device from outside the networks of its key. It is not approved."""
    host = Host(name, messages.MANAGED, "10.9.9.9")
    given = register(zone, host, limits=OFFICE).json()
    host.id, host.secret = given["id"], given["secret"]
    assert not given["approved"]
    return host


def test_no_administrator_approves_a_vault_key_of_a_thief(zone):
    second = zone.device(zone.join("ps-02", messages.PRIMARY, "127.9.0.2"))
    thief = sealing.generate_vault_key().public
    change = {"after": {"vault_key": thief}, "at": "2026-01-01T00:00:00+00:00", "address": ""}
    sql.change(second, requested_change=change)
    with pytest.raises(RowAltered):
        changes.approve_change(second, may_add_names=True)
    assert zone.device(zone.hosts["ps-02"]).vault_key == second.vault_key
    assert ZoneKey.objects.filter(server=second).count() == 2
    assert checks.check_rows() == 1


def test_no_value_of_a_requested_change_is_replaced(zone):
    host = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    assert return_as(host).status_code == 201
    device = zone.device(host)
    assert checks.check_rows() == 0
    forged = {**device.requested_change["after"], "vault_key": sealing.generate_vault_key().public}
    sql.change(device, requested_change={**device.requested_change, "after": forged})
    with pytest.raises(RowAltered):
        changes.approve_change(device, may_add_names=True)


@pytest.mark.parametrize("column", ["outside_key", "replaces_id"])
def test_a_waiting_device_does_not_approve_itself(zone, column):
    if column == "outside_key":
        host = join_waiting(zone, "pc-1")
        sql.change(zone.device(host), outside_key={})
    else:
        zone.join("pc-1").refresh()
        host = Host("pc-1", messages.MANAGED, "127.9.0.9")
        given = register(zone, host).json()
        host.id, host.secret = given["id"], given["secret"]
        assert zone.device(host).replaces is not None
        sql.change(zone.device(host), replaces_id=None)
    response = return_as(host)
    assert (response.status_code, "changed in the database" in response.json()["detail"]) == (
        409,
        True,
    )
    assert zone.device(host).state == "waiting"
    assert checks.check_rows() == 1


def test_a_device_replaces_no_other_one(zone):
    server = zone.device(zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.20"))
    waiting = zone.device(join_waiting(zone, "pc-1"))
    sql.change(waiting, replaces_id=server.pk)
    with pytest.raises(RowAltered):
        registration.replace(Device.objects.get(pk=waiting.pk), may_add_names=True)
    server.refresh_from_db()
    assert server.state == "registered"


def test_no_name_is_released(zone):
    real = zone.join("pc-1")
    real.refresh()
    before = zone.device(real)
    sql.change(before, released_until=timezone.now() + timedelta(days=1))
    assert register(zone, Host("pc-1", messages.MANAGED, "127.9.0.10")).status_code == 409
    assert zone.device(real).credential_epoch == before.credential_epoch


def test_decisions_of_the_console_have_a_valid_mac(zone):
    host = zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "10.1.1.1")
    return_as(host, addresses=["10.1.1.1", "10.1.1.66"])
    pc = zone.join("pc-1")
    replacement.release(zone.device(pc), now=timezone.now())
    waiting = join_waiting(zone, "pc-2")
    pc.refresh()
    zone.join("pc-3").refresh()
    second = register(zone, Host("pc-3", messages.MANAGED, "127.9.0.9")).json()
    assert Device.objects.get(pk=second["id"]).replaces is not None
    assert checks.check_rows() == 0
    changes.approve_change(zone.device(host), may_add_names=True)
    registration.approve(zone.device(waiting), may_add_names=True)
    registration.replace(Device.objects.get(pk=second["id"]), may_add_names=True)
    assert checks.check_rows() == 0


def test_a_row_without_decisions_has_the_mac_of_earlier_versions(zone):
    """An upgrade must not alter the rows of a zone."""
    device = zone.device(zone.join("pc-1"))
    names = (
        *("guid", "name", "role", "state", "fqdn", "addresses", "dns_names"),
        *("port", "content_port", "preflight_port", "credential_epoch"),
        *("vault_key", "ca_vault_key", "initial_csr"),
    )
    values = {name: getattr(device, name) for name in names}
    key = zone_keys.get_keyring().row_key
    assert device.row_mac == macs.compute(key, "devices.Device", values)
    replacement.release(device, now=timezone.now())
    assert not macs.is_made_with(
        key, zone.device(zone.hosts["pc-1"]).row_mac, "devices.Device", values
    )
