"""The table of server certificates: order, filters, search, statuses.

See: manual 1.3; 1.3.1
"""

from datetime import timedelta

import pytest
from django.http import QueryDict

from certificates.operations.states import FutureState, OperationState
from certificates.servers import rows, table
from console.pages.tables import TableQuery, sort_columns
from devices.models import Device, Role
from systemupdates.updates.states import AssignmentState
from tests.support import factories

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
F, A = FutureState, AssignmentState


@pytest.fixture
def ca():
    factories.zone()
    return factories.authority(factories.server("holder", Role.CONTENT_SATELLITE))


@pytest.fixture
def servers(ca):
    """One server in each state. Its name is the state."""
    now = factories.now()
    found = {}
    for name, days in (("good", 300), ("later", 400), ("expired", -1), ("soon", 20)):
        found[name] = factories.server(name)
        factories.certificate(found[name], ca, until=now + days * DAY)
    operation = factories.operation(ca)
    for name, state in (
        ("broken", F.CREATE_FAILED),
        ("csr", F.CSR_GENERATED),
        ("ready", F.CREATED),
        ("awaited", F.AWAITED),
    ):
        found[name] = factories.server(name, Role.AUTHENTICATION_SATELLITE)
        factories.certificate(found[name], ca, until=now + 500 * DAY)
        factories.future(operation, found[name], state, reason="No FQDN.")
    factories.assignment(operation.update, found["later"], A.FAILED)
    factories.device("not-a-server")
    factories.server("gone", state="unregistered")
    factories.server("bare")
    return found


def names(query=""):
    now = factories.now()
    query = TableQuery.parse(QueryDict(query))
    updates = [operation.update_id for operation in table.list_running_operations()]
    _columns, field, descending = sort_columns(table.COLUMNS, query.sort)
    found = table.filter_servers(table.get_servers(now, updates), query, now)
    ordered = table.sort_servers(found, field, now, descending=descending)
    return [device.name for device in ordered]


@pytest.mark.manual("R016")
def test_servers_that_need_attention_are_first(servers):
    assert names() == [
        *("later", "broken", "expired", "soon", "bare", "csr", "ready", "good", "awaited"),
    ]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("expiring", ["soon"]),
        ("expired", ["expired"]),
        ("failed", ["later", "broken"]),
        ("csr", ["csr"]),
        ("ready", ["ready"]),
        ("nonsense", None),
    ],
)
def test_a_filter_shows_as_many_servers_as_it_counts(servers, state, expected):
    now = factories.now()
    found = names(f"state={state}")
    assert found == (names() if expected is None else expected)
    updates = [operation.update_id for operation in table.list_running_operations()]
    query = TableQuery.parse(QueryDict(f"state={state}"))
    counted = {
        c["key"]: c["n"]
        for c in table.build_chips(
            table.count_servers(table.get_servers(now, updates), query, now), query
        )
    }
    assert counted[""] == 9
    assert expected is None or counted[state] == len(expected)


@pytest.mark.parametrize("column", [c.key for c in table.COLUMNS if c.order])
def test_every_column_sorts_both_ways_without_losing_a_server(servers, column):
    up, down = names(f"sort={column}"), names(f"sort=-{column}")
    assert sorted(up) == sorted(down) == sorted(names())


def test_servers_without_expiry_are_sorted_last(servers):
    assert names("sort=expires")[0] == "expired"
    assert names("sort=expires")[-1] == "bare"
    assert names("sort=-expires")[-1] == "bare"


@pytest.mark.manual("R155", "R156")
def test_search_finds_name_subject_and_every_fingerprint(servers, ca):
    other = factories.server("other")
    certificate = factories.certificate(other, ca)
    for text in (
        *("other", "OTHER.acme", certificate.sha256[:20], certificate.sha1[:14]),
        *(certificate.md5[:14], certificate.digest[:12], certificate.sha256.replace(":", "")[:12]),
    ):
        assert names(f"q={text}") == ["other"], text


def test_a_completed_operation_has_no_update_status(servers):
    operation = table.list_running_operations()[0]
    type(operation).objects.filter(pk=operation.pk).update(state=OperationState.COMPLETED)
    operation.futures.update(state=F.ACTIVE)
    assert names("state=failed") == []


@pytest.mark.manual("R056", "R159")
def test_of_two_updates_the_newest_is_shown(servers, ca):
    old = table.list_running_operations()[0]
    type(old).objects.filter(pk=old.pk).update(state=OperationState.ACTIVATED)
    new = factories.operation(ca)
    factories.assignment(new.update, servers["later"], A.APPLIED)
    updates = [operation.update_id for operation in table.list_running_operations()]
    assert names("q=later") == ["later"]
    row = rows.get_rows([servers["later"].pk], updates, factories.now())[0]
    assert row.update_status == ("ok", "Update Applied")
    assert names("state=failed") == ["broken"]


@pytest.mark.manual("R057", "R078", "R157", "R158")
def test_rows_contain_status_options_and_failure(servers):
    now = factories.now()
    updates = [operation.update_id for operation in table.list_running_operations()]
    found = {
        r.device.name: r for r in rows.get_rows([s.pk for s in servers.values()], updates, now)
    }
    assert found["good"].status == ("ok", "Active")
    assert found["expired"].status == ("bad", "Expired")
    assert found["awaited"].status == ("wait", "New certificate pending")
    assert found["broken"].status == ("bad", "Creating certificate failed")
    assert found["ready"].status == ("good", "New certificate created")
    assert [n for n, row in found.items() if row.has_failed] == ["later", "broken"]
    assert [n for n, row in found.items() if row.has_future] == ["ready"]
    assert [n for n, row in found.items() if row.has_csr] == ["csr"]


def test_a_server_with_a_pending_initial_certificate_is_listed(ca):
    server = factories.server("fresh")
    factories.future(None, server, F.AWAITED)
    assert names() == ["fresh"]
    row = rows.get_rows([server.pk], [], factories.now())[0]
    assert rows.format_cell(row, "sha256") == ""
    assert rows.format_cell(row, "status") == "CSR generation pending"


def test_chips_count_within_the_search(servers):
    now = factories.now()
    query = TableQuery.parse(QueryDict("q=soon"))
    updates = [operation.update_id for operation in table.list_running_operations()]
    counted = {
        c["key"]: c["n"]
        for c in table.build_chips(
            table.count_servers(table.get_servers(now, updates), query, now), query
        )
    }
    assert counted == {"": 1, "expiring": 1, "expired": 0, "failed": 0, "csr": 0, "ready": 0}


def test_a_pending_status_has_a_hint(servers, ca):
    manual = factories.server("manual-csr")
    factories.future(table.list_running_operations()[0], manual, F.AWAITED, manual_csr=True)
    keys = [manual.pk, *(server.pk for server in servers.values())]
    hints = {r.device.name: r.hint for r in rows.get_rows(keys, [], factories.now())}
    waiting = "waiting for files in the remint repository"
    assert hints["manual-csr"] == waiting
    Device.objects.filter(pk=manual.pk).update(remint_repository="/etc/zac/remint-repo")
    (row,) = rows.get_rows([manual.pk], [], factories.now())
    assert row.hint == f"{waiting} /etc/zac/remint-repo"
    assert hints["awaited"] == "when the server receives the update"
    assert "import" in hints["csr"]
    assert "try again" in hints["broken"]
    assert hints["good"] == hints["expired"] == hints["ready"] == ""


def test_a_certificate_that_the_server_rejects_is_shown_as_failed(ca):
    """The handshake test of the server has failed with a certificate that the console has."""
    operation, device = factories.operation(ca), factories.server("rejecting")
    factories.certificate(device, ca, until=factories.now() + 300 * DAY)
    factories.future(operation, device, F.UPLOADED)
    assignment = factories.assignment(operation.update, device, A.APPLYING)

    def row():
        return rows.get_rows([device.pk], [operation.update_id], factories.now())[0]

    assert row().status == ("good", "New certificate uploaded")
    assert names("state=ready") == ["rejecting"]
    type(assignment).objects.filter(pk=assignment.pk).update(state=A.FAILED)
    assert row().status == ("bad", "New certificate failed on the server")
    assert "Failure Details" in row().hint
    assert row().has_failed
    assert rows.format_cell(row(), "status") == "New certificate failed on the server"
    assert names("state=ready") == []
    assert names("state=failed") == ["rejecting"]
