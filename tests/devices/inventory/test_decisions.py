"""The device page shows what an administrator must decide, and the decision is one click."""

from __future__ import annotations

from devices.models import Device
from tests.devices.registration.test_decisions import CHANGES, return_as, satellite
from tests.devices.registration.test_server_names import register
from tests.support import factories
from tests.support.clients import log_in
from tests.support.zone import Host
from wire import messages


def test_the_page_shows_old_and_new_values_and_the_change_is_approved(zone):
    host = satellite(zone)
    return_as(host, **CHANGES["fqdn"])
    browser, url = log_in(factories.admin()), f"/devices/{host.id}/"
    page = browser.get(url).content.decode()
    assert "This server reports different values. Its record has not been changed." in page
    assert "as-01.test.example" in page
    assert "console.bank.example" in page
    assert "Review change" in browser.get("/configuration/registration-keys/").content.decode()
    at = zone.device(host).requested_change["at"]
    browser.post(f"{url}change/", {"at": at, "decision": "approve"})
    assert zone.device(host).fqdn == "console.bank.example"
    return_as(host)
    browser.post(f"{url}change/", {"decision": "reject"})
    assert zone.device(host).fqdn == "console.bank.example"


def test_the_page_of_a_device_whose_name_was_taken_leads_to_the_decision(zone):
    real = zone.join("pc-1")
    real.refresh()
    second = register(zone, Host("pc-1", messages.MANAGED, "10.1.1.1")).json()["id"]
    browser = log_in(factories.admin())
    page = browser.get(f"/devices/{real.id}/").content.decode()
    assert "Another device registered with a key and the name pc-1." in page
    assert f"/devices/{second}/" in page
    page = browser.get(f"/devices/{second}/").content.decode()
    assert "while pc-1 was in contact" in page
    assert f"/devices/{second}/replace/" in page
    epoch = Device.objects.get(pk=second).credential_epoch
    browser.post(f"/devices/{second}/replace/", {"epoch": epoch + 1})
    assert Device.objects.get(pk=second).state == "waiting", "it has registered again since"
    browser.post(f"/devices/{second}/replace/", {"epoch": epoch})
    assert Device.objects.get(pk=second).name == "pc-1"


def test_a_device_is_released_for_re_imaging(zone):
    real = zone.join("pc-1")
    real.refresh()
    browser = log_in(factories.admin())
    assert "Release for Re-imaging" in browser.get(f"/devices/{real.id}/").content.decode()
    browser.post(f"/devices/{real.id}/release/")
    assert zone.device(real).released_until is not None
    assert "is released for re-imaging" in browser.get(f"/devices/{real.id}/").content.decode()
