"""The server pane's table: order, filters, search, statuses (manual, 1.3 and 1.3.1)."""

from datetime import timedelta

import pytest
from django.http import QueryDict

from certificates.operations.states import FutureState, OperationState
from certificates.servers import table
from console.pages.tables import Asked, sorted_by
from devices.models import Role
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
    """One server of each sort; the names tell how it stands."""
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
    asked = Asked.read(QueryDict(query))
    updates = [operation.update_id for operation in table.running()]
    _columns, field, descending = sorted_by(table.COLUMNS, asked.sort)
    found = table.matching(table.servers(now, updates), asked, now)
    ordered = table.ordered(found, field, now, descending=descending)
    return [device.name for device in ordered]


def test_what_needs_attention_comes_first(servers):
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
def test_a_chip_shows_what_it_counts(servers, state, expected):
    now = factories.now()
    found = names(f"state={state}")
    assert found == (names() if expected is None else expected)
    updates = [operation.update_id for operation in table.running()]
    asked = Asked.read(QueryDict(f"state={state}"))
    counted = {
        c["key"]: c["n"]
        for c in table.chips(table.counts(table.servers(now, updates), asked, now), asked)
    }
    assert counted[""] == 9
    assert expected is None or counted[state] == len(expected)


@pytest.mark.parametrize("column", [c.key for c in table.COLUMNS if c.order])
def test_every_column_sorts_both_ways_without_losing_a_server(servers, column):
    up, down = names(f"sort={column}"), names(f"sort=-{column}")
    assert sorted(up) == sorted(down) == sorted(names())


def test_sorting_by_expiry_puts_what_has_none_last(servers):
    assert names("sort=expires")[0] == "expired"
    assert names("sort=expires")[-1] == "bare"
    assert names("sort=-expires")[-1] == "bare"


def test_search_finds_name_subject_and_every_fingerprint(servers, ca):
    other = factories.server("other")
    certificate = factories.certificate(other, ca)
    for text in (
        *("other", "OTHER.acme", certificate.sha256[:20], certificate.sha1[:14]),
        *(certificate.md5[:14], certificate.digest[:12], certificate.sha256.replace(":", "")[:12]),
    ):
        assert names(f"q={text}") == ["other"], text


def test_an_ended_operation_leaves_no_update_status(servers):
    operation = table.running()[0]
    type(operation).objects.filter(pk=operation.pk).update(state=OperationState.COMPLETED)
    operation.futures.update(state=F.ACTIVE)
    assert names("state=failed") == []


def test_of_two_updates_the_newest_is_shown(servers, ca):
    old = table.running()[0]
    type(old).objects.filter(pk=old.pk).update(state=OperationState.ACTIVATED)
    new = factories.operation(ca)
    factories.assignment(new.update, servers["later"], A.APPLIED)
    updates = [operation.update_id for operation in table.running()]
    assert names("q=later") == ["later"]
    row = table.rows([servers["later"].pk], updates, factories.now())[0]
    assert row.update_status == ("ok", "Update Applied")
    assert names("state=failed") == ["broken"]


def test_rows_tell_status_options_and_failure(servers):
    now = factories.now()
    updates = [operation.update_id for operation in table.running()]
    rows = {r.device.name: r for r in table.rows([s.pk for s in servers.values()], updates, now)}
    assert rows["good"].status == ("ok", "Active")
    assert rows["expired"].status == ("bad", "Expired")
    assert rows["awaited"].status == ("wait", "CSR generation pending")
    assert rows["broken"].status == ("bad", "Creating certificate failed")
    assert rows["ready"].status == ("good", "New certificate created")
    assert [n for n, row in rows.items() if row.has_failed] == ["later", "broken"]
    assert [n for n, row in rows.items() if row.has_future] == ["ready"]
    assert [n for n, row in rows.items() if row.has_csr] == ["csr"]


def test_a_server_whose_first_certificate_is_awaited_is_there(ca):
    server = factories.server("fresh")
    factories.future(None, server, F.AWAITED)
    assert names() == ["fresh"]
    row = table.rows([server.pk], [], factories.now())[0]
    assert table.cell(row, "sha256") == ""
    assert table.cell(row, "status") == "CSR generation pending"


def test_chips_count_within_the_search(servers):
    now = factories.now()
    asked = Asked.read(QueryDict("q=soon"))
    updates = [operation.update_id for operation in table.running()]
    counted = {
        c["key"]: c["n"]
        for c in table.chips(table.counts(table.servers(now, updates), asked, now), asked)
    }
    assert counted == {"": 1, "expiring": 1, "expired": 0, "failed": 0, "csr": 0, "ready": 0}


def test_a_status_that_waits_says_what_for(servers, ca):
    by_hand = factories.server("by-hand")
    factories.future(table.running()[0], by_hand, F.AWAITED, by_hand=True)
    keys = [by_hand.pk, *(server.pk for server in servers.values())]
    hints = {r.device.name: r.hint for r in table.rows(keys, [], factories.now())}
    assert hints["by-hand"] == "waits for the files in its remint repository"
    assert hints["awaited"] == "after the update reaches the server"
    assert "import" in hints["csr"]
    assert "try again" in hints["broken"]
    assert hints["good"] == hints["expired"] == hints["ready"] == ""
