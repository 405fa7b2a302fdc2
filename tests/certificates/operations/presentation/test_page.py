"""The page of an operation that has ended: what happened, and nothing that is not true any more."""

import pytest

from certificates.models import Authority, Operation
from certificates.operations.states import AuthorityState, FutureState, OperationState
from tests.support import factories

S = OperationState
OPERATIONS = "/configuration/certificates/operations/"
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


def test_a_rollback_says_what_devices_that_have_not_reported_it_do(page, admin_client):
    text = page(S.ROLLED_BACK)
    assert "1 device still has to roll back." in text
    assert text.count("These devices roll back at their next contact.") == 1
    made = Operation.objects.get()
    made.update.assignments.update(cancellation_acknowledged=True)
    text = admin_client.get(f"{OPERATIONS}{made.pk}/").content.decode()
    assert "The zone uses its previous CA again." in text
    assert "roll back at their next contact" not in text


@pytest.mark.parametrize("state", [AuthorityState.GRACE, AuthorityState.RETIRED])
def test_the_previous_root_is_named_until_it_is_retired(page, admin_client, state):
    text = page(S.COMPLETED)
    assert "The previous root is trusted until" not in text
    made = Operation.objects.get()
    Authority.objects.filter(pk=made.authority_id).update(state=state)
    Authority.objects.filter(pk=made.future_authority_id).update(state=AuthorityState.CURRENT)
    text = admin_client.get(f"{OPERATIONS}{made.pk}/").content.decode()
    is_trusted = "The previous root is trusted until it is retired:" in text
    assert is_trusted == (state == AuthorityState.GRACE)


@pytest.mark.parametrize("path", ["/configuration/certificates/", "{page}"])
def test_a_blocked_operation_says_who_waits_and_who_does_not(admin_client, path):
    factories.zone()
    ca = factories.authority(factories.server("ps-01"))
    made = factories.operation(ca, state=S.BLOCKED)
    factories.future(made, factories.server("ps-02"), FutureState.AWAITED)
    factories.future(made, factories.server("ps-03"), FutureState.CREATED)
    address = path.format(page=f"{OPERATIONS}{made.pk}/")
    text = admin_client.get(address).content.decode()
    assert text.count("Blocked: 1 server does not have a new certificate.") == 1
    sentences = (
        "No server uses a new certificate until each of these servers has one or is ignored. "
        "Devices without a server certificate can already use the new root at the activation time. "
        "They still trust the old one."
    )
    assert text.count(sentences) == 1
    named = text.partition(sentences)[2].partition("</ul>")[0]
    assert "ps-02" in named
    assert "ps-03" not in named
