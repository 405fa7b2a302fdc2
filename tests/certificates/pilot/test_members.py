"""Which devices the settings select, and what they receive (D-276)."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import AlteredRow, list_rows
from certificates.agents import responses
from certificates.models import Operation, PilotSettings
from certificates.operations.states import OperationState
from certificates.pilot import members, waiting
from certificates.pilot.settings import PilotGroup, save_group
from devices.models import Device, Role
from devices.registration.states import DeviceState
from systemupdates.models import Assignment
from tests.certificates.pilot.conftest import assigned, gets_update, set_pilot
from tests.support import factories, walkthrough
from tests.support.walkthrough import step
from wire.messages import AUTHENTICATION_SATELLITE, FEATURE_PREFLIGHT


def chosen(**values):
    save_group(PilotGroup(is_on=True, **values))
    return sorted(members.choose(PilotSettings.objects.get()).values_list("name", flat=True))


@pytest.fixture
def few(db):
    """Three managed devices, a satellite without certificate, and a Primary Server."""
    factories.zone()
    now = factories.now()
    for number, name in enumerate(("pc-1", "pc-2", "pc-3")):
        factories.device(name, last_contact=now - timedelta(hours=number))
    factories.server("cs-01", role=Role.CONTENT_SATELLITE, last_contact=now - timedelta(days=1))
    factories.server("ps-01", last_contact=now)


def test_devices_are_selected_by_name_and_those_that_have_left_are_not(few):
    assert chosen(names=("pc-1", "cs-01")) == ["cs-01", "pc-1"]
    Device.objects.filter(name="pc-1").update(state=DeviceState.RETIRED)
    assert list(members.choose(PilotSettings.objects.get())) == [Device.objects.get(name="cs-01")]


def test_devices_are_selected_by_role_or_by_the_most_recent_contact(few):
    assert chosen(roles=(Role.CONTENT_SATELLITE,)) == ["cs-01"]
    assert chosen(count=2) == ["pc-1", "pc-2"]
    assert chosen(count=1, roles=(Role.CONTENT_SATELLITE,)) == ["cs-01"]


def test_by_contact_devices_without_contact_or_preflight_checks_are_not_selected(few):
    Device.objects.filter(name="pc-1").update(features=["other"])
    Device.objects.filter(name="pc-2").update(features=["other", FEATURE_PREFLIGHT])
    Device.objects.filter(name="pc-3").update(last_contact=None)
    assert chosen(count=9) == ["cs-01", "pc-2"]
    assert chosen(names=("pc-1",)) == ["pc-1"]


def test_first_only_servers_and_the_pilot_receive_the_update(zone, devices):
    satellite = zone.join("as-01", AUTHENTICATION_SATELLITE, "127.9.2.1")
    set_pilot("pc-1")
    operation = assigned(zone)
    rows = Assignment.objects.filter(update=operation.update)
    assert list(rows.filter(is_pilot=True).values_list("device__name", flat=True)) == ["pc-1"]
    assert gets_update(devices[0])
    assert gets_update(satellite), "its certificate is needed for the preflight checks"
    assert not any(gets_update(host) for host in devices[1:])
    late = zone.join("pc-9", address="127.9.1.9")
    step(operation)
    assert not gets_update(late)
    server = zone.join("as-02", AUTHENTICATION_SATELLITE, "127.9.2.2")
    step(operation)
    assert gets_update(server)


def test_the_new_root_is_announced_to_no_other_device(zone, devices):
    set_pilot("pc-1")
    revision = zone.zone.revision
    operation = assigned(zone)
    assert zone.zone.revision == revision
    late = zone.join("pc-9", address="127.9.1.9")
    assert late.answer["trust"]["pending"] == []
    assert all(host.refresh()["trust"]["pending"] == [] for host in (late, *devices))
    waiting.continue_after_pilot(operation, now=operation.created_at)
    responses.clear_cache()
    root = operation.future_authority.root_pem
    assert all(host.refresh()["trust"]["pending"] == [root] for host in (late, *devices))


def test_without_a_pilot_group_nothing_is_different(zone, devices):
    save_group(PilotGroup(is_on=False, count=1))
    operation = assigned(zone)
    assert "pilot" not in operation.parameters
    assert not Assignment.objects.filter(is_pilot=True).exists()
    assert all(gets_update(host) for host in devices)


def test_without_a_pilot_group_its_settings_are_read_only_when_the_update_is_assigned(
    zone, devices, client
):
    with CaptureQueriesContext(connection) as found:
        operation = assigned(zone)
        step(operation)
        client.force_login(factories.admin())
        client.get(reverse("certificates:operation", args=[operation.pk]))
    assert [query["sql"] for query in found if "pilotsettings" in query["sql"]][1:] == []


@pytest.mark.parametrize("changes", [{"immediate": True}, {"kind": Operation.Kind.REMINT_SERVER}])
def test_immediate_activations_and_server_certificates_have_no_pilot(zone, devices, changes):
    set_pilot("pc-1")
    values = {"kind": Operation.Kind.REMINT_CA, "parameters": {}} | changes
    assert members.load_settings(Operation(**values)) is None
    assert members.load_settings(Operation(**values | {"kind": "change-ca", "immediate": False}))


def test_with_settings_that_were_altered_the_rest_waits_for_a_decision(zone, devices):
    set_pilot("pc-1")
    list_rows(PilotSettings).update(is_on=False)
    operation = walkthrough.remint_ca()
    row = members.load_settings(operation)
    assert row is not None
    operation = assigned_again(zone, operation)
    assert operation.state == OperationState.BLOCKED
    assert AlteredRow.objects.get().name == "pilot group"
    assert not any(gets_update(host) for host in devices)


def assigned_again(zone, operation):
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    step(operation)
    return step(operation)
