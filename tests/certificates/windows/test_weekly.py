"""Windows on days of the week."""

from datetime import UTC, datetime, time, timedelta

import pytest

from certificates.windows.rules import Schedule, parse_window
from certificates.windows.weekly import build_weekly_rule, describe_window, parse_weekly_rule

MONDAY = datetime.fromisoformat("2026-11-30")
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("opens", "minutes", "closes"),
    [(time(22), 360, time(4)), (time(1, 30), 15, time(1, 45)), (time(0), 1440, time(0))],
)
def test_days_and_times_become_a_rule_and_return(opens, minutes, closes):
    rule = build_weekly_rule(["SU", "SA"], datetime.combine(MONDAY, opens), minutes)
    assert parse_window("w", rule).length == timedelta(minutes=minutes)
    assert parse_weekly_rule("w", rule) == (["SA", "SU"], opens, closes)


@pytest.mark.parametrize(
    "rule",
    [
        "DTSTART:20261205T220000\nDURATION:PT6H\nRRULE:FREQ=MONTHLY;BYDAY=1SA",
        "DTSTART:20261205T220000\nDURATION:PT6H\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=SA",
        "DTSTART:20261205T220000\nDURATION:P2D\nRRULE:FREQ=WEEKLY;BYDAY=SA",
    ],
)
def test_other_rules_have_no_days_and_times(rule):
    assert parse_weekly_rule("w", rule) is None


def test_a_window_is_described_by_its_days_its_times_and_its_next_time():
    rule = build_weekly_rule(["SA", "SU"], datetime.combine(MONDAY, time(22)), 360)
    words = describe_window("w", rule, Schedule(UTC), NOW)
    assert (words.days, words.times) == ("Saturday, Sunday", "22:00–04:00")
    assert words.next_time == (
        datetime(2026, 12, 5, 22, tzinfo=UTC),
        datetime(2026, 12, 6, 4, tzinfo=UTC),
    )


def test_other_windows_are_described_by_their_rule():
    rule = "DTSTART:20261205T220000\nDURATION:PT6H\nRRULE:FREQ=MONTHLY;BYDAY=1SA"
    words = describe_window("w", rule, Schedule(UTC), NOW)
    assert (words.days, words.times) == ("RRULE:FREQ=MONTHLY;BYDAY=1SA", "")
    assert words.next_time is not None
    assert describe_window("w", "not a rule", Schedule(UTC), NOW).next_time is None
