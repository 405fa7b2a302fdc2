"""The five stages of an operation, with counts that never say done too early (manual, 1.2.9)."""

from datetime import timedelta

import pytest

from certificates import counting, progress
from certificates.machine import FutureState, OperationState
from certificates.models import Operation
from devices.models import Role, Zone
from systemupdates import samples, tally
from systemupdates.machine import AssignmentState, ReplicaState
from systemupdates.models import Assignment
from tests import make

pytestmark = pytest.mark.django_db
S, A, R = OperationState, AssignmentState, ReplicaState


@pytest.fixture
def ca():
    make.zone()
    return make.authority(make.server("ps-1"))


def shown(operation):
    counts = counting.count([operation], now=make.now())[operation.pk]
    return progress.progress(operation, counts, Zone.objects.the(), make.now())


def marks(operation):
    return [stage.mark for stage in shown(operation).stages]


def assigned(ca, state, **values):
    operation = make.operation(ca, state=state, **values)
    operation.update.assigned_at = make.now()
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
        (S.CANCELLING, ["done", "done", "done", "", ""]),
    ],
)
def test_stages_by_state(ca, state, expected):
    first = S.PREPARING if state == S.FAILED else state
    operation = (
        make.operation(ca, state=S.PREPARING) if first == S.PREPARING else assigned(ca, state)
    )
    operation.state = state
    assert marks(operation) == expected


def test_a_stage_that_was_passed_early_is_not_called_done(ca):
    operation = assigned(ca, S.ACTIVATING)
    make.replica(operation.update, make.server("ps-2"), R.PENDING)
    make.assignment(operation.update, make.device("pc-1"), A.ASSIGNED)
    assert marks(operation) == ["done", "now", "done", "now", "now"]


def test_counts_leave_out_who_does_not_count(ca):
    operation = assigned(ca, S.ASSIGNED)
    for number, state in enumerate([A.APPLIED, A.ACTIVATED, A.PENDING, A.IGNORED, A.FAILED]):
        make.assignment(operation.update, make.device(f"pc-{number}"), state)
    gone = make.device("pc-gone", state="unregistered")
    make.assignment(operation.update, gone, A.PENDING)
    for number, copied in enumerate([R.AVAILABLE, R.PENDING, R.EXCLUDED]):
        make.replica(operation.update, make.server(f"cs-{number}", Role.CONTENT_SATELLITE), copied)
    counts = counting.count([operation], now=make.now())[operation.pk]
    assert counts.applied() == (2, 4)
    assert counts.activated() == (1, 4)
    assert counts.copied() == (1, 2)
    assert counts.failed() == 1


def test_a_blocked_operation_names_its_servers(ca):
    operation = assigned(ca, S.BLOCKED)
    make.future(operation, make.server("ps-2"), FutureState.AWAITED)
    make.future(operation, make.server("ps-3"), FutureState.CREATED)
    ignored = make.server("ps-4")
    make.future(operation, ignored, FutureState.AWAITED)
    make.assignment(operation.update, ignored, A.IGNORED)
    found = shown(operation)
    assert found.headline == "Blocked: 1 server has no new certificate."
    assert [server.name for server in found.lacking] == ["ps-2"]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (S.PREPARING, "The Remint CA operation has been initiated."),
        (S.ACTIVATING, "The Remint CA operation has been initiated."),
        (S.CANCELLING, "The Remint CA operation is being cancelled."),
        (S.CANCEL_FAILED, "The Remint CA operation could not be cancelled."),
        (S.ACTIVATED, "Activated, 2 devices outstanding."),
    ],
)
def test_the_headline_is_the_manuals(state, words):
    counts = counting.Counts(devices={A.APPLIED: 2, A.ACTIVATED: 1, A.IGNORED: 5})
    operation = Operation(kind=Operation.Kind.REMINT_CA, state=state)
    assert progress.headline(operation, counts) == words


def test_the_mark_changes_with_what_the_page_shows(ca):
    operation = make.operation(ca, activates_in=timedelta(days=1))
    before = progress.mark([shown(operation)])
    assert progress.mark([shown(operation)]) == before
    make.replica(operation.update, make.server("ps-2"), R.PENDING)
    counted = progress.mark([shown(operation)])
    assert counted.split(".")[:2] == before.split(".")[:2]
    assert counted != before
    make.future(operation, make.server("ps-3"), FutureState.CREATED)
    assert progress.mark([shown(operation)]).split(".")[1] != before.split(".")[1]


def test_counting_takes_the_same_queries_for_any_number(ca, django_assert_num_queries):
    operations = [make.operation(ca, state=S.ACTIVATED) for _n in range(3)]
    with django_assert_num_queries(6):
        counting.count(operations, now=make.now())


def test_of_a_large_update_it_takes_what_the_sweep_has_counted(ca, monkeypatch):
    monkeypatch.setattr(tally, "LARGE", 3)
    operation, now = assigned(ca, S.ASSIGNED), make.now()
    for number in range(3):
        make.assignment(operation.update, make.device(f"pc-{number}"), A.PENDING)
    gone = make.device("pc-gone", state="retired")
    make.assignment(operation.update, gone, A.PENDING)
    samples.note(operation.update, now=now)
    Assignment.objects.update(state=A.ACTIVATED)
    counts = counting.count([operation], now=now)[operation.pk]
    assert counts.devices["pending"] == 4, "who is gone is among the activated now"
    later = counting.count([operation], now=now + tally.LASTS)[operation.pk]
    assert later.devices == {"activated": 3}
