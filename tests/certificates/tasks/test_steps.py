"""The steps of `schedule_work`: a zone at rest needs one statement, and no work is found later."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Exists
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import Entry
from certificates import tasks
from certificates.approvals import approvals
from certificates.models import Authority, FutureCertificate, Operation, VaultJob
from certificates.monitoring import workers
from certificates.operations.states import JobState, OperationState
from certificates.revocation import revocations
from certificates.tasks import schedule, steps
from certificates.tasks.steps import Step, ask_nothing, run_due
from console.models import Heartbeat
from devices.models import Device, Zone, ZoneKey
from devices.registration import registration
from tests.support import factories, walkthrough
from wire import messages

Call = tuple[str, tuple[str, ...]]
ONE_AT_REST = 1
MOST_AT_REST = 3


class Undone(Exception):
    """Ends a transaction without a commit."""


@pytest.fixture
def enqueued(monkeypatch) -> set[Call]:
    """Return the set of the tasks that are enqueued."""
    found: set[Call] = set()
    monkeypatch.setattr(
        "certificates.tasks.publisher.enqueue",
        lambda task, *args, **_: found.add((task.name, args)),
    )
    return found


@pytest.fixture
def resting(zone, monkeypatch) -> Any:
    """Return a zone in which no task has anything left to do."""
    Device.objects.primaries().update(features=[messages.FEATURE_SECOND_KEY])
    monkeypatch.setattr(
        "certificates.tasks.publisher.enqueue", lambda task, *args, **_: task(*args)
    )
    for _ in range(4):
        Heartbeat.objects.filter(name=steps.FULL_TURN).delete()
        tasks.schedule_work()
    Heartbeat.objects.update(at=timezone.now())
    return zone


def turn(enqueued: set[Call], *, is_full: bool) -> set[Call]:
    """Return what a turn enqueues, without what it changes."""
    enqueued.clear()
    with suppress(Undone), transaction.atomic():
        Heartbeat.objects.filter(name=steps.FULL_TURN).delete()
        if not is_full:
            Heartbeat.objects.record(steps.FULL_TURN, timezone.now())
        tasks.schedule_work()
        raise Undone
    return set(enqueued)


def count_statements(run: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        run()
    return len(captured)


def test_a_zone_at_rest_needs_one_statement(resting, enqueued):
    assert count_statements(tasks.schedule_work) == ONE_AT_REST
    assert enqueued == set()


def test_the_heartbeat_needs_two_more(resting):
    old = timezone.now() - workers.INTERVAL
    Heartbeat.objects.filter(name=workers.PERIODIC_TASKS).update(at=old)
    assert count_statements(tasks.schedule_work) <= MOST_AT_REST
    last = workers.get_last_heartbeat()
    assert last is not None
    assert last > old


def test_each_turn_of_a_change_of_the_ca_finds_what_a_full_turn_finds(zone, enqueued):
    """The time of an activation, a new CSR, a tool, and new responses are found in any turn."""
    zone.join("pc-01")
    found: set[str] = set()

    def compare() -> None:
        due = turn(enqueued, is_full=False)
        assert due == turn(enqueued, is_full=True)
        found.update(name.rpartition(".")[2] for name, _args in due)

    compare()
    made = walkthrough.remint_ca()
    compare()
    walkthrough.prepare(zone, made)
    compare()
    walkthrough.replicate(zone, made)
    walkthrough.step(made)
    compare()
    walkthrough.apply(zone, made)
    compare()
    authority = walkthrough.fresh(made).future_authority
    assert authority is not None
    walkthrough.sign(zone, authority)
    compare()
    walkthrough.cut_over(zone, made)
    compare()
    Authority.objects.filter(state="grace").update(grace_until=timezone.now())
    compare()
    expected = {"prepare_operation", "advance_operation", "sign_pending_csrs", "check_ca_key"}
    assert expected | {"issue_crl", "sign_ocsp_responses", "create_notifications"} <= found


def request_certificate(zone) -> None:
    Device.objects.filter(pk=zone.first.id).update(needs_certificate=True)


def retire(zone) -> None:
    host = zone.join("as-01", messages.AUTHENTICATION_SATELLITE)
    walkthrough.sign(zone, Authority.objects.current())
    registration.retire(zone.device(host))


def revoke(zone) -> None:
    host = zone.join("as-01", messages.AUTHENTICATION_SATELLITE)
    walkthrough.sign(zone, Authority.objects.current())
    registration.retire(zone.device(host))
    revocations.revoke_of_retired_devices(now=timezone.now())


def propose(_zone) -> None:
    operation = factories.operation(Authority.objects.current(), state=OperationState.PROPOSED)
    past = timezone.now() - approvals.REQUEST_LIFETIME
    Operation.objects.filter(pk=operation.pk).update(created_at=past)


def keep_backup(zone) -> None:
    VaultJob.objects.create(
        kind=VaultJob.Kind.BACKUP,
        authority=Authority.objects.current(),
        server=zone.device(zone.first),
        state=JobState.DONE,
        result=b"backup",
        ended_at=timezone.now() - timedelta(days=2),
    )


def lose_zone_key(zone) -> None:
    host = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    ZoneKey.objects.filter(server=host.id, kind=ZoneKey.Kind.MASTER).delete()


def ask_for_refresh(zone) -> None:
    Device.objects.filter(pk=zone.first.id).update(refresh_requested=True)


def record_entry(_zone) -> None:
    Entry.objects.record("denied", "GET /")


FOUND = {
    "requested-certificates": request_certificate,
    "revocations": retire,
    "crls": revoke,
    "ocsp": revoke,
    "requests": propose,
    "key-jobs": keep_backup,
    "zone-keys": lose_zone_key,
    "servers": ask_for_refresh,
    "notifications": record_entry,
    "signing": lambda zone: zone.join("as-01", messages.AUTHENTICATION_SATELLITE),
    "second-signatures": lambda _zone: Zone.objects.advance_revision(),
}


def test_the_work_of_each_step_is_found_by_its_questions(resting):
    for name, make in FOUND.items():
        assert steps.find_due(schedule.STEPS, timezone.now()) in (set(), {"heartbeat"}), name
        with suppress(Undone), transaction.atomic():
            make(resting)
            assert name in (steps.find_due(schedule.STEPS, timezone.now()) or set())
            raise Undone


def test_steps_have_different_names():
    names = [step.name for step in schedule.STEPS]
    assert len(set(names)) == len(names)


def test_a_step_finds_what_an_earlier_one_leaves(zone):
    """Otherwise, a CSR of a changed server would wait for the next turn."""
    Heartbeat.objects.record(steps.FULL_TURN, timezone.now())
    ran: list[str] = []

    def make(_now: Any) -> None:
        ran.append("first")
        Heartbeat.objects.record("made", timezone.now())

    first = Step("first", make, lambda _: [~Exists(made)], makes_work=True)
    made = Heartbeat.objects.filter(name="made")
    other = Step("other", lambda _: ran.append("other"), lambda _: [made.filter(name="none")])
    second = Step("second", lambda _: ran.append("second"), lambda _: [made])
    run_due((first, other, second), timezone.now())
    assert ran == ["first", "second"]


def test_a_step_without_a_question_runs_every_half_minute(zone):
    ran: list[str] = []
    step = Step("slow", lambda _: ran.append("slow"), ask_nothing)
    begin = timezone.now()
    for seconds, expected in ((0, 1), (29, 1), (30, 2), (31, 2)):
        run_due((step,), begin + timedelta(seconds=seconds))
        assert len(ran) == expected, seconds


def test_a_clock_that_was_wrong_does_not_end_full_turns(zone):
    ran: list[str] = []
    step = Step("slow", lambda _: ran.append("slow"), ask_nothing)
    run_due((step,), timezone.now() + timedelta(days=366))
    run_due((step,), timezone.now())
    assert len(ran) == 2


def test_a_full_turn_in_which_a_step_fails_is_repeated(zone):
    def fail(_now: Any) -> None:
        raise RuntimeError

    for _ in range(2):
        with pytest.raises(RuntimeError):
            run_due((Step("broken", fail, ask_nothing),), timezone.now())
    assert not Heartbeat.objects.filter(name=steps.FULL_TURN).exists()


def test_without_a_zone_no_step_runs(db):
    ran: list[Any] = []
    run_due((Step("step", ran.append, ask_nothing),), timezone.now())
    assert ran == []


def test_a_new_certificate_of_a_server_is_requested_and_signed_in_one_turn(zone, enqueued):
    host = zone.join("as-01", messages.AUTHENTICATION_SATELLITE)
    FutureCertificate.objects.filter(device=host.id).delete()
    Device.objects.filter(pk=host.id).update(needs_certificate=True)
    due = turn(enqueued, is_full=False)
    assert (tasks.sign_pending_csrs.name, (str(Authority.objects.current().pk),)) in due
