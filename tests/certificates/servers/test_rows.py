"""The rows of the server table: the status of each server."""

import pytest
from django.utils import timezone

from certificates.models import FutureCertificate
from certificates.operations.states import OperationState
from certificates.servers.rows import ServerRow
from tests.support import factories


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
