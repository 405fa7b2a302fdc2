"""What the queue carries: ids, looked up anew; every task may run twice, late or never (S-101)."""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit.chain.states import WrongMove
from certificates.approvals import approvals
from certificates.approvals import approvals as certificates_approvals
from certificates.authority import backup_import, key_jobs, key_store
from certificates.authority import key_operations as ca_role
from certificates.issuance import renewal, signing
from certificates.models import Authority, Operation, VaultJob
from certificates.monitoring import health, notifications
from certificates.operations import preparation, scheduler
from certificates.operations.states import JobState, OperationState
from certificates.tasks import enqueue
from certificates.trust import roots
from console.requests import logs
from devices.identity import zone_keys
from devices.models import Device, DeviceQuerySet, ZoneKey
from devices.registration import registration
from faults import Fault
from notifications.delivery import delivery
from notifications.tasks import send as send_notification
from systemupdates.remint_tool import build
from systemupdates.updates import lifecycle

log = logging.getLogger(__name__)
SHARED = "shared"
BATCHES_AT_MOST = 20


def queue_of(server_id: object) -> str:
    """Return the queue that one Primary Server's worker alone listens to."""
    return f"server.{server_id}"


@shared_task
def sweep() -> None:
    """Look for rows that are not at rest and ask for the work they need (S-103)."""
    now = timezone.now()
    health.note_sweep(now)
    approvals.expire_requests(now)
    certificates_approvals.expire_action_requests(now)
    lifecycle.withdraw_unneeded()
    for operation in Operation.objects.moving().select_related("authority", "future_authority"):
        _ask_for(operation, once=True)
    for authority in Authority.objects.filter(state__in=("current", "future")):
        if signing.waits(authority):
            _ask_to_sign(authority, once=True)
    for authority in key_store.keys_to_check(now):
        queue = queue_of(authority.certificate_server_id)
        enqueue.ring(check_ca, str(authority.pk), queue=queue, once=True)
    for authority in key_store.keys_to_destroy(now):
        queue = queue_of(authority.certificate_server_id)
        enqueue.ring(destroy_key, str(authority.pk), queue=queue, once=True)
    _sweep_servers()
    if roots.due(now) or renewal.due(now):
        enqueue.ring(look_after, queue=SHARED, once=True)
    if _without_keys().exists():
        enqueue.ring(hand_over_keys, queue=SHARED, once=True)
    _sweep_jobs()
    _sweep_notifications(now)


@shared_task
def destroy_key(authority_id: str) -> None:
    """Destroy the key of a CA that has ended, in the token of this server."""
    key_store.destroy_ended_key(Authority.objects.get(pk=authority_id), now=timezone.now())


def _sweep_notifications(now: datetime) -> None:
    if notifications.is_due(now):
        enqueue.ring(tell, queue=SHARED)
    for pk in delivery.due(now):
        enqueue.ring(send_notification, str(pk), queue=SHARED)


@shared_task
def tell() -> None:
    """Put what has to be told into the queue, and forget what was told long ago."""
    now = timezone.now()
    notifications.tell(now)
    delivery.forget_old(now)


def _sweep_servers() -> None:
    for guid in build.servers_lacking():
        enqueue.ring(publish_tools, queue=queue_of(guid), once=True)
    for guid in registration.to_wake():
        enqueue.ring(wake, queue=queue_of(guid))


def _sweep_jobs() -> None:
    ca_role.forget_results(timezone.now())
    for job in VaultJob.objects.open().exclude(state=JobState.PROPOSED):
        if job.is_overdue(timezone.now()):
            with suppress(WrongMove):
                key_jobs.expire(job, now=timezone.now())
        else:
            nudge_job(job)


def _ask_for(operation: Operation, *, once: bool) -> None:
    step = preparation.next_step(operation, timezone.now())
    if step is not None:
        enqueue.ring(prepare, str(operation.pk), queue=queue_of(step[0]), once=once)
    else:
        # The shared queue is emptied by any worker; several operations may wait in it.
        enqueue.ring(advance, str(operation.pk), queue=SHARED)


def _ask_to_sign(authority: Authority, *, once: bool) -> None:
    if authority.certificate_server_id is not None:
        queue = queue_of(authority.certificate_server_id)
        enqueue.ring(sign, str(authority.pk), queue=queue, once=once)


@shared_task
def prepare(operation_id: str) -> None:
    """Prepare an operation on its certificate server."""
    logs.note(operation=operation_id)
    operation = Operation.objects.select_related(
        "authority", "signing_server", "future_authority"
    ).get(pk=operation_id)
    # Another worker was quicker, or it was cancelled: the rows are right.
    with suppress(WrongMove):
        try:
            while preparation.prepare(operation, now=timezone.now()):
                pass
        except WrongMove:
            raise
        except Fault as fault:
            log.warning("Preparing %s: %s", operation.pk, fault)
            preparation.note_fault(operation, fault)
    if operation.state == OperationState.PREPARING and not operation.reason:
        _ask_for(operation, once=False)
    wake_all()


@shared_task
def advance(operation_id: str) -> None:
    """Take the next step of one operation."""
    logs.note(operation=operation_id)
    operation = Operation.objects.select_related("update", "authority", "future_authority").get(
        pk=operation_id
    )
    before = operation.state
    # Another worker was quicker: the rows are right, there is nothing left to do.
    with suppress(WrongMove):
        scheduler.advance(operation, now=timezone.now())
    if operation.state != before:
        wake_all()


@shared_task
def sign(authority_id: str) -> None:
    """Sign what waits for one authority, batch after batch, on its certificate server."""
    authority = Authority.objects.get(pk=authority_id)
    with key_store.watched(authority, now=timezone.now()):
        for _ in range(BATCHES_AT_MOST):
            if not signing.sign_waiting(authority, now=timezone.now()):
                break
    wake_all()


@shared_task
def check_ca(authority_id: str) -> None:
    """Try the key of a CA on its certificate server (S-11)."""
    key_store.check_key(Authority.objects.get(pk=authority_id), now=timezone.now())


@shared_task
def look_after() -> None:
    """Retire roots whose time is over, and renew server certificates that end soon."""
    now = timezone.now()
    for old in roots.due(now):
        with suppress(WrongMove):
            roots.retire(old, now=now)
    servers = renewal.due(now)
    if servers:
        renewal.renew(servers, now=now)


@shared_task
def do_job(job_id: str) -> None:
    """Move, back up or restore the CA on the server whose vault it takes."""
    logs.note(job=job_id)
    job = VaultJob.objects.select_related("authority", "server", "target").get(pk=job_id)
    do = backup_import.do if job.kind == VaultJob.Kind.ADOPT else key_jobs.do
    with suppress(WrongMove):
        do(job, now=timezone.now())


@shared_task
def hand_over_keys() -> None:
    """Seal the zone's keys to Primary Servers that do not hold them yet."""
    for server in _without_keys():
        with transaction.atomic():
            zone_keys.here().hand_over(server)


def _without_keys() -> DeviceQuerySet:
    holding = ZoneKey.objects.values("server")
    return Device.objects.primaries().exclude(vault_key="").exclude(pk__in=holding)


@shared_task
def publish_tools() -> None:
    """Offer on this server the remint tools of live updates, and no others."""
    build.publish(zone_keys.here().server_id)


@shared_task
def wake() -> None:
    """Wake the agent of this host, so that it need not wait for its next refresh."""
    recorded = Path(settings.SERVER_HOME) / "wake.path"
    default = Path(settings.SERVER_HOME) / "wake.sock"
    # An agent that is away looks by itself when it is back.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        target = recorded.read_text().strip() if recorded.exists() else str(default)
        door.settimeout(0)
        door.sendto(b"refresh", target)


def wake_all() -> None:
    """Ask every Primary Server's worker to wake its own agent and to look at its tools."""
    for guid in Device.objects.primaries().values_list("pk", flat=True):
        enqueue.ring(wake, queue=queue_of(guid))
        enqueue.ring(publish_tools, queue=queue_of(guid))


def nudge(operation_id: str) -> None:
    """Ask for the next step of an operation now, instead of at the next sweep."""
    operation = Operation.objects.filter(pk=operation_id).first()
    if operation is not None:
        _ask_for(operation, once=False)


def nudge_update(update_id: UUID) -> None:
    """Ask for the next step of the operation that an update belongs to."""
    operation = Operation.objects.moving().filter(update=update_id).first()
    if operation is not None:
        _ask_for(operation, once=False)


def nudge_signing(authority: Authority) -> None:
    """Ask the certificate server to sign what waits."""
    _ask_to_sign(authority, once=False)


def nudge_job(job: VaultJob) -> None:
    """Ask the worker of a job's server to do it, unless a second administrator must agree first."""
    if job.state == JobState.PROPOSED:
        return
    enqueue.ring(do_job, str(job.pk), queue=queue_of(job.server_id))


def nudge_all() -> None:
    """Ask for a sweep now: something new may have come in (a registration)."""
    enqueue.ring(sweep, queue=SHARED)
