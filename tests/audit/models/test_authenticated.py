"""Rows with a MAC that two processes change at the same time.

See: D-170
"""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from devices.models import Device
from tests.support import factories


@pytest.mark.django_db(transaction=True)
def test_two_changes_of_different_fields_at_the_same_time_alter_no_row(zone, monkeypatch):
    """The second change begins after the first one has read the row, and before it is stored."""
    device = factories.device("pc-01")
    verify = Device.check_row_mac
    threads: list[threading.Thread] = []

    def change_name() -> None:
        try:
            Device.objects.filter(pk=device.pk).update(name="pc-02")
        finally:
            connection.close()

    def verify_while_another_process_changes_the_row(row):
        if not threads:
            threads.append(threading.Thread(target=change_name))
            threads[0].start()
            # It can end only if the row is not locked.
            threads[0].join(1)
        return verify(row)

    monkeypatch.setattr(Device, "check_row_mac", verify_while_another_process_changes_the_row)
    device.fqdn = "pc-01.other.example"
    device.save(update_fields=["fqdn"])
    threads[0].join()
    row = Device.objects.get(pk=device.pk)
    assert (row.name, row.fqdn) == ("pc-02", "pc-01.other.example")
    assert row.is_authentic()
