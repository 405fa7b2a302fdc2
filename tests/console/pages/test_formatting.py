"""Moments and spans in words (docs/decisions.md D-5)."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone, translation

from console.pages import formatting
from console.templatetags.console import breakable, host

NOON = datetime(2026, 12, 12, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(days=2, hours=12), "2 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(hours=23, minutes=59), "23 hours"),
        (timedelta(minutes=1, seconds=59), "1 minute"),
        (timedelta(seconds=-5), "0 seconds"),
    ],
)
def test_a_span_is_rounded_down(length, words):
    assert formatting.span(length) == words


@pytest.mark.parametrize(
    ("left", "tone", "words"),
    [
        (timedelta(days=-2, hours=-12), "bad", "expired 2 days ago"),
        (timedelta(days=89, hours=23), "soon", "in 89 days"),
        (timedelta(days=90), "", ""),
        (timedelta(0), "soon", "in 0 seconds"),
    ],
)
def test_an_expiry_is_near_from_ninety_days_on(left, tone, words):
    assert formatting.expiry(NOON + left, NOON) == (tone, words)


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("Europe/Berlin", "12 Dec 2026, 13:00 CET"),
        ("Asia/Dubai", "12 Dec 2026, 16:00 UTC+04:00"),
        ("UTC", "12 Dec 2026, 12:00 UTC"),
    ],
)
def test_a_stamp_names_its_zone(zone, words):
    with timezone.override(zone):
        assert formatting.stamp(NOON) == words


@pytest.mark.parametrize(
    ("shown", "broken"),
    [
        ("pc-1.acme.example", "pc-1.<wbr>acme.<wbr>example"),
        ("AB:CD:EF", "AB:<wbr>CD:<wbr>EF"),
        ("—", "—"),
        ("<b>.x", "&lt;b&gt;.<wbr>x"),
    ],
)
def test_names_and_fingerprints_break_between_their_parts(shown, broken):
    assert breakable(shown) == broken


def test_an_exact_time_has_seconds():
    with timezone.override("Europe/Berlin"):
        assert formatting.exact(NOON + timedelta(seconds=7)) == "12 Dec 2026, 13:00:07 CET"


def test_the_full_form_tells_offset_and_utc():
    with timezone.override("Europe/Berlin"):
        text = formatting.full(NOON)
    assert text == "12 December 2026, 13:00:00 CET (UTC+01:00) · 2026-12-12 12:00:00 UTC"


GERMAN = (
    "12. Dez. 2026, 13:00 CET",
    "12. Dezember 2026, 13:00:00 CET",  # codespell:ignore
    "vor 3 Tagen",  # codespell:ignore
    "in 1 Tag",
    "3 Tage 1 Stunde",  # codespell:ignore
)


def test_dates_and_spans_in_german():
    with translation.override("de"), timezone.override("Europe/Berlin"):
        shown = (
            formatting.stamp(NOON),
            formatting.full(NOON).partition(" (UTC")[0],
            formatting.ago(NOON, NOON + timedelta(days=3)),
            formatting.ago(NOON, NOON - timedelta(days=1)),
            formatting.format_duration(3 * 86_400 + 3600),
        )
    assert shown == GERMAN


@pytest.mark.parametrize("seconds", [1, 90, 3600, 86_400, 3 * 86_400 + 2 * 3600 + 60 + 2])
def test_a_duration_can_be_entered_in_german_or_english(seconds):
    english = formatting.format_duration(seconds)
    with translation.override("de"):
        german = formatting.format_duration(seconds)
        assert german != english
        assert formatting.parse_duration(german) == seconds
        assert formatting.parse_duration(english) == seconds
        with pytest.raises(ValueError, match=r".*"):
            formatting.parse_duration("3 Monate")


def test_a_host_name_wraps_after_its_dots_and_is_escaped():
    assert host("a-1.b<i>.x") == '<span class="host">a-1.<wbr>b&lt;i&gt;.<wbr>x</span>'
    assert host("—") == '<span class="host">—</span>'
