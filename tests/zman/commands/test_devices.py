"""Decisions on devices with zman."""

from __future__ import annotations

from tests.devices.registration.test_decisions import CHANGES, return_as, satellite
from tests.devices.registration.test_server_names import register
from tests.support.zone import Host
from wire import messages
from wire.host_messages import HookReport, HookResult, HostReport
from wire.records import to_plain


def test_a_change_is_shown_and_decided(shell, zone):
    host = satellite(zone)
    return_as(host, **CHANGES["fqdn"])
    run = shell.good("approve-change", "as-01", "--yes")
    assert "fqdn: as-01.test.example -> console.bank.example" in run.out + run.err
    assert "New in this certificate: console.bank.example, 10.1.1.1" in run.out + run.err
    assert zone.device(host).fqdn == "console.bank.example"
    return_as(host)
    shell.good("reject-change", "as-01", "--yes")
    assert zone.device(host).requested_change == {}


def test_a_name_is_released_and_a_device_is_replaced(shell, zone):
    real = zone.join("pc-1")
    real.refresh()
    second = register(zone, Host("pc-1", messages.MANAGED, "10.1.1.1")).json()["id"]
    shell.good("replace", "pc-1 (2)", "--yes")
    shell.good("release", second, "--yes")
    assert zone.device(real).state == "retired"


def test_failed_hooks_are_shown(shell, zone):
    failed = HookResult("reload-nginx", "activated", "failed", 7, 1.5, "nginx is not running")
    report = HostReport(HookReport(1_800_000_000.0, [failed]))
    zone.join("pc-1").refresh(host_report=to_plain(report))
    found = shell.good("show", "device", "pc-1").out
    assert "nginx is not running" in found
