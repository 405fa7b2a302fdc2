"""Decisions on devices with zman."""

from __future__ import annotations

from tests.devices.registration.test_decisions import CHANGES, return_as, satellite
from tests.devices.registration.test_server_names import register
from tests.support.zone import Host
from wire import messages


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
