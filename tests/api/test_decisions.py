"""REST API of decisions on devices: taken names, releases, and changes that servers report."""

from __future__ import annotations

from devices.models import Device
from tests.api.conftest import problem, refuses, succeeds
from tests.devices.registration.test_decisions import CHANGES, return_as, satellite
from tests.devices.registration.test_server_names import register
from tests.support.zone import Host
from wire import messages


@succeeds("POST /devices/{device_id}/approve-change", "POST /devices/{device_id}/reject-change")
@refuses("POST /devices/{device_id}/approve-change", "POST /devices/{device_id}/reject-change")
def test_a_change_of_a_server_is_shown_and_decided(everybody, zone):
    host = satellite(zone)
    return_as(host, **CHANGES["fqdn"])
    url = f"devices/{host.id}"
    shown = everybody.get(url).json()["requested_change"]
    before, after = "as-01.test.example", "console.bank.example"
    assert shown["changes"] == [{"name": "fqdn", "before": before, "after": after}]
    assert shown["address"] == "127.0.0.1"
    problem(everybody.post(f"{url}/approve-change", {"at": "2020-01-01T00:00:00+00:00"}), 409)
    rejected = everybody.post(f"{url}/reject-change", {"at": shown["at"]}).json()
    assert (rejected["requested_change"], rejected["fqdn"]) == (None, before)
    problem(everybody.post(f"{url}/reject-change", {}), 409)
    return_as(host, **CHANGES["fqdn"])
    approved = everybody.post(f"{url}/approve-change", {}).json()
    assert (approved["requested_change"], approved["fqdn"]) == (None, after)


@succeeds("POST /devices/{device_id}/replace", "POST /devices/{device_id}/release")
@refuses("POST /devices/{device_id}/replace", "POST /devices/{device_id}/release")
def test_a_taken_name_is_decided(everybody, zone):
    real = zone.join("pc-1")
    real.refresh()
    second = register(zone, Host("pc-1", messages.MANAGED, "10.1.1.1")).json()["id"]
    assert everybody.get(f"devices/{second}").json()["replaces_id"] == real.id
    problem(everybody.post(f"devices/{real.id}/replace"), 409)
    replaced = everybody.post(f"devices/{second}/replace").json()
    assert (replaced["name"], replaced["state"]) == ("pc-1", "registered")
    assert everybody.post(f"devices/{second}/release").json()["released_until"]
    assert Device.objects.get(pk=real.id).state == "retired"
    problem(everybody.post(f"devices/{real.id}/release"), 409)
