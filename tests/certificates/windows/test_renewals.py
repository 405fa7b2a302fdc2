"""Automatic renewals run in maintenance windows, unless a certificate would expire (D-275)."""

from datetime import timedelta

import pytest

from audit.models import Entry
from certificates.issuance import renewal
from certificates.models import ServerCertificate
from certificates.windows import waiting
from certificates.windows.waiting import EXPIRES_FIRST
from devices.models import Device
from tests.certificates.windows.conftest import add_freeze, add_window


@pytest.fixture
def due(zone):
    """Return a time ten days before the certificate of the server expires."""
    certificate = ServerCertificate.objects.current().get()
    then = (certificate.not_after - timedelta(days=10)).replace(second=0, microsecond=0)
    Device.objects.update(last_contact=then)
    return then


def start(at):
    return renewal.start_renewal(renewal.list_due_servers(at), now=at)


def test_a_renewal_is_activated_in_the_next_window(zone, due):
    opens = due + timedelta(hours=5)
    add_window(opens)
    operation = start(due)
    assert operation.activates_at == opens
    assert waiting.get_override(operation) == ""


def test_a_renewal_does_not_start_long_before_the_window(zone, due):
    opens = due + timedelta(days=3)
    add_window(opens)
    assert renewal.list_due_servers(due) == []
    later = opens - timedelta(hours=20)
    Device.objects.update(last_contact=later)
    assert start(later).activates_at == opens


def test_a_renewal_in_an_open_window_starts_as_without_windows(zone, due):
    add_window(due, hours=24)
    operation = start(due)
    assert due < operation.activates_at < due + timedelta(hours=24)


def test_a_renewal_waits_for_the_end_of_a_freeze(zone, due):
    add_freeze(due, due + timedelta(days=5))
    assert renewal.list_due_servers(due) == []
    later = due + timedelta(days=4, hours=12)
    Device.objects.update(last_contact=later)
    assert start(later).activates_at == due + timedelta(days=5)


@pytest.mark.parametrize("days", [9, 20])
def test_a_certificate_that_expires_before_the_window_closes_is_renewed_at_once(zone, due, days):
    # With nine days, the window opens one day before the expiration, and closes a day after it.
    add_window(
        due - timedelta(days=7 - days % 7) if days > 9 else due + timedelta(days=9), hours=48
    )
    add_freeze(due, due + timedelta(days=days))
    operation = start(due)
    assert operation.activates_at < due + timedelta(days=1)
    assert waiting.get_override(operation) == EXPIRES_FIRST
    entry = Entry.objects.get(action="override-window")
    assert entry.note == EXPIRES_FIRST


def test_a_freeze_that_is_added_later_does_not_let_a_certificate_expire(zone, due):
    operation = start(due)
    at = operation.activates_at
    add_freeze(due, due + timedelta(days=20))
    assert not waiting.wait_for_window(operation, now=due)
    operation.refresh_from_db()
    assert operation.activates_at == at
    assert waiting.get_override(operation) == EXPIRES_FIRST


def test_a_freeze_that_is_added_later_delays_a_renewal_if_there_is_time(zone, due):
    operation = start(due)
    add_freeze(due, due + timedelta(days=2))
    assert waiting.wait_for_window(operation, now=due)
    operation.refresh_from_db()
    assert operation.activates_at == due + timedelta(days=2)
