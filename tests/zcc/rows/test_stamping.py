"""A zone of the previous version gets its MACs once, and refuses rows without one afterwards.

See: D-170
"""

from __future__ import annotations

import pytest
from django.core.management import call_command

from audit.models import AlteredRow, Entry, list_authenticated_models, list_rows
from console.models import ApiToken
from devices.identity import zone_keys
from devices.models import Device, ZoneKey
from tests.support import factories
from tests.zcc.rows import sql
from wire import messages
from zcc.rows import checks, stamping

PIN = "vault/zone-master.pin"


def put_back(zone, *hosts):
    """Put the zone back to the previous version: no MAC, no pin, but a checkpoint file."""
    for model in list_authenticated_models():
        list_rows(model).update(row_mac="")
    ApiToken.objects.update(row_mac="")
    ZoneKey.objects.update(signature="")
    for host in (zone.first, *hosts):
        (host.home / PIN).unlink(missing_ok=True)
        (host.home / "audit-head.json").write_text("{}")
    zone_keys.clear_cache()


def upgrade(*hosts):
    """Let the agents of these servers report that their console writes MACs."""
    for host in hosts:
        Device.objects.filter(pk=host.id).update(features=[messages.FEATURE_ROW_MACS])


@pytest.fixture
def second(zone):
    return zone.join("ps-02", messages.PRIMARY, "127.9.0.2")


def test_rows_are_stamped_when_all_primary_servers_are_upgraded(zone, second):
    put_back(zone, second)
    admin = factories.admin()
    upgrade(zone.first)
    assert not stamping.require_macs_if_ready()
    assert Device.objects.get(pk=second.id).is_authentic(), "accepted until then"
    upgrade(second)
    assert stamping.require_macs_if_ready()
    assert (zone.home / PIN).exists()
    assert Entry.objects.filter(action="stamp-rows").count() == 2
    assert checks.check_rows() == 0
    assert Device.objects.get(pk=second.id).row_mac
    sql.change(Device.objects.get(pk=second.id), row_mac="")
    assert not Device.objects.get(pk=second.id).is_authentic()
    assert admin.account_mac.is_authentic()


def test_the_second_server_requires_macs_and_stamps_nothing(zone, second):
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


def test_the_command_stamps_the_rows_of_a_zone_with_a_lost_server(zone, second, capsys):
    put_back(zone, second)
    call_command("check_rows", "--stamp")
    assert "Rows without a MAC are rejected" in capsys.readouterr().out
    assert checks.check_rows() == 0


def test_a_change_before_the_stamp_gives_a_row_its_mac(zone, second):
    """During an upgrade, consoles of the new version write MACs, and accept rows without one."""
    put_back(zone, second)
    device = factories.device("pc-02")
    sql.change(device, row_mac="")
    Device.objects.filter(pk=device.pk).update(name="pc-03")
    assert Device.objects.get(pk=device.pk).row_mac


def test_a_restored_database_needs_nothing(zone):
    """The MACs are in the rows, and their key is derived from the zone master."""
    device = factories.device("pc-02")
    stored = dict(Device.objects.filter(pk=device.pk).values().get())
    Device.objects.filter(pk=device.pk).update(name="later")
    sql.change(device, **{name: stored[name] for name in ("name", "row_mac")})
    zone_keys.clear_cache()
    assert Device.objects.get(pk=device.pk).is_authentic()
    assert checks.check_rows() == 0
