"""The five stages of an operation and their counts (manual, 1.2.9)."""

from datetime import timedelta

import pytest

from certificates.models import Operation
from certificates.operations.states import FutureState, OperationState
from certificates.progress import counts as operation_counts
from certificates.progress import progress
from certificates.progress.headline import build_headline
from devices.models import Role, Zone
from systemupdates.assignments import rollout
from systemupdates.assignments import rollout as assignments_counts
from systemupdates.models import Assignment
from systemupdates.updates.states import AssignmentState, ReplicaState
from tests.support import factories

pytestmark = pytest.mark.django_db
S, A, R = OperationState, AssignmentState, ReplicaState


@pytest.fixture
def ca():
    factories.zone()
    return factories.authority(factories.server("ps-1"))


def shown(operation):
    counts = operation_counts.get_counts([operation], now=factories.now())[operation.pk]
    return progress.get_progress(operation, counts, Zone.objects.get_zone(), factories.now())


def marks(operation):
    return [stage.mark for stage in shown(operation).stages]


def assigned(ca, state, **values):
    operation = factories.operation(ca, state=state, **values)
    operation.update.assigned_at = factories.now()
    operation.update.save()
    return operation


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (S.PREPARING, ["now", "", "", "", ""]),
        (S.FAILED, ["bad", "", "", "", ""]),
        (S.REPLICATING, ["done", "now", "", "", ""]),
        (S.ASSIGNED, ["done", "done", "done", "now", ""]),
        (S.BLOCKED, ["done", "done", "done", "bad", ""]),
        (S.ACTIVATING, ["done", "done", "done", "done", "now"]),
        (S.ACTIVATED, ["done", "done", "done", "done", "done"]),
        (S.CANCELING, ["done", "done", "done", "", ""]),
    ],
)
def test_stages_by_state(ca, state, expected):
    first = S.PREPARING if state == S.FAILED else state
    operation = (
        factories.operation(ca, state=S.PREPARING) if first == S.PREPARING else assigned(ca, state)
    )
    operation.state = state
    assert marks(operation) == expected


def test_a_skipped_stage_is_not_marked_as_done(ca):
    operation = assigned(ca, S.ACTIVATING)
    factories.replica(operation.update, factories.server("ps-2"), R.PENDING)
    factories.assignment(operation.update, factories.device("pc-1"), A.ASSIGNED)
    assert marks(operation) == ["done", "now", "done", "now", "now"]


def test_counts_exclude_ignored_and_unregistered_devices(ca):
    operation = assigned(ca, S.ASSIGNED)
    for number, state in enumerate([A.APPLIED, A.ACTIVATED, A.PENDING, A.IGNORED, A.FAILED]):
        factories.assignment(operation.update, factories.device(f"pc-{number}"), state)
    gone = factories.device("pc-gone", state="unregistered")
    factories.assignment(operation.update, gone, A.PENDING)
    for number, replica_state in enumerate([R.AVAILABLE, R.PENDING, R.EXCLUDED]):
        factories.replica(
            operation.update,
            factories.server(f"cs-{number}", Role.CONTENT_SATELLITE),
            replica_state,
        )
    counts = operation_counts.get_counts([operation], now=factories.now())[operation.pk]
    assert counts.applied() == (2, 4)
    assert counts.activated() == (1, 4)
    assert counts.replicated() == (1, 2)
    assert counts.failed() == 1


def test_a_blocked_operation_lists_its_blocking_servers(ca):
    operation = assigned(ca, S.BLOCKED)
    factories.future(operation, factories.server("ps-2"), FutureState.AWAITED)
    factories.future(operation, factories.server("ps-3"), FutureState.CREATED)
    ignored = factories.server("ps-4")
    factories.future(operation, ignored, FutureState.AWAITED)
    factories.assignment(operation.update, ignored, A.IGNORED)
    found = shown(operation)
    assert found.headline == "Blocked: 1 server does not have a new certificate."
    assert [server.name for server in found.blocking_servers] == ["ps-2"]


@pytest.mark.manual("R046", "R092")
@pytest.mark.parametrize(
    ("state", "words"),
    [
        (S.PREPARING, "The Remint CA operation has been initiated."),
        (S.ACTIVATING, "The Remint CA operation has been initiated."),
        (S.CANCELING, "The Remint CA operation is being canceled."),
        (S.CANCEL_FAILED, "The Remint CA operation could not be canceled."),
        (S.ACTIVATED, "Activated. 2 devices outstanding."),
    ],
)
def test_headline_by_state(state, words):
    counts = operation_counts.Counts(devices={A.APPLIED: 2, A.ACTIVATED: 1, A.IGNORED: 5})
    operation = Operation(kind=Operation.Kind.REMINT_CA, state=state)
    assert build_headline(operation, counts) == words


def test_the_revision_changes_with_the_page(ca):
    operation = factories.operation(ca, activates_in=timedelta(days=1))
    before = progress.get_revision([shown(operation)])
    assert progress.get_revision([shown(operation)]) == before
    factories.replica(operation.update, factories.server("ps-2"), R.PENDING)
    counted = progress.get_revision([shown(operation)])
    assert counted.split(".")[:2] == before.split(".")[:2]
    assert counted != before
    factories.future(operation, factories.server("ps-3"), FutureState.CREATED)
    assert progress.get_revision([shown(operation)]).split(".")[1] != before.split(".")[1]


def test_counts_need_one_query(ca, django_assert_num_queries):
    operations = [factories.operation(ca, state=S.ACTIVATED) for _n in range(3)]
    with django_assert_num_queries(1):
        operation_counts.get_counts(operations, now=factories.now())


def test_counts_of_several_operations_are_not_mixed(ca):
    operations = [factories.operation(ca, state=S.ACTIVATED) for _n in range(2)]
    server, gone = factories.server("ps-2"), factories.device("pc-gone", state="retired")
    for number, operation in enumerate(operations):
        factories.replica(operation.update, server, R.AVAILABLE)
        factories.assignment(operation.update, server, A.ACTIVATED)
        factories.assignment(operation.update, gone, A.PENDING)
        for count in range(number + 1):
            device = factories.device(f"pc-{number}-{count}")
            factories.assignment(operation.update, device, A.APPLIED)
    factories.future(operations[1], server, FutureState.CREATED)
    found = operation_counts.get_counts(operations, now=factories.now())
    one, other = found[operations[0].pk], found[operations[1].pk]
    assert one.devices == {"activated": 1, "applied": 1, "pending": 0}
    assert other.devices == {"activated": 1, "applied": 2, "pending": 0}
    assert one.servers == other.servers == {"activated": 1}
    assert one.replicas == other.replicas == {"available": 1}
    assert (one.futures, other.futures) == ({}, {"created": 1})


def test_counts_of_a_large_update_are_cached(ca, monkeypatch):
    monkeypatch.setattr(assignments_counts, "LARGE_UPDATE", 3)
    operation, now = assigned(ca, S.ASSIGNED), factories.now()
    for number in range(3):
        factories.assignment(operation.update, factories.device(f"pc-{number}"), A.PENDING)
    gone = factories.device("pc-gone", state="retired")
    factories.assignment(operation.update, gone, A.PENDING)
    rollout.record_sample(operation.update, now=now)
    operation = Operation.objects.select_related("update").get(pk=operation.pk)
    Assignment.objects.update(state=A.ACTIVATED)
    counts = operation_counts.get_counts([operation], now=now)[operation.pk]
    assert counts.devices["pending"] == 4, "the cached counts include the retired device"
    later = operation_counts.get_counts([operation], now=now + assignments_counts.MAX_COUNTS_AGE)[
        operation.pk
    ]
    assert later.devices == {"activated": 3}
