"""When a maintenance window is open: recurrence, change freezes, and changes of the clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from certificates.windows.rules import Freeze, Schedule, Window, parse_window
from faults import Invalid

BERLIN = ZoneInfo("Europe/Berlin")
SATURDAY = "DTSTART:20261205T220000\nDURATION:PT6H\nRRULE:FREQ=WEEKLY;BYDAY=SA"


def at(*parts):
    year, month, day, hour, minute = (*parts, 0, 0)[:5]
    return datetime(year, month, day, hour, minute, tzinfo=BERLIN)


def saturdays(*freezes: Freeze, zone=BERLIN, rule=SATURDAY) -> Schedule:
    return Schedule(zone, (parse_window("Saturday", rule),), freezes)


def opening(schedule, after):
    found = schedule.find_opening(after)
    return (found.begins_at, found.ends_at, found.name)


def test_without_windows_and_freezes_every_time_is_open():
    schedule = Schedule(BERLIN)
    assert not schedule.restricts
    assert schedule.is_open(at(2026, 12, 1))
    assert opening(schedule, at(2026, 12, 1)) == (at(2026, 12, 1), None, "")


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (at(2026, 12, 5, 21, 59), False),
        (at(2026, 12, 5, 22), True),
        (at(2026, 12, 6, 3, 59), True),
        (at(2026, 12, 6, 4), False),
        (at(2026, 12, 4, 22, 30), False),
        (at(2026, 11, 28, 22, 30), False),
    ],
)
def test_a_window_is_open_from_its_start_to_before_its_end_also_over_midnight(moment, expected):
    assert saturdays().is_open(moment) is expected


def test_the_next_opening_is_the_next_start_or_now_while_it_is_open():
    schedule = saturdays()
    begins, ends = at(2026, 12, 12, 22), at(2026, 12, 13, 4)
    assert opening(schedule, at(2026, 12, 6, 4)) == (begins, ends, "Saturday")
    inside = at(2026, 12, 13, 1)
    assert opening(schedule, inside) == (inside, ends, "Saturday")


def test_of_two_open_windows_the_one_that_closes_last_counts():
    short = parse_window("Short", SATURDAY.replace("PT6H", "PT1H"))
    schedule = Schedule(BERLIN, (short, parse_window("Long", SATURDAY)))
    assert schedule.find_opening(at(2026, 12, 5, 22)).name == "Long"


def test_a_freeze_closes_a_window_and_the_opening_ends_before_the_freeze():
    freeze = Freeze(at(2026, 12, 13), at(2026, 12, 20), "Holidays")
    schedule = saturdays(freeze)
    assert not schedule.is_open(at(2026, 12, 13, 1))
    assert opening(schedule, at(2026, 12, 12, 22))[1] == freeze.begins_at
    # The window of 19 December is over when the freeze ends on 20 December at 00:00.
    assert opening(schedule, at(2026, 12, 13)) == (
        at(2026, 12, 20),
        at(2026, 12, 20, 4),
        "Saturday",
    )


def test_a_freeze_alone_closes_only_its_period():
    freeze = Freeze(at(2026, 12, 13), at(2026, 12, 20), "Holidays")
    schedule = Schedule(BERLIN, (), (freeze,))
    assert schedule.is_open(at(2026, 12, 12, 23, 59))
    assert not schedule.is_open(freeze.begins_at)
    assert opening(schedule, at(2026, 12, 14)) == (freeze.ends_at, None, "")
    assert opening(schedule, at(2026, 12, 1))[1] == freeze.begins_at


def test_of_two_freezes_the_one_that_ends_last_is_named():
    first = Freeze(at(2026, 12, 1), at(2026, 12, 20), "First")
    second = Freeze(at(2026, 12, 10), at(2027, 1, 10), "Second")
    schedule = Schedule(BERLIN, (), (first, second))
    assert schedule.get_freeze(at(2026, 12, 12)) == second
    assert opening(schedule, at(2026, 12, 2))[0] == second.ends_at


def test_an_altered_row_closes_every_time():
    schedule = Schedule(BERLIN, is_closed=True)
    assert schedule.restricts
    assert not schedule.is_open(at(2026, 12, 1))
    assert schedule.find_opening(at(2026, 12, 1)) is None


def test_a_start_that_the_clocks_skip_is_read_with_the_offset_before():
    rule = "DTSTART:20270301T023000\nDURATION:PT1H\nRRULE:FREQ=DAILY"
    begins, ends, _name = opening(saturdays(rule=rule), at(2027, 3, 28))
    assert begins == datetime(2027, 3, 28, 1, 30, tzinfo=UTC), "03:30 by the clock"
    assert ends == begins + timedelta(hours=1)


def test_a_start_that_comes_twice_is_the_first_one_and_opens_once():
    rule = "DTSTART:20261001T023000\nDURATION:PT30M\nRRULE:FREQ=DAILY"
    schedule = saturdays(rule=rule)
    begins, ends, _name = opening(schedule, at(2026, 10, 25))
    assert begins == datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "02:30 CEST, not 02:30 CET"
    assert opening(schedule, ends)[0] == at(2026, 10, 26, 2, 30)


@pytest.mark.parametrize(
    ("day", "closes"), [((2027, 3, 27), at(2027, 3, 28, 5)), ((2026, 10, 24), at(2026, 10, 25, 3))]
)
def test_the_length_of_a_window_is_exact_when_the_clocks_change(day, closes):
    rule = SATURDAY.replace("20261205", "20261003")
    begins, ends, _name = opening(saturdays(rule=rule), at(*day))
    assert begins == at(*day, 22)
    assert ends.astimezone(BERLIN) == closes
    assert ends - begins == timedelta(hours=6)


def test_the_time_zone_of_the_zone_decides():
    tokyo = ZoneInfo("Asia/Tokyo")
    schedule = saturdays(zone=tokyo)
    assert schedule.is_open(datetime(2026, 12, 5, 22, tzinfo=tokyo))
    assert not schedule.is_open(at(2026, 12, 5, 22))


def test_no_opening_is_found_after_the_last_one():
    rule = "DTSTART:20261205T220000\nDURATION:PT6H\nRRULE:FREQ=DAILY;COUNT=1"
    schedule = saturdays(rule=rule)
    assert schedule.is_open(at(2026, 12, 5, 23))
    assert schedule.find_opening(at(2026, 12, 6, 4)) is None


@pytest.mark.parametrize(
    ("recurrence", "expected"),
    [
        ("FREQ=MONTHLY;BYDAY=1SA", at(2027, 1, 2, 22)),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", at(2026, 12, 31, 22)),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SA", at(2026, 12, 19, 22)),
        ("FREQ=DAILY;UNTIL=20261210T000000", at(2026, 12, 8, 22)),
    ],
)
def test_rules_of_rfc_5545_are_understood(recurrence, expected):
    rule = SATURDAY.replace("FREQ=WEEKLY;BYDAY=SA", recurrence)
    assert opening(saturdays(rule=rule), at(2026, 12, 8, 12))[0] == expected


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "RRULE:FREQ=WEEKLY",
        SATURDAY + "\nEXDATE:20261205T220000",
        SATURDAY.replace("20261205T220000", "20261205T220000Z"),
        SATURDAY.replace("20261205T220000", "2026-12-05T22:00:00"),
        SATURDAY.replace("20261205T220000", "00011205T220000"),
        SATURDAY.replace("20261205T220000", "20261305T220000"),
        SATURDAY.replace("PT6H", "PT14M"),
        SATURDAY.replace("PT6H", "P8D"),
        SATURDAY.replace("PT6H", "6 hours"),
        SATURDAY.replace("WEEKLY", "SECONDLY"),
        SATURDAY.replace("WEEKLY", "YEARLY"),
        SATURDAY.replace("BYDAY=SA", "BYDAY=XX"),
        SATURDAY.replace("BYDAY=SA", "BYDAY=SA;BYDAY=SU"),
        SATURDAY.replace("BYDAY=SA", "BYDAY=SA;BYMONTH=2"),
        SATURDAY.replace("BYDAY=SA", "BYDAY=SA;INTERVAL=0"),
        SATURDAY.replace("BYDAY=SA", "BYDAY=SA;UNTIL=20261201T000000"),
        SATURDAY.replace("BYDAY=SA", "BYDAY=SA;UNTIL=20271201T000000Z"),
        SATURDAY.replace("BYDAY=SA", "BYDAY=SA;UNTIL=20271201T000000;COUNT=2"),
        SATURDAY.replace("FREQ=WEEKLY;BYDAY=SA", "FREQ=MONTHLY;BYDAY=2SU;BYMONTHDAY=1"),
        SATURDAY.replace("FREQ=WEEKLY;", ""),
        "x" * 301,
    ],
)
def test_other_rules_are_rejected_with_an_example(rule):
    with pytest.raises(Invalid, match=r"Nothing was changed\.") as caught:
        parse_window("bad", rule)
    assert caught.value.field == "rule"
    assert "RRULE:FREQ=WEEKLY;BYDAY=SA" in str(caught.value.action)


def test_a_window_has_the_values_of_its_rule():
    window = parse_window("Saturday", SATURDAY)
    assert isinstance(window, Window)
    assert (window.starts, window.length) == (
        datetime.fromisoformat("2026-12-05T22:00"),
        timedelta(hours=6),
    )
