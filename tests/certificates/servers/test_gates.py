"""Which actions on selected servers are available in which state, and the reasons.

The rule is applied twice: to the buttons, and to the requests that they send.

See: manual 1.3.2
"""

from datetime import timedelta

import pytest

from certificates.models import Authority, Draft, Operation
from certificates.operations.states import FutureState, OperationState
from certificates.servers import gates as servers_gates
from certificates.servers import selection
from certificates.servers.gates import ServerAction, ZoneFacts
from devices.models import Device, Role
from pki import keys, names
from pki.formats import csr
from tests.certificates.clients import PAGE, entered, events
from tests.support import factories
from wire import messages

pytestmark = pytest.mark.django_db
F = FutureState
NONE, ONE, TWO = (), ("ps-01",), ("ps-01", "ps-02")
OPEN = ""
NOT_SELECTED = "Select at least one server."
NO_EXTERNAL = "No servers are waiting for a certificate from an external CA."
SEVERAL = "Select two or more servers."
PENDING = "is in progress. Wait for it to complete, or cancel it."
WAITS = "already waiting for a new certificate"
NOT_EXTERNAL = "not waiting for a certificate from an external CA"
NO_CSR = "not have a CSR yet"
ACTIVATING = "might already be activating"
OLD = "too old to generate a CSR"

# The state of the zone, the selection, and the reasons of Remint Certificate, Generate CSR,
# Import Certificate, and Download CSRs to Zip File.
TABLE = [
    ("no operation, internal", NONE, NOT_SELECTED, NO_EXTERNAL, NO_EXTERNAL, NO_EXTERNAL),
    ("no operation, internal", ONE, OPEN, NO_EXTERNAL, NO_EXTERNAL, NO_EXTERNAL),
    ("no operation, internal", TWO, OPEN, NO_EXTERNAL, NO_EXTERNAL, NO_EXTERNAL),
    ("no operation, external", ONE, OPEN, NO_EXTERNAL, NO_EXTERNAL, NO_EXTERNAL),
    ("internal CA expired", ONE, "Remint the CA first.", NO_EXTERNAL, NO_EXTERNAL, NO_EXTERNAL),
    ("external CA expired", ONE, OPEN, NO_EXTERNAL, NO_EXTERNAL, NO_EXTERNAL),
    ("remint CA", ONE, PENDING, NO_EXTERNAL, NO_EXTERNAL, NO_EXTERNAL),
    ("change to external, requested", NONE, PENDING, NOT_SELECTED, NOT_SELECTED, NOT_SELECTED),
    ("change to external, requested", ONE, PENDING, OPEN, NO_CSR, SEVERAL),
    ("change to external, requested", TWO, PENDING, OPEN, NO_CSR, NO_CSR),
    ("change to external, CSRs", ONE, PENDING, OPEN, OPEN, SEVERAL),
    ("change to external, CSRs", TWO, PENDING, OPEN, OPEN, OPEN),
    ("change to external, imported", TWO, PENDING, OPEN, OPEN, OPEN),
    ("change to external, ordered", TWO, PENDING, ACTIVATING, ACTIVATING, OPEN),
    ("change to external, activated", TWO, WAITS, ACTIVATING, ACTIVATING, OPEN),
    ("server remint, internal", TWO, WAITS, NO_EXTERNAL, NO_EXTERNAL, NO_EXTERNAL),
    ("server remint, external, requested", TWO, WAITS, OPEN, NO_CSR, NO_CSR),
    ("server remint, external, failed", ONE, WAITS, OPEN, NO_CSR, SEVERAL),
    ("server remint, external, CSRs", TWO, WAITS, OPEN, OPEN, OPEN),
    (
        "server remint, external, CSRs",
        (*TWO, "ps-03"),
        WAITS,
        NOT_EXTERNAL,
        NOT_EXTERNAL,
        NOT_EXTERNAL,
    ),
    ("server remint, external, CSRs", ("ps-03",), OPEN, NOT_EXTERNAL, NOT_EXTERNAL, SEVERAL),
    ("server remint, external, one CSR", TWO, WAITS, OPEN, NO_CSR, NO_CSR),
    ("server remint, external, one CSR", ONE, WAITS, OPEN, OPEN, SEVERAL),
    ("old agents", TWO, WAITS, OLD, OPEN, OPEN),
]
KEY = keys.generate_key(256)


@pytest.fixture(autouse=True)
def no_tasks(monkeypatch):
    monkeypatch.setattr("certificates.tasks.operations.enqueue_operation", lambda _key: None)


def zone_in(state):
    """Create a zone in a state of the table."""
    factories.zone()
    holder = factories.server("ps-01", features=[messages.FEATURE_CSR])
    expired = factories.now() - timedelta(days=1) if "CA expired" in state else None
    ca = factories.authority(holder, until=expired)
    for name in ("ps-02", "ps-03"):
        factories.server(name, features=[messages.FEATURE_CSR])
    for server in Device.objects.all():
        factories.certificate(server, ca)
    _begin(state, ca)
    if ("external" in state or state == "old agents") and "change" not in state:
        Authority.objects.update(kind=Authority.Kind.EXTERNAL, certificate_server=None)
    if state == "old agents":
        Device.objects.filter(name="ps-02").update(features=["rehearsal"])


def _begin(state, ca):
    """Create the operation of a state."""
    if "change to external" in state:
        coming = factories.authority(name="CN=Next", kind=Authority.Kind.EXTERNAL, state="future")
        _operation(ca, coming, state, Operation.Kind.CHANGE_CA, Device.objects.all())
    elif "server remint" in state or state == "old agents":
        two = Device.objects.filter(name__in=TWO)
        _operation(ca, ca, state, Operation.Kind.REMINT_SERVER, two)
    elif state == "remint CA":
        factories.operation(ca)


def _operation(ca, authority, state, kind, servers):
    at = {
        "ordered": OperationState.ACTIVATING,
        "activated": OperationState.ACTIVATED,
    }.get(state.rpartition(", ")[2], OperationState.ASSIGNED)
    operation = factories.operation(ca, kind=kind, state=at, future_authority=authority)
    for server in servers:
        factories.future(operation, server, authority=authority, **_future(state, server))


def _future(state, server):
    if state.endswith("requested") or (state.endswith("one CSR") and server.name == "ps-02"):
        return {"state": F.AWAITED}
    if state.endswith("failed"):
        return {"state": F.CSR_FAILED, "reason": "No space left."}
    if state == "server remint, internal":
        return {"state": F.CREATED}
    made = csr.build_csr(KEY, names.Subject(server.fqdn), names.Names((server.fqdn,), ()))
    imported = state.endswith(("imported", "ordered", "activated"))
    return {"state": F.UPLOADED if imported else F.CSR_GENERATED, "csr_pem": made}


def fields(chosen):
    return {"ids": ",".join(str(Device.objects.get(name=name).pk) for name in chosen)}


def case(row):
    return f"{row[0]}: {len(row[1])}"


@pytest.mark.manual("R161", "R185", "R196", "R197")
@pytest.mark.parametrize("row", TABLE, ids=case)
def test_buttons_show_the_reasons_of_the_table(row):
    state, chosen, *expected = row
    zone_in(state)
    page = (
        entered(factories.admin()).post(f"{PAGE}servers/actions/", fields(chosen)).content.decode()
    )
    for action, reason in zip(ServerAction, expected, strict=True):
        if reason == OPEN:
            assert f'id="b-{action}" name="do" value="{action}"' in page, action
        else:
            shown = page.split(f'id="why-{action}">')[1].split("<")[0]
            assert reason in shown, action
    assert not Draft.objects.exists(), "showing the buttons must not create a draft"


@pytest.mark.manual("R161")
@pytest.mark.parametrize("row", TABLE, ids=case)
def test_requests_are_rejected_for_the_same_reasons(row):
    state, chosen, *expected = row
    zone_in(state)
    client = entered(factories.admin())
    for action, reason in zip(ServerAction, expected, strict=True):
        answer = client.post(f"{PAGE}servers/selected/", {"do": action.value, **fields(chosen)})
        if reason == OPEN:
            assert answer.status_code in (200, 204), action
        else:
            assert answer.status_code == 409, action
            assert reason in events(answer)["zcc:fault"]["explanation"]
    assert Draft.objects.count() == expected.count(OPEN)


def test_the_page_enables_the_actions_that_the_zone_allows():
    zone_in("change to external, CSRs")
    gates = entered(factories.admin(), htmx=False).get(PAGE).context["server_gates"]
    assert [gate.is_open for gate in gates] == [False, True, True, True]


def test_a_reader_can_select_servers_for_a_file_only():
    zone_in("no operation, internal")
    page = entered(factories.user("reader"), htmx=False).get(PAGE).content.decode()
    bar = page.partition('<form id="servers-form"')[2].partition("</form>")[0]
    assert "Export Selected" in bar
    assert 'name="do"' not in bar
    assert "hx-post" not in bar
    assert 'name="ids"' in page


def test_reasons_contain_the_first_names_and_the_number_of_servers(django_assert_max_num_queries):
    zone_in("no operation, internal")
    operation = factories.operation(
        Authority.objects.get(), kind=Operation.Kind.REMINT_SERVER, state=OperationState.ASSIGNED
    )
    for number in range(7):
        factories.future(
            operation, factories.server(f"sat-{number}", Role.AUTHENTICATION_SATELLITE)
        )
    with django_assert_max_num_queries(4):
        facts = selection.get_selection_facts(Device.objects.certified())
    reason = servers_gates.build_server_gates(ZoneFacts(), facts)[0].reason
    assert reason == (
        "7 of 10 selected servers are already waiting for a new certificate: "
        "sat-0, sat-1, sat-2, sat-3, sat-4, and 2 more."
    )


class TestSelectAllMatching:
    """A selection of all servers that match the filter, with exceptions."""

    @pytest.fixture(autouse=True)
    def zone(self):
        zone_in("no operation, internal")

    def chosen(self, **given):
        client = entered(factories.admin())
        sent = {"do": ServerAction.REMINT.value, "scope": "all", **given}
        answer = client.post(f"{PAGE}servers/selected/", sent)
        assert answer.status_code == 200, events(answer)
        return sorted(server["name"] for server in Draft.objects.get().data["selection"].values())

    def test_all_servers_are_selected(self):
        assert self.chosen() == ["ps-01", "ps-02", "ps-03"]

    def test_the_search_is_applied(self):
        assert self.chosen(q="ps-02") == ["ps-02"]

    def test_the_filter_is_applied(self):
        soon = factories.now() + timedelta(days=5)
        Device.objects.get(name="ps-03").certificates.update(not_after=soon)
        assert self.chosen(state="expiring") == ["ps-03"]

    def test_cleared_checkboxes_are_excluded(self):
        excluded = fields(("ps-01", "ps-03"))["ids"]
        assert self.chosen(**{"except": excluded}) == ["ps-02"]

    def test_ids_are_ignored(self):
        assert self.chosen(**fields(ONE)) == ["ps-01", "ps-02", "ps-03"]
