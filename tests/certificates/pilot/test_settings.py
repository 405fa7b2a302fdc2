"""The settings of the pilot group are checked, stored with a MAC, and recorded (D-276)."""

import pytest

from audit.models import Entry, RowAltered, list_rows
from certificates.models import PilotSettings
from certificates.pilot.settings import PilotGroup, get_group, save_group
from faults import Invalid
from tests.certificates.pilot.conftest import set_pilot


def test_a_zone_has_no_pilot_group(zone):
    assert not get_group().is_on
    assert not PilotSettings.objects.exists()


def test_a_group_is_set_changed_and_turned_off(zone, devices):
    set_pilot("pc-2", "pc-1", percent=50, timeout_seconds=3600)
    assert get_group() == PilotGroup(True, ("pc-1", "pc-2"), (), 0, 50, 3600)
    set_pilot(roles=("managed",), count=3)
    assert get_group() == PilotGroup(True, (), ("managed",), 3)
    save_group(PilotGroup(is_on=False, roles=("managed",)))
    assert not get_group().is_on
    entries = Entry.objects.filter(action="save-pilot-group").order_by("seq")
    assert [entry.detail["before"].get("devices") for entry in entries] == [None, 2, 0]
    assert entries[1].detail["after"]["count"] == 3


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({}, "devices", "Enter names, roles, or a number of devices."),
        ({"names": ("pc-9",)}, "devices", "No registered device is named pc-9."),
        ({"names": ("ps-01",)}, "devices", "ps-01 has a server certificate."),
        ({"names": ("pc-1",), "count": 1}, "devices", "Enter either names, or roles"),
        ({"names": ("pc-1",), "roles": ("managed",)}, "devices", "Enter either names, or roles"),
        ({"names": tuple(map(str, range(1001)))}, "devices", "up to 1000 devices"),
        ({"roles": ("primary",)}, "roles", "A role is not known"),
        ({"count": 1001}, "count", "up to 1000 devices"),
        ({"count": -1}, "count", "up to 1000 devices"),
        ({"count": 1, "percent": 0}, "percent", "between 1 and 100"),
        ({"count": 1, "percent": 101}, "percent", "between 1 and 100"),
        ({"count": 1, "timeout_seconds": 59}, "timeout_seconds", "between one minute and 30 days"),
        ({"count": 1, "timeout_seconds": 31 * 86_400}, "timeout_seconds", "between one minute"),
    ],
)
def test_invalid_settings_are_rejected_with_the_field(zone, devices, values, field, words):
    with pytest.raises(Invalid, match=r"Nothing was changed\.") as caught:
        save_group(PilotGroup(is_on=True, **values))
    assert caught.value.field == field
    assert words in str(caught.value)
    assert not PilotSettings.objects.exists()


def test_settings_that_were_altered_with_sql_are_not_changed(zone, devices):
    set_pilot("pc-1")
    list_rows(PilotSettings).update(percent=1)
    with pytest.raises(RowAltered):
        set_pilot("pc-2")
