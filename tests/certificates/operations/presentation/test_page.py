"""The page of an operation that has ended: what happened, and nothing that is not true any more."""

import pytest

from certificates.operations.states import AuthorityState, OperationState
from tests.support import factories

S = OperationState
STAGES = "Cutover stages"
DEVICES = 'id="devices-pane"'


@pytest.fixture
def page(admin_client):
    factories.zone()
    ca = factories.authority(factories.server("ps-01"))
    new = factories.authority(ca.certificate_server, name="NEW", state=AuthorityState.DISCARDED)

    def load(state: str) -> str:
        made = factories.operation(ca, state=state, future_authority=new)
        factories.assignment(made.update, factories.device("pc-1"), "canceled")
        address = f"/configuration/certificates/operations/{made.pk}/"
        return str(admin_client.get(address).content.decode())

    return load


def test_a_canceled_operation_shows_no_stages_and_no_devices_at_risk(page):
    text = page(S.CANCELED)
    assert "The Remint CA operation has been canceled." in text
    for absent in (STAGES, DEVICES, "Replicating content", "would lose contact", "of 0"):
        assert absent not in text
    assert "Download as JSON" in text, "the report says what happened"


@pytest.mark.parametrize("state", [S.ASSIGNED, S.CANCELING, S.COMPLETED])
def test_other_operations_show_their_stages_and_devices(page, state):
    text = page(state)
    assert STAGES in text
    assert DEVICES in text
