"""Windows and change freezes are stored with a MAC, and every change is recorded."""

from datetime import timedelta

import pytest

from audit.models import AlteredRow, Entry, RowAltered, list_rows
from certificates.models import ChangeFreeze, MaintenanceWindow
from certificates.windows import settings
from certificates.windows.settings import FreezeSettings, load_schedule
from devices.models import Zone
from faults import Conflict, Invalid, NotFound
from tests.certificates.windows.conftest import add_freeze, add_window

RULE = "DTSTART:20261205T220000\nDURATION:PT6H\nRRULE:FREQ=WEEKLY;BYDAY=SA"


def test_a_zone_has_no_windows_and_is_always_open(zone, now):
    assert not load_schedule(now).restricts


def test_a_window_is_created_changed_and_removed(zone, now):
    window = settings.save_window(" Night ", RULE.replace("\n", "\r\n"))
    assert (window.name, window.rule) == ("Night", RULE)
    assert [one.name for one in load_schedule(now).windows] == ["Night"]
    settings.save_window("Late", RULE, pk=window.pk)
    entry = Entry.objects.get(action="save-maintenance-window", note="Late")
    assert entry.detail["before"] == {"name": "Night", "rule": RULE.replace("\n", " ")}
    settings.remove_window(window.pk)
    assert not load_schedule(now).restricts
    assert Entry.objects.get(action="remove-maintenance-window").note == "Late"


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb"])
def test_a_window_needs_a_name(zone, name):
    with pytest.raises(Invalid, match="Enter a name"):
        settings.save_window(name, RULE)
    assert not MaintenanceWindow.objects.exists()


def test_names_of_windows_are_unique_and_their_number_is_limited(zone, monkeypatch):
    settings.save_window("Night", RULE)
    with pytest.raises(Conflict, match="already exists"):
        settings.save_window("Night", RULE)
    monkeypatch.setattr(settings, "MAX_WINDOWS", 1)
    with pytest.raises(Invalid, match="maximum of 1"):
        settings.save_window("Second", RULE)
    with pytest.raises(NotFound):
        settings.remove_window(10**6)


def test_a_freeze_is_created_changed_and_removed(zone, now):
    freeze = add_freeze(now, now + timedelta(days=2))
    assert not load_schedule(now).is_open(now)
    later = FreezeSettings(now + timedelta(days=1), now + timedelta(days=2), " Move ")
    settings.save_freeze(later, now=now, pk=freeze.pk)
    assert load_schedule(now).is_open(now)
    assert ChangeFreeze.objects.get().reason == "Move"
    assert Entry.objects.filter(action="save-change-freeze").count() == 2
    settings.remove_freeze(freeze.pk)
    assert Entry.objects.get(action="remove-change-freeze").detail["after"] == {}
    assert not ChangeFreeze.objects.exists()


def test_a_freeze_that_has_ended_no_longer_counts(zone, now):
    add_freeze(now, now + timedelta(hours=1))
    assert not load_schedule(now + timedelta(hours=2)).restricts


@pytest.mark.parametrize(
    ("begins", "ends", "reason", "field"),
    [
        (0, 1, " ", "reason"),
        (0, 1, "x" * 201, "reason"),
        (2, 1, "Holidays", "ends_at"),
        (-3, -1, "Holidays", "ends_at"),
        (0, 24 * 368, "Holidays", "ends_at"),
    ],
)
def test_invalid_freezes_are_rejected(zone, now, begins, ends, reason, field):
    values = FreezeSettings(now + timedelta(hours=begins), now + timedelta(hours=ends), reason)
    with pytest.raises(Invalid, match=r"Nothing was changed\.") as caught:
        settings.save_freeze(values, now=now)
    assert caught.value.field == field


def test_the_number_of_freezes_is_limited(zone, now, monkeypatch):
    monkeypatch.setattr(settings, "MAX_FREEZES", 1)
    add_freeze(now, now + timedelta(hours=1))
    with pytest.raises(Invalid, match="maximum of 1"):
        add_freeze(now, now + timedelta(hours=1))


def test_a_row_that_was_altered_with_sql_closes_every_time_and_raises_an_alarm(zone, now):
    window = add_window(now)
    freeze = add_freeze(now + timedelta(days=3), now + timedelta(days=4))
    assert load_schedule(now).is_open(now)
    list_rows(ChangeFreeze).filter(pk=freeze.pk).update(ends_at=now + timedelta(days=3, hours=1))
    assert not load_schedule(now).is_open(now)
    assert AlteredRow.objects.get().name == "Holidays"
    with pytest.raises(RowAltered):
        settings.remove_freeze(freeze.pk)
    list_rows(ChangeFreeze).filter(pk=freeze.pk).delete()
    assert load_schedule(now).is_open(now)
    list_rows(MaintenanceWindow).filter(pk=window.pk).update(rule=RULE)
    assert load_schedule(now).find_opening(now) is None


def test_the_time_zone_of_the_zone_is_used(zone, now):
    settings.save_window("Night", RULE)
    Zone.objects.update(time_zone="Asia/Tokyo")
    opening = load_schedule(now).windows[0]
    schedule = load_schedule(now)
    begins, _ends = next(opening.list_times(now, schedule.zone))
    assert begins.astimezone(schedule.zone).hour == 22
    assert begins.hour == 13
