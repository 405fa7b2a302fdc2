"""The pages in each state of a zone: what they say, and what they cost in a large zone."""

from __future__ import annotations

import re
from time import process_time

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.support import factories, states

pytestmark = pytest.mark.django_db
LARGE = 3_000
# What each state must say on Home or on the page of its operation.
SAID = {
    "before": "No operation is in progress.",
    "waiting for certificates": "CSR",
    "during": "Assigned",
    "frozen": "Activating",
    "blocked": "The readiness policy requires all servers.",
    "canceled": "canceled",
    "rolled back": "rolled back",
    "completed": "complete",
    "expired": "expired",
}


@pytest.fixture
def admin():
    client = Client()
    client.force_login(factories.admin())
    return client


def read(admin, path):
    """Return the status of a page, and its text."""
    response = admin.get(path)
    content = b"".join(response) if response.streaming else response.content
    return response.status_code, re.sub(r"<[^>]*>", " ", content.decode())


@pytest.mark.parametrize("state", states.STATES)
def test_every_page_says_what_the_state_is(admin, state):
    operation = states.build(state)
    pages = {path: read(admin, path) for path in states.list_pages(operation)}
    assert {path: status for path, (status, _) in pages.items() if status != 200} == {}
    assert any(SAID[state] in text for _, text in pages.values())


def measure(admin, path):
    """Return the number of queries of a page, and the CPU seconds of its second request.

    Once a minute, a request also stores that the session is in use. This is not counted.
    """
    read(admin, path)
    with CaptureQueriesContext(connection) as queries:
        begin = process_time()
        assert read(admin, path)[0] == 200
        seconds = process_time() - begin
    return sum(query["sql"].startswith("SELECT") for query in queries), seconds


@pytest.mark.parametrize("state", ["before", "during", "completed"])
def test_the_cost_of_a_page_does_not_depend_on_the_number_of_devices(admin, state):
    operation = states.build(state, devices=100)
    paths = states.list_pages(operation)
    small = {path: measure(admin, path) for path in paths}
    states.add_devices(LARGE, operation, has_long_names=True)
    large = {path: measure(admin, path) for path in paths}
    assert {path: n for path, (n, _) in large.items() if n > small[path][0]} == {}
    # The database reads 30 times as many rows. The page shows as many as before.
    slow = {path: (small[path][1], seconds) for path, (_, seconds) in large.items()}
    assert {path: both for path, both in slow.items() if both[1] > 3 * both[0] + 0.2} == {}
