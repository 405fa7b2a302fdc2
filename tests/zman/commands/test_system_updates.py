"""System updates, deployment stages, registration keys, and settings with zman."""

from __future__ import annotations

import pytest

from devices.models import Device, RegistrationKey, Zone
from systemupdates.models import Assignment, Replica, Stage, SystemUpdate
from systemupdates.updates.states import AssignmentState, ReplicaState
from tests.support import factories
from wire import messages
from zman.cli import exit_codes
from zman.cli.times import parse_duration


@pytest.fixture
def update(zone):
    """An update that failed on one device and is missing on one content server."""
    satellite = zone.join("cs-1", messages.CONTENT_SATELLITE)
    server = Device.objects.get(pk=zone.first.id)
    made = factories.update(server, state="assigned", name="Remint", assigned_at=factories.now())
    factories.replica(made, Device.objects.get(pk=satellite.id), ReplicaState.FAILED)
    factories.assignment(
        made, factories.device("pc-1"), AssignmentState.FAILED, reason="Disk full."
    )
    factories.assignment(made, factories.device("pc-2"), AssignmentState.ACTIVATED)
    return made


def state(device):
    return Assignment.objects.get(device__name=device).state


def test_actions_on_the_devices_of_an_update(shell, update):
    listed = shell.json("list", "assignments", "--update", "Remint", "--sort=-device")
    assert [one["device"] for one in listed] == ["pc-2", "pc-1"]
    run = shell.good("refresh", "pc-1", "--update", "Remint")
    assert "zac refresh" in run.err
    assert Assignment.objects.get(device__name="pc-1").redeploy
    shell.good("clear-error", "pc-1", "--update", "Remint")
    assert state("pc-1") == "assigned"
    assert shell("clear-error", "pc-1", "--update", "Remint").code == exit_codes.REFUSED
    Assignment.objects.filter(device__name="pc-1").update(state="failed")
    shell.good("redeploy", "--update", "Remint")
    assert state("pc-1") == "assigned"
    assert shell("redeploy", "--update", "Remint").code == exit_codes.REFUSED
    assert shell("refresh", "pc-9", "--update", "Remint").code == exit_codes.USAGE


def test_a_content_server_is_excluded_and_included(shell, update):
    listed = shell.json("list", "replicas", "--update", "Remint")
    assert [(one["server"], one["status"]) for one in listed] == [("cs-1", "Offline")]
    shell.good("replicate", "--update", "Remint")
    assert Replica.objects.get().state == "pending"
    assert shell.json("replica", "exclude", "--server", "cs-1", "--update", "Remint")["may_include"]
    shell.good("replica", "include", "--server", "cs-1", "--update", "Remint")
    assert Replica.objects.get().state == "pending"
    assert (
        shell("replica", "include", "--server", "cs-1", "--update", "Remint").code
        == exit_codes.REFUSED
    )
    assert (
        shell("replica", "include", "--server", "cs-9", "--update", "Remint").code
        == exit_codes.USAGE
    )
    assert shell("replicate").code == exit_codes.NOT_FOUND, "no operation is in progress"


def test_an_update_is_shown_baselined_and_deleted(shell, update):
    assert shell.json("show", "release", "Remint")["signature"] == "none"
    assert shell("baseline", "Remint").code == exit_codes.REFUSED
    SystemUpdate.objects.update(state="completed")
    assert shell.json("baseline", "Remint")["state"] == "baselined"
    assert "deleted" in shell.good("delete", "Remint").err
    assert SystemUpdate.objects.get().deleted_at is not None
    assert shell("delete", "Remint").code == exit_codes.NOT_FOUND


def test_stages_are_created_changed_moved_and_removed(shell):
    factories.device("pc-1")
    shell.good("stage", "add", "pilot", "--member", "pc-1", "--timeout", "12h")
    made = shell.json("stage", "add", "branch")
    assert made["timeout_seconds"] == Zone.objects.get_zone().stage_timeout_seconds
    assert "number 1" in shell.good("stage", "move", "branch", "up").err
    assert [one["name"] for one in shell.json("list", "stages")] == ["branch", "pilot"]
    changed = shell.json("stage", "change", "pilot", "--name", "first")
    assert [member["name"] for member in changed["members"]] == ["pc-1"]
    assert changed["timeout_seconds"] == 12 * 3600
    assert shell("stage", "add", "x", "--member", "pc-9").code == exit_codes.USAGE
    assert shell("stage", "add", "x", "--timeout", "soon").code == exit_codes.USAGE
    shell.good("stage", "remove", "first")
    assert shell("stage", "remove", "first").code == exit_codes.NOT_FOUND
    assert Stage.objects.get().name == "branch"


def test_a_registration_key_is_created_and_revoked(shell):
    run = shell.good("registration-key", "create", "branch", "--uses", "3", "--until", "+7d")
    assert run.out.startswith("zac reg https://127.9.0.1:8443 --key zcc1-")
    key = RegistrationKey.objects.get(label="branch")
    assert (key.uses_left, key.expires_at is not None) == (3, True)
    shell.good("registration-key", "revoke", str(key.pk))
    assert RegistrationKey.objects.get(pk=key.pk).revoked_at
    assert shell("registration-key", "create", "x", "--role", "king").code == exit_codes.USAGE


def test_a_registration_key_that_approves_servers_has_limits(shell):
    create = ("registration-key", "create", "lyon", "--role", "primary", "--approves")
    run = shell(*create, "--domain", "lyon.example.com")
    assert run.code == exit_codes.USAGE
    assert "No key was created" in run.err
    limits = ("--domain", "lyon.example.com", "--network", "10.1.0.0/16", "--device", "ps-9")
    shell.good(*create, *limits)
    key = RegistrationKey.objects.get()
    assert (key.domains, key.networks, key.device) == (
        ["lyon.example.com"],
        ["10.1.0.0/16"],
        "ps-9",
    )
    listed = shell.good("list", "registration-keys", "-o", "wide").out
    assert "lyon.example.com" in listed


def test_settings_of_the_zone_and_of_a_device_are_changed(shell, zone):
    shell.good("set", "zone", "refresh-seconds=90", "automatic_renewal=no")
    the = Zone.objects.get_zone()
    assert (the.refresh_seconds, the.automatic_renewal) == (90, False)
    shell.good("set", "zone", "refresh_seconds=2h", "grace_seconds=30d")
    the = Zone.objects.get_zone()
    assert (the.refresh_seconds, the.grace_seconds) == (7200, 30 * 86_400)
    run = shell("set", "zone", "refresh_seconds=abc")
    assert run.code == exit_codes.USAGE
    assert "abc is not a valid duration." in run.err
    run = shell("set", "zone", "refresh_seconds=0")
    assert run.code == exit_codes.USAGE
    assert "invalid: refresh_seconds: Input should be" in run.err
    assert shell("set", "zone", "colour=red").code == exit_codes.USAGE
    assert shell("set", "zone", "refresh_seconds").code == exit_codes.USAGE
    zone.join("cs-1", messages.CONTENT_SATELLITE)
    shell.good("set", "device", "cs-1", "replication_seconds=60")
    shell.good("set", "device", "cs-1", "replicates=no")
    device = Device.objects.get(name="cs-1")
    assert (device.replication_seconds, device.replicates) == (60, False)
    shell.good("set", "device", "cs-1", "replication_seconds=")
    assert Device.objects.get(name="cs-1").replication_seconds is None
    shell.good("set", "device", "ps-01", "dns_names=a.example,b.example")
    assert Device.objects.get(name="ps-01").dns_names == ["a.example", "b.example"]
    assert shell("set", "device", "ps-01", "colour=red").code == exit_codes.USAGE


def test_trust_and_stragglers_are_shown(shell):
    assert [root["state"] for root in shell.json("show", "trust")["roots"]] == ["current"]
    assert [one["status"] for one in shell.json("list", "stragglers")] == ["not-yet"]
    assert shell.json("list", "stragglers", "--search", "nobody") == []
    assert shell.json("list", "waiting-servers") == []
    assert shell("list", "tokens", "--sort", "name").code == exit_codes.USAGE


def test_durations_are_parsed():
    assert [parse_duration(text) for text in ("45", "90m", "12h", "3d")] == [
        *(45, 5400, 43_200, 259_200),
    ]
