"""A database file that is locked or full (F-14, F-17, S-110, S-111)."""

from __future__ import annotations

import sqlite3
import threading
import time

import pytest
from django.contrib.auth.models import User
from django.db import connection

from console.models import Preferences
from tests.zcc.runtime.test_faults import PREFERENCES, visitor


@pytest.mark.django_db(transaction=True)
def test_a_locked_database_is_waited_for():
    client = visitor()
    client.post(PREFERENCES, {"time_zone": "Europe/Berlin"})
    locked, seconds = threading.Event(), 2.0

    def lock():
        other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        locked.set()
        threading.Event().wait(seconds)
        other.execute("ROLLBACK")
        other.close()

    thread = threading.Thread(target=lock)
    thread.start()
    assert locked.wait(10)
    begun = time.monotonic()
    answer = client.post(PREFERENCES, {"time_zone": "Europe/Oslo"})
    waited = time.monotonic() - begun
    thread.join()
    assert answer.status_code == 302
    assert waited > seconds / 2, "it did wait"
    assert Preferences.objects.get().time_zone == "Europe/Oslo"


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_rolls_back_the_action_and_it_works_again_with_space():
    client = visitor()
    with connection.cursor() as cursor:
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages}")
    user = User.objects.get()
    try:
        answer = fill(client)
        assert answer.status_code == 503
        assert "out of disk space" in answer.content.decode()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA max_page_count = 1073741823")
    assert client.post(PREFERENCES, {"time_zone": "Europe/Oslo"}).status_code == 302
    assert Preferences.objects.get(user=user).time_zone == "Europe/Oslo"
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def fill(client):
    """Save preferences until the database has no page left."""
    for number in range(400):
        columns = [f"column_{number}_{index}_{'x' * 200}" for index in range(40)]
        path = f"/preferences/columns/table-{number}/"
        answer = client.post(path, {"column": columns})
        if answer.status_code != 302:
            return answer
    raise AssertionError("the database never filled")
