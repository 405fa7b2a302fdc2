"""The page of an operation that has ended: what happened, and nothing that is not true any more."""

import pytest

from certificates.models import Operation
from certificates.operations.states import AuthorityState, FutureState, OperationState
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
        activated_at = factories.now() if state in (S.COMPLETED, S.ROLLED_BACK) else None
        ended_at = None if state in (S.ASSIGNED, S.CANCELING) else factories.now()
        made = factories.operation(
            ca, state=state, future_authority=new, activated_at=activated_at, ended_at=ended_at
        )
        factories.assignment(made.update, factories.device("pc-1"), "canceled")
        address = f"/configuration/certificates/operations/{made.pk}/"
        return str(admin_client.get(address).content.decode())

    return load


@pytest.mark.parametrize(
    ("state", "word"), [(S.CANCELED, "canceled"), (S.ROLLED_BACK, "rolled back")]
)
def test_an_undone_operation_shows_no_stages_and_no_devices_at_risk(page, state, word):
    text = page(state)
    assert f"The Remint CA operation has been {word}." in text
    for absent in (
        *(STAGES, DEVICES, "Replicating content", "would lose contact", "of 0"),
        'class="tiles inside"',
    ):
        assert absent not in text
    assert "Download as JSON" in text, "the report says what happened"


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (S.CANCELED, "The zone keeps its CA. Devices that already have the update discard it"),
        (S.ROLLED_BACK, "The zone uses its previous CA again."),
        (S.COMPLETED, "All devices have activated the change, or are ignored."),
    ],
)
def test_an_operation_that_has_ended_says_what_follows_from_it(page, state, outcome):
    text = page(state)
    assert text.count(outcome) == 1
    for other in ("keeps its CA", "its previous CA", "or are ignored"):
        assert (other in text) == (other in outcome)


@pytest.mark.parametrize(
    ("state", "has_chart"), [(S.CANCELED, False), (S.ROLLED_BACK, False), (S.COMPLETED, True)]
)
def test_an_undone_operation_without_progress_has_no_empty_chart(page, state, has_chart):
    assert ("Devices Over Time" in page(state)) == has_chart


@pytest.mark.parametrize("state", [S.ASSIGNED, S.CANCELING, S.COMPLETED])
def test_other_operations_show_their_stages_and_devices(page, state):
    text = page(state)
    assert STAGES in text
    assert DEVICES in text


def test_a_server_without_its_new_certificate_blocks_but_loses_no_contact(admin_client):
    factories.zone()
    ca = factories.authority(factories.server("ps-01"))
    made = factories.operation(ca, state=S.ASSIGNED, kind=Operation.Kind.REMINT_SERVER)
    factories.future(made, ca.certificate_server, FutureState.AWAITED)
    factories.assignment(made.update, ca.certificate_server, "assigned")
    address = f"/configuration/certificates/operations/{made.pk}/"
    text = admin_client.get(address).content.decode()
    assert "No devices would lose contact if the certificates were activated now." in text
    assert "1 server does not have its new certificate yet and blocks the activation." in text
    assert 'class="callout bad"' not in text
