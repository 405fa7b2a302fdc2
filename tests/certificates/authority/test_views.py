"""The panes of the Certificates page: what they read, and what a poll without changes costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from certificates.models import Operation
from certificates.operations.states import FutureState, OperationState
from certificates.servers import table
from tests.support import factories

pytestmark = pytest.mark.django_db
S = OperationState
PAGE = "/configuration/certificates/"


@pytest.fixture
def ca() -> Any:
    """The current CA of a zone with one server."""
    factories.zone()
    server = factories.server("ps-01")
    authority = factories.authority(server)
    factories.certificate(server, authority)
    return authority


@pytest.fixture
def console(client, ca) -> Any:
    """A client whose user has all rights."""
    client.force_login(factories.admin())
    return client


def make_operations(ca: Any) -> Operation:
    """Create a Remint CA with a new CA, and a Remint Certificate; return the first."""
    new = factories.authority(ca.certificate_server, name="NEW", state="future")
    made = factories.operation(ca, state=S.ASSIGNED, future_authority=new)
    servers = factories.operation(ca, state=S.ASSIGNED, kind=Operation.Kind.REMINT_SERVER)
    for number, operation in enumerate((made, servers)):
        server = factories.server(f"ps-1{number}")
        factories.future(operation, server, FutureState.CREATED)
    return made


@pytest.mark.parametrize(
    ("pane", "most"), [("zone-ca/", 10), ("server-operations/", 5), ("operations/{}/live/", 8)]
)
def test_a_poll_without_changes_needs_few_statements(
    console, ca, pane, most, django_assert_max_num_queries
):
    path = PAGE + pane.format(make_operations(ca).pk)
    shown = console.get(path, headers={"HX-Request": "true"}).content.decode()
    again = path + "?rev=" + shown.split("?rev=")[1].split('"')[0]
    with django_assert_max_num_queries(most):
        assert console.get(again, headers={"HX-Request": "true"}).status_code == 204


def test_the_page_reads_the_operations_that_it_shows(ca):
    now = factories.now()

    def create(state: str, ended_hours_ago: int = 0, **values: Any) -> Operation:
        ended_at = now - timedelta(hours=ended_hours_ago) if ended_hours_ago else None
        return factories.operation(ca, state=state, ended_at=ended_at, **values)

    running = create(S.ASSIGNED)
    create(S.COMPLETED, 3)
    last = create(S.CANCELED, 1)
    requested = create(S.COMPLETED, 2, requested_action="roll-back", action_requested_at=now)
    assert {one.pk for one in table.list_shown_operations()} == {
        one.pk for one in (running, last, requested)
    }
