"""Tasks that advance operations. Each takes an id, reads the row again, and can be repeated."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from uuid import UUID

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from audit.chain.states import InvalidTransition
from audit.rows import alarms
from certificates.models import FutureCertificate, Operation
from certificates.operations import preparation, scheduler
from certificates.operations.states import OperationState
from certificates.tasks import agents, publisher
from console.requests import clock, logs
from faults import Fault

log = logging.getLogger(__name__)


@shared_task
@publisher.accept_previous_name("prepare")
def prepare_operation(operation_id: str) -> None:
    """Run the preparation steps of an operation on its certificate server."""
    logs.add_log_context(operation=operation_id)
    operation = Operation.objects.select_related(
        "authority", "signing_server", "future_authority"
    ).get(pk=operation_id)
    if not alarms.is_authentic(operation):
        return
    if operation.signing_server is not None:
        # Raises the alarm. Without an authentic vault key, the preparation fails with the reason.
        alarms.is_authentic(operation.signing_server)
    # Another worker was faster, or the operation was canceled: the row is already up to date.
    with suppress(InvalidTransition):
        try:
            while preparation.prepare(operation, now=timezone.now()):
                pass
        except InvalidTransition:
            raise
        except Fault as fault:
            log.warning("Could not prepare operation %s: %s", operation.pk, fault)
            preparation.record_failure(operation, fault)
    if operation.state == OperationState.PREPARING and not operation.reason:
        enqueue_next_step(operation)
    agents.notify_agents()


@shared_task
@publisher.accept_previous_name("advance")
def advance_operation(operation_id: str) -> None:
    """Take the next step of an operation."""
    logs.add_log_context(operation=operation_id)
    operation = Operation.objects.select_related("update", "authority", "future_authority").get(
        pk=operation_id
    )
    if not alarms.is_authentic(operation):
        return
    now = clock.get_time()
    if now is None:
        return
    before = operation.state
    # Another worker was faster: the row is already up to date.
    with suppress(InvalidTransition):
        scheduler.advance(operation, now=now)
    if operation.state != before:
        agents.notify_agents()


def enqueue_operation(operation_id: str) -> None:
    """Enqueue the next step of an operation now instead of at the next `schedule_work`."""
    operation = Operation.objects.filter(pk=operation_id).first()
    if operation is not None:
        enqueue_next_step(operation)


def enqueue_step_on_commit(operation: Operation) -> None:
    """Enqueue the next step of an operation when the transaction commits."""
    transaction.on_commit(partial(enqueue_operation, str(operation.pk)), robust=True)


def enqueue_steps_on_commit(futures: Iterable[FutureCertificate]) -> None:
    """Enqueue the next step of each operation of new certificates when the transaction commits."""
    for key in {future.operation_id for future in futures if future.operation_id}:
        transaction.on_commit(partial(enqueue_operation, str(key)), robust=True)


def enqueue_operation_of_update(update_id: UUID) -> None:
    """Enqueue the next step of the operation that an update belongs to."""
    operation = Operation.objects.in_progress().filter(update=update_id).first()
    if operation is not None:
        enqueue_next_step(operation)


def enqueue_next_step(operation: Operation, *, only_if_empty: bool = False) -> None:
    """Enqueue the next step: on the server that must prepare it, or on any worker."""
    step = preparation.next_step(operation, timezone.now())
    if step is not None:
        queue = publisher.get_server_queue(step[0])
        publisher.enqueue(
            prepare_operation, str(operation.pk), queue=queue, only_if_empty=only_if_empty
        )
    else:
        # Every worker consumes the shared queue, and several operations may be in it.
        publisher.enqueue(advance_operation, str(operation.pk), queue=publisher.SHARED_QUEUE)
