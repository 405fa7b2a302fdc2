"""The rows of the server table: the status of each server."""

import pytest
from django.utils import timezone

from certificates.models import FutureCertificate
from certificates.operations.states import OperationState
from certificates.servers.rows import ServerRow, get_rows
from tests.support import factories


@pytest.mark.manual("R159")
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("state", "status"),
    [
        (OperationState.REPLICATING, ("wait", "Replicating content")),
        (OperationState.ASSIGNED, ("", "")),
    ],
)
def test_the_update_status_before_the_assignment_is_that_of_the_operation(state, status):
    factories.zone()
    server = factories.server("ps-01")
    operation = factories.operation(factories.authority(server), state=state)
    future = FutureCertificate(device=server, operation=operation)
    row = ServerRow(server, timezone.now(), future=future)
    assert row.update_status == status


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "text"),
    [("internal", "New certificate pending"), ("external", "CSR generation pending")],
)
def test_only_servers_of_an_external_ca_are_waiting_for_a_csr(kind, text):
    factories.zone()
    server = factories.server("ps-01")
    ca = factories.authority(server, kind=kind)
    operation = factories.operation(ca, kind="remint-server")
    factories.future(operation, server, "awaited", authority=ca)
    (row,) = get_rows([server.pk], [], timezone.now())
    assert row.status == ("wait", text)


@pytest.mark.manual("R162", "R163", "R164", "R165", "R166")
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("created", ("good", "New certificate created")),
        ("create-failed", ("bad", "Creating certificate failed")),
        ("csr-generated", ("wait", "CSR generated")),
        ("csr-failed", ("bad", "CSR generation Failed")),
        ("uploaded", ("good", "New certificate uploaded")),
    ],
)
def test_each_status_of_the_manual_is_shown(state, status):
    factories.zone()
    server = factories.server("ps-01")
    operation = factories.operation(factories.authority(server))
    future = FutureCertificate(device=server, operation=operation, state=state)
    assert ServerRow(server, timezone.now(), future=future).status == status
