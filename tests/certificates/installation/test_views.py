"""The page Add Devices: keys, commands, and the devices that appear."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device, RegistrationKey, Role
from devices.registration.states import DeviceState
from systemupdates.downloads import agent_files
from tests.support import clients, factories
from tests.support.zone import TestZone

PAGE, POLL = "/devices/add/", "/devices/added/"
FORM = {"label": "branch", "role": "managed", "uses": "5", "days": "7"}


@pytest.fixture
def admin(zone: TestZone) -> Client:
    agent_files.publish_agent_files()
    return clients.log_in(factories.admin())


def content(client: Client, path: str) -> str:
    return client.get(path, secure=True).content.decode()


def test_the_page_shows_the_digest_of_what_the_server_sends(admin: Client) -> None:
    page = content(admin, PAGE)
    file = agent_files.list_agent_files()[0]
    assert f"{file.sha256}  zac.pyz" in page
    assert "/zenworks-setup/zac.pyz" in page


def test_a_new_key_is_part_of_the_commands_once(admin: Client) -> None:
    response = admin.post(PAGE, FORM, secure=True)
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    key = response.context["created"]
    assert f"--key {key}" in response.content.decode()
    assert RegistrationKey.objects.get().label == "branch"
    page = content(admin, PAGE)
    assert key not in page
    assert "--key -" in page
    assert "branch" in page


def test_a_key_that_is_not_valid_is_not_created(admin: Client) -> None:
    """The validations are those of the page Registration Keys."""
    response = admin.post(PAGE, {**FORM, "role": "primary", "approves": "on"}, secure=True)
    assert response.status_code == 422
    assert not RegistrationKey.objects.exists()


def test_only_valid_keys_of_the_role_are_listed(admin: Client) -> None:
    now = timezone.now()
    rows: dict[str, dict[str, Any]] = {
        "usable": {},
        "other role": {"role": Role.CONTENT_SATELLITE},
        "revoked": {"revoked_at": now},
        "expired": {"expires_at": now - timedelta(days=1)},
        "used up": {"uses_left": 0},
    }
    for label, values in rows.items():
        RegistrationKey.objects.create(label=label, digest=label, **values)
    shown = admin.get(PAGE, secure=True).context["keys"]
    assert [key.label for key in shown] == ["usable"]


def test_an_unknown_role_or_system_shows_the_usual_one(admin: Client) -> None:
    context = admin.get(f"{PAGE}?role=x&system=y", secure=True).context
    assert (context["role"], context["system"]) == ("managed", "linux")


def test_a_device_appears_when_it_registers(admin: Client, zone: TestZone) -> None:
    revision = admin.get(PAGE, secure=True).context["revision"]
    assert admin.get(f"{POLL}?rev={revision}", secure=True).status_code == 204
    zone.join("pc-9")
    response = admin.get(f"{POLL}?rev={revision}", secure=True)
    assert response.status_code == 200
    page = response.content.decode()
    assert "pc-9" in page
    assert "Not yet" in page
    device = Device.objects.get(name="pc-9")
    Device.objects.filter(pk=device.pk).update(last_contact=device.registered_at)
    after = admin.get(f"{POLL}?rev={response.context['revision']}", secure=True)
    assert "In contact" in after.content.decode()


def test_a_server_that_waits_can_be_approved(admin: Client) -> None:
    device = factories.server("sat-9", Role.AUTHENTICATION_SATELLITE)
    Device.objects.filter(pk=device.pk).update(
        state=DeviceState.WAITING, registered_at=timezone.now()
    )
    assert f"/devices/{device.pk}/approve/" in content(admin, POLL)


def test_older_devices_are_not_shown(admin: Client) -> None:
    factories.device("pc-old", registered_at=timezone.now() - timedelta(hours=2))
    assert "pc-old" not in content(admin, POLL)


def test_the_poll_does_not_grow_with_the_devices(admin: Client) -> None:
    now = timezone.now()
    factories.device("pc-000", registered_at=now)
    admin.get(POLL, secure=True)
    with CaptureQueriesContext(connection) as one:
        admin.get(POLL, secure=True)
    for number in range(1, 30):
        factories.device(f"pc-{number:03}", registered_at=now)
    with CaptureQueriesContext(connection) as many:
        response = admin.get(POLL, secure=True)
    assert len(response.context["added"]) == 20
    assert len(many) == len(one)


def test_the_home_page_of_an_empty_zone_links_to_it_first(admin: Client) -> None:
    page = content(admin, "/")
    main = page[page.index("<main") :]
    assert main.index(PAGE) < main.index('class="tiles"')
    assert "No satellites or managed devices have been added" in main
    factories.device("pc-1")
    page = content(admin, "/")
    assert "managed devices have been added" not in page
