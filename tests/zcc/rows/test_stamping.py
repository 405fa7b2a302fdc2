"""A zone of the previous version gets its MACs once, and refuses rows without one afterwards.

See: D-170
"""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from administrators.protection import account_macs
from audit.models import AlteredRow, Entry, list_authenticated_models, list_rows
from audit.rows import alarms
from console.models import ApiToken
from devices.identity import key_pin, zone_keys
from devices.models import Device, ZoneKey
from devices.registration import registration
from pki.protection import zone_key
from tests.support import factories
from tests.zcc.rows import sql
from wire import messages
from zcc.rows import checks, stamping

PIN = "vault/zone-master.pin"


@pytest.fixture
def put_back(monkeypatch):
    """Return a function that puts a zone back to the previous version.

    It has no MAC, no pin, and no entry about stamped rows, but a checkpoint file.
    """

    def act(zone, *hosts):
        # The audit log is append-only, so that the entry about the new zone stays in it.
        monkeypatch.setattr(stamping, "ACTION", "stamp-rows-after-upgrade")
        for model in list_authenticated_models():
            list_rows(model).update(row_mac="")
        ApiToken.objects.update(row_mac="")
        ZoneKey.objects.update(signature="")
        for host in (zone.first, *hosts):
            for name in (PIN, "vault/second-factors.pin"):
                (host.home / name).unlink(missing_ok=True)
            (host.home / "audit-head.json").write_text("{}")
        zone_keys.clear_cache()

    return act


def upgrade(*hosts):
    """Let the agents of these servers report that their console writes MACs."""
    for host in hosts:
        Device.objects.filter(pk=host.id).update(features=[messages.FEATURE_ROW_MACS])


@pytest.fixture
def second(zone):
    return zone.join("ps-02", messages.PRIMARY, "127.9.0.2")


def test_rows_are_stamped_when_all_primary_servers_are_upgraded(zone, second, put_back):
    put_back(zone, second)
    admin = factories.admin()
    upgrade(zone.first)
    assert not stamping.require_macs_if_ready()
    assert Device.objects.get(pk=second.id).is_authentic(), "accepted until then"
    upgrade(second)
    assert stamping.require_macs_if_ready()
    assert (zone.home / PIN).exists()
    assert Entry.objects.filter(action=stamping.ACTION).count() == 1
    assert checks.check_rows() == 0
    assert Device.objects.get(pk=second.id).row_mac
    sql.change(Device.objects.get(pk=second.id), row_mac="")
    assert not Device.objects.get(pk=second.id).is_authentic()
    assert admin.account_mac.is_authentic()


def test_the_second_server_requires_macs_and_stamps_nothing(zone, second, put_back):
    put_back(zone, second)
    upgrade(zone.first, second)
    assert stamping.require_macs_if_ready()
    inserted = factories.device("pc-99")
    sql.change(inserted, row_mac="")
    with zone.on(second):
        assert stamping.require_macs_if_ready()
        assert checks.check_rows() == 1
    assert AlteredRow.objects.get().key == str(inserted.pk)
    assert (second.home / PIN).exists()


def test_a_server_that_joins_requires_macs_from_the_beginning(zone, second):
    inserted = factories.device("pc-99")
    sql.change(inserted, row_mac="")
    with zone.on(second):
        assert not Device.objects.get(pk=inserted.pk).is_authentic()
        assert (second.home / PIN).exists()


def test_the_command_stamps_the_rows_of_a_zone_with_a_lost_server(zone, second, capsys, put_back):
    put_back(zone, second)
    call_command("check_rows", "--stamp")
    assert "Rows without a MAC are rejected" in capsys.readouterr().out
    assert checks.check_rows() == 0


def test_the_stamp_ends_alarms_about_rows_that_had_no_mac(zone, second, put_back):
    put_back(zone, second)
    alarms.record("devices.Device", zone.first.id, "ps-01")
    alarms.record("auth.User", factories.admin().pk, "admin")
    call_command("check_rows", "--stamp")
    assert not AlteredRow.objects.exists()


def test_a_forged_entry_does_not_keep_a_zone_from_getting_its_macs(zone, second, put_back):
    put_back(zone, second)
    Entry.objects.record(stamping.ACTION, "devices.Zone:1", note="forged")
    upgrade(zone.first, second)
    assert stamping.require_macs_if_ready()
    assert Device.objects.get(pk=second.id).row_mac


def test_a_zone_that_kept_its_checkpoint_in_zcc_home_is_upgraded(
    zone, put_back, settings, tmp_path
):
    identity = {"id": zone.first.id, "zone_pub": zone.zone.public_key}
    (zone.first.home / "device.json").write_text(json.dumps(identity))
    put_back(zone)
    settings.ZCC_HOME = tmp_path
    (zone.first.home / "audit-head.json").unlink()
    with pytest.raises(zone_keys.ReplacedZoneKey, match="not signed"):
        zone_keys.get_keyring().master  # noqa: B018 - decrypts the key
    (tmp_path / "audit-head.json").write_text("{}")
    assert zone_keys.get_keyring().zone_key
    upgrade(zone.first)
    assert stamping.require_macs_if_ready()
    assert (zone.first.home / PIN).exists()
    assert checks.check_rows() == 0


def test_a_server_that_joins_before_the_stamp_raises_no_alarms(zone, put_back):
    """It requires MACs when the other servers do."""
    put_back(zone)
    with open_keys_of_a_joining_server(zone) as joined:
        assert not (joined.home / PIN).exists()
        assert not stamping.require_macs_if_ready()
        assert checks.check_rows() == 0
        (joined.home / "audit-head.json").write_text("{}")
        upgrade(zone.first, joined)
        assert stamping.require_macs_if_ready()
        assert (joined.home / PIN).exists()
        assert checks.check_rows() == 0


def test_a_server_that_joins_after_the_stamp_cannot_be_kept_from_requiring_macs(zone):
    """Only the zone key can say that the rows have no MACs yet, for one encrypted key."""
    with open_keys_of_a_joining_server(zone) as joined:
        row = ZoneKey.objects.get(server=joined.id, kind="master")
        binding = zone_keys.build_binding(zone.zone, row.kind, row.server_id)
        forged = key_pin.sign_blob(
            zone_key.generate_zone_key()[0], binding=binding, blob=row.blob, requires_macs=False
        )
        (joined.home / PIN).unlink()
        sql.change(row, signature=forged)
        zone_keys.clear_cache()
        with pytest.raises(zone_keys.ReplacedZoneKey):
            _ = zone_keys.get_keyring().master


@contextmanager
def open_keys_of_a_joining_server(zone):
    """Let a Primary Server with an agent join, and let this process be its worker."""
    joined = zone.join("ps-03", messages.PRIMARY, "127.9.0.3")
    identity = {"id": joined.id, "zone_pub": zone.zone.public_key}
    (joined.home / "device.json").write_text(json.dumps(identity))
    with zone.on(joined):
        assert zone_keys.get_keyring().row_key
        yield joined


def test_a_change_before_the_stamp_gives_a_row_its_mac(zone, second, put_back):
    """During an upgrade, consoles of the new version write MACs, and accept rows without one."""
    put_back(zone, second)
    device = factories.device("pc-02")
    sql.change(device, row_mac="")
    Device.objects.filter(pk=device.pk).update(name="pc-03")
    assert Device.objects.get(pk=device.pk).row_mac


def test_a_change_before_the_stamp_does_not_make_a_server_require_macs(zone, second, put_back):
    put_back(zone, second)
    upgrade(zone.first)
    own = zone.device(zone.first)
    registration.save_dns_names(own, ["alias.test.example"], may_add_names=True)
    assert Device.objects.get(pk=own.pk).row_mac
    assert not stamping.require_macs_if_ready()
    assert zone.device(second).is_authentic(), "rows without a MAC are still accepted"
    upgrade(second)
    assert stamping.require_macs_if_ready()
    assert checks.check_rows() == 0


def test_changes_by_a_console_of_the_previous_version_during_the_upgrade(zone, second, put_back):
    """It changes rows that already have a MAC, and does not know their MACs."""
    put_back(zone, second)
    device, user = factories.device("pc-02"), factories.admin()
    account_macs.stamp(user.pk)
    assert Device.objects.get(pk=device.pk).row_mac
    list_rows(Device).filter(pk=device.pk).update(name="pc-03")
    User.objects.filter(pk=user.pk).update(password="another hash")
    assert Device.objects.get(pk=device.pk).is_authentic()
    assert account_macs.is_authentic(User.objects.get(pk=user.pk))
    assert checks.check_rows() == 0
    upgrade(zone.first, second)
    assert stamping.require_macs_if_ready()
    assert checks.check_rows() == 0
    assert Device.objects.get(pk=device.pk).has_mac()
    assert User.objects.get(pk=user.pk).account_mac.has_mac()


def test_the_command_gives_no_mac_to_a_row_that_was_altered_afterwards(zone):
    device = factories.device("pc-02")
    sql.change(device, name="pc-03")
    with pytest.raises(CommandError, match="MACs already"):
        call_command("check_rows", "--stamp")
    assert not Device.objects.get(pk=device.pk).is_authentic()


def test_the_command_gives_no_mac_to_a_row_that_was_inserted_afterwards(zone, second):
    """Also not on a server that does not require MACs yet."""
    inserted = factories.device("pc-99")
    sql.change(inserted, row_mac="")
    (second.home / PIN).unlink(missing_ok=True)
    for host in (zone.first, second):
        with zone.on(host), pytest.raises(CommandError, match="MACs already"):
            call_command("check_rows", "--stamp")
    assert Device.objects.get(pk=inserted.pk).row_mac == ""


def test_a_restored_database_needs_nothing(zone):
    """The MACs are in the rows, and their key is derived from the zone master."""
    device = factories.device("pc-02")
    stored = dict(Device.objects.filter(pk=device.pk).values().get())
    Device.objects.filter(pk=device.pk).update(name="later")
    sql.change(device, **{name: stored[name] for name in ("name", "row_mac")})
    zone_keys.clear_cache()
    assert Device.objects.get(pk=device.pk).is_authentic()
    assert checks.check_rows() == 0
