"""The periodic task that finds unfinished work in the database and enqueues it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from celery import shared_task
from django.utils import timezone

from audit.chain import omissions
from audit.chain.states import InvalidTransition
from audit.forwarding import forwarding
from audit.rows import alarms
from audit.tasks import forward_entries
from certificates.agent_upgrades import rollout
from certificates.approvals import approvals, confirmations
from certificates.authority import key_jobs, key_operations, key_store
from certificates.issuance import renewal, requests, signing
from certificates.models import Authority, Operation, VaultJob
from certificates.monitoring import health, notifications
from certificates.operations.states import JobState
from certificates.revocation import lists, ocsp, replacement, revocations
from certificates.summaries import schedule as summary_schedule
from certificates.tasks import acme as acme_tasks
from certificates.tasks import agents, publisher
from certificates.tasks import authority as authority_tasks
from certificates.tasks import operations as operation_tasks
from certificates.trust import roots
from devices.registration import registration
from notifications.delivery import delivery
from notifications.tasks import send as send_notification
from systemupdates.remint_tool import build
from systemupdates.updates import lifecycle


@shared_task
@publisher.accept_previous_name("sweep")
def schedule_work() -> None:
    """Enqueue the work that unfinished rows need."""
    now = timezone.now()
    health.record_heartbeat(now)
    approvals.expire_requests(now)
    rollout.advance_all(now)
    approvals.expire_action_requests(now)
    confirmations.expire_unconfirmed(now)
    omissions.record_summaries(now)
    lifecycle.withdraw_unneeded_content()
    for operation in Operation.objects.in_progress().select_related(
        "authority", "future_authority"
    ):
        operation_tasks.enqueue_next_step(operation, only_if_empty=True)
    if summary_schedule.list_due(now):
        publisher.enqueue(store_summaries, queue=publisher.SHARED_QUEUE, only_if_empty=True)
    requests.create_requested_certificates()
    revocations.revoke_of_retired_devices(now=now)
    replacement.request_replacements(now=now)
    for authority in Authority.objects.filter(state__in=("current", "future")):
        if signing.has_pending_csrs(authority):
            authority_tasks.enqueue_signing(authority, only_if_empty=True)
    _schedule_ca_work(now)
    acme_tasks.schedule_acme_work(now)
    _schedule_server_work()
    if roots.list_due_roots(now) or renewal.list_due_servers(now):
        publisher.enqueue(
            authority_tasks.retire_roots_and_renew, queue=publisher.SHARED_QUEUE, only_if_empty=True
        )
    if authority_tasks.get_servers_without_zone_keys().exists():
        publisher.enqueue(
            authority_tasks.distribute_zone_keys, queue=publisher.SHARED_QUEUE, only_if_empty=True
        )
    authority_tasks.enqueue_second_signatures()
    _schedule_key_jobs()
    _schedule_notifications(now)


@shared_task
@publisher.accept_previous_name("tell")
def create_notifications() -> None:
    """Create the notifications that are due and delete old ones."""
    now = timezone.now()
    notifications.create_notifications(now)
    delivery.delete_old(now)


@shared_task
def store_summaries() -> None:
    """Count the devices of a large zone for the pages that show their numbers."""
    summary_schedule.store_due(timezone.now())


def enqueue_schedule_work() -> None:
    """Enqueue `schedule_work` now instead of waiting for its next run."""
    publisher.enqueue(schedule_work, queue=publisher.SHARED_QUEUE)


def _schedule_ca_work(now: datetime) -> None:
    """Enqueue the work with the keys of CAs, each on the server that has the key."""
    work = (
        (authority_tasks.check_ca_key, key_store.list_keys_to_check(now)),
        (authority_tasks.destroy_ca_key, key_store.list_keys_to_destroy(now)),
        (authority_tasks.issue_crl, lists.list_due(now)),
        (authority_tasks.sign_ocsp_responses, ocsp.list_due(now)),
    )
    for task, authorities in work:
        for authority in authorities:
            queue = publisher.get_server_queue(authority.certificate_server_id)
            publisher.enqueue(task, str(authority.pk), queue=queue, only_if_empty=True)


def _schedule_server_work() -> None:
    for guid in build.get_servers_to_publish():
        publisher.enqueue(
            agents.publish_remint_tools, queue=publisher.get_server_queue(guid), only_if_empty=True
        )
    for guid in registration.take_refresh_requests():
        publisher.enqueue(agents.notify_agent, queue=publisher.get_server_queue(guid))


def _schedule_key_jobs() -> None:
    key_operations.delete_expired_results(timezone.now())
    for job in VaultJob.objects.filter(state=JobState.WAITING):
        if not alarms.is_authentic(job):
            continue
        if job.is_overdue(timezone.now()):
            with suppress(InvalidTransition):
                key_jobs.expire(job, now=timezone.now())
        else:
            authority_tasks.enqueue_key_job(job)


def _schedule_notifications(now: datetime) -> None:
    if notifications.is_due(now):
        publisher.enqueue(create_notifications, queue=publisher.SHARED_QUEUE)
    for pk in delivery.list_due(now):
        publisher.enqueue(send_notification, str(pk), queue=publisher.SHARED_QUEUE)
    if forwarding.is_due(now):
        publisher.enqueue(forward_entries, queue=publisher.SHARED_QUEUE, only_if_empty=True)
