"""Which act on selected servers works in which state, and what a shut one says (manual, 1.3.2).

The table is the rule; the server decides it twice: for the buttons, and for what they send.
"""

from datetime import timedelta

import pytest

from certificates.models import Authority, Draft, Operation
from certificates.operations.states import FutureState, OperationState
from certificates.servers import gates as servers_gates
from certificates.servers import selection
from certificates.servers.gates import Act, Around
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
FIRST = "Select at least one server first."
NOBODY = "No server waits for a certificate of an external CA."
SEVERAL = "Select several servers;"
PENDING = "is in progress. Wait until it ends, or cancel it."
WAITS = "already wait"
LACKS = "no certificate of an external CA"
NO_CSR = "no CSR yet"
GIVEN = "may be activating"
OLD = "too old to generate a CSR"

# How the zone stands, what is selected, and what Remint Certificate, Generate CSR,
# Import Certificate and Download CSRs to Zip File say to it.
TABLE = [
    ("at rest, internal", NONE, FIRST, NOBODY, NOBODY, NOBODY),
    ("at rest, internal", ONE, OPEN, NOBODY, NOBODY, NOBODY),
    ("at rest, internal", TWO, OPEN, NOBODY, NOBODY, NOBODY),
    ("at rest, external", ONE, OPEN, NOBODY, NOBODY, NOBODY),
    ("internal CA expired", ONE, "Remint the CA first.", NOBODY, NOBODY, NOBODY),
    ("external CA expired", ONE, OPEN, NOBODY, NOBODY, NOBODY),
    ("remint CA", ONE, PENDING, NOBODY, NOBODY, NOBODY),
    ("change to external, asked", NONE, PENDING, FIRST, FIRST, FIRST),
    ("change to external, asked", ONE, PENDING, OPEN, NO_CSR, SEVERAL),
    ("change to external, asked", TWO, PENDING, OPEN, NO_CSR, NO_CSR),
    ("change to external, CSRs", ONE, PENDING, OPEN, OPEN, SEVERAL),
    ("change to external, CSRs", TWO, PENDING, OPEN, OPEN, OPEN),
    ("change to external, imported", TWO, PENDING, OPEN, OPEN, OPEN),
    ("change to external, go given", TWO, PENDING, GIVEN, GIVEN, OPEN),
    ("change to external, activated", TWO, WAITS, GIVEN, GIVEN, OPEN),
    ("server remint, internal", TWO, WAITS, NOBODY, NOBODY, NOBODY),
    ("server remint, external, asked", TWO, WAITS, OPEN, NO_CSR, NO_CSR),
    ("server remint, external, failed", ONE, WAITS, OPEN, NO_CSR, SEVERAL),
    ("server remint, external, CSRs", TWO, WAITS, OPEN, OPEN, OPEN),
    ("server remint, external, CSRs", (*TWO, "ps-03"), WAITS, LACKS, LACKS, LACKS),
    ("server remint, external, CSRs", ("ps-03",), OPEN, LACKS, LACKS, SEVERAL),
    ("server remint, external, one CSR", TWO, WAITS, OPEN, NO_CSR, NO_CSR),
    ("server remint, external, one CSR", ONE, WAITS, OPEN, OPEN, SEVERAL),
    ("old agents", TWO, WAITS, OLD, OPEN, OPEN),
]
KEY = keys.make_key(256)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("certificates.tasks.nudge", lambda _key: None)


def zone_in(state):
    """Make a zone in a state that the table names."""
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
    """Start what the state speaks of."""
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
        "go given": OperationState.ACTIVATING,
        "activated": OperationState.ACTIVATED,
    }.get(state.rpartition(", ")[2], OperationState.ASSIGNED)
    operation = factories.operation(ca, kind=kind, state=at, future_authority=authority)
    for server in servers:
        factories.future(operation, server, authority=authority, **_future(state, server))


def _future(state, server):
    if state.endswith("asked") or (state.endswith("one CSR") and server.name == "ps-02"):
        return {"state": F.AWAITED}
    if state.endswith("failed"):
        return {"state": F.CSR_FAILED, "reason": "No space left."}
    if state == "server remint, internal":
        return {"state": F.CREATED}
    made = csr.make_csr(KEY, names.Subject(server.fqdn), names.Names((server.fqdn,), ()))
    imported = state.endswith(("imported", "go given", "activated"))
    return {"state": F.UPLOADED if imported else F.CSR_GENERATED, "csr_pem": made}


def fields(chosen):
    return {"ids": ",".join(str(Device.objects.get(name=name).pk) for name in chosen)}


def case(row):
    return f"{row[0]}: {len(row[1])}"


@pytest.mark.parametrize("row", TABLE, ids=case)
def test_the_buttons_say_what_the_table_says(row):
    state, chosen, *expected = row
    zone_in(state)
    page = (
        entered(factories.admin()).post(f"{PAGE}servers/actions/", fields(chosen)).content.decode()
    )
    for act, reason in zip(Act, expected, strict=True):
        if reason == OPEN:
            assert f'id="b-{act}" name="do" value="{act}"' in page, act
        else:
            shown = page.split(f'id="why-{act}">')[1].split("<")[0]
            assert reason in shown, act
    assert not Draft.objects.exists(), "to ask changes nothing"


@pytest.mark.parametrize("row", TABLE, ids=case)
def test_what_a_button_sends_meets_the_same_rule(row):
    state, chosen, *expected = row
    zone_in(state)
    client = entered(factories.admin())
    for act, reason in zip(Act, expected, strict=True):
        answer = client.post(f"{PAGE}servers/selected/", {"do": act.value, **fields(chosen)})
        if reason == OPEN:
            assert answer.status_code in (200, 204), act
        else:
            assert answer.status_code == 409, act
            assert reason in events(answer)["zcc:fault"]["explanation"]
    assert Draft.objects.count() == expected.count(OPEN)


def test_the_page_opens_what_the_zone_allows_and_names_what_it_does_not():
    zone_in("change to external, CSRs")
    gates = entered(factories.admin(), htmx=False).get(PAGE).context["server_gates"]
    assert [gate.is_open for gate in gates] == [False, True, True, True]


def test_a_reader_gets_no_buttons_and_no_boxes():
    zone_in("at rest, internal")
    page = entered(factories.user("reader"), htmx=False).get(PAGE).content.decode()
    assert 'id="servers-form"' not in page
    assert 'name="ids"' not in page


def test_reasons_name_the_first_servers_and_tell_how_many(django_assert_max_num_queries):
    zone_in("at rest, internal")
    operation = factories.operation(
        Authority.objects.get(), kind=Operation.Kind.REMINT_SERVER, state=OperationState.ASSIGNED
    )
    for number in range(7):
        factories.future(
            operation, factories.server(f"sat-{number}", Role.AUTHENTICATION_SATELLITE)
        )
    with django_assert_max_num_queries(4):
        facts = selection.facts(Device.objects.certified())
    reason = servers_gates.server_gates(Around(), facts)[0].reason
    assert reason == (
        "7 of 10 selected servers already wait for a new certificate: "
        "sat-0, sat-1, sat-2, sat-3, sat-4, and 2 more."
    )


class TestAllThatMatch:
    """A selection of all servers that the filter leaves, but for some."""

    @pytest.fixture(autouse=True)
    def zone(self):
        zone_in("at rest, internal")

    def chosen(self, **given):
        client = entered(factories.admin())
        sent = {"do": Act.REMINT.value, "scope": "all", **given}
        answer = client.post(f"{PAGE}servers/selected/", sent)
        assert answer.status_code == 200, events(answer)
        return sorted(one["name"] for one in Draft.objects.get().data["selection"].values())

    def test_it_is_read_anew_by_the_server(self):
        assert self.chosen() == ["ps-01", "ps-02", "ps-03"]

    def test_it_keeps_to_the_search(self):
        assert self.chosen(q="ps-02") == ["ps-02"]

    def test_it_keeps_to_the_chip(self):
        soon = factories.now() + timedelta(days=5)
        Device.objects.get(name="ps-03").certificates.update(not_after=soon)
        assert self.chosen(state="expiring") == ["ps-03"]

    def test_marks_that_were_taken_off_stay_off(self):
        but = fields(("ps-01", "ps-03"))["ids"]
        assert self.chosen(**{"except": but}) == ["ps-02"]

    def test_ids_beside_it_mean_nothing(self):
        assert self.chosen(**fields(ONE)) == ["ps-01", "ps-02", "ps-03"]
