"""The periodic task that finds unfinished work in the database and enqueues it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

from celery import shared_task
from django.db.models import Exists
from django.utils import timezone

from audit.chain import omissions
from audit.chain.states import InvalidTransition
from audit.forwarding import forwarding
from audit.rows import alarms
from audit.tasks import forward_entries
from certificates.acme import authorizations
from certificates.acme import signing as acme_signing
from certificates.agent_upgrades import rollout
from certificates.approvals import approvals, confirmations
from certificates.authority import key_jobs, key_operations, key_store
from certificates.issuance import renewal, requests, signing
from certificates.models import Authority, Operation, VaultJob
from certificates.models.agent_upgrade import AgentUpgrade
from certificates.monitoring import notifications, workers
from certificates.operations.states import JobState
from certificates.revocation import lists, ocsp, replacement, revocations
from certificates.summaries import schedule as summary_schedule
from certificates.tasks import acme as acme_tasks
from certificates.tasks import agents, publisher
from certificates.tasks import authority as authority_tasks
from certificates.tasks import operations as operation_tasks
from certificates.tasks.steps import Step, ask_nothing, run_due
from certificates.trust import roots, trust_list
from devices.models import Device, Zone
from devices.registration import registration
from notifications.delivery import delivery
from notifications.models import Delivery
from notifications.tasks import send as send_notification
from systemupdates.remint_tool import build
from systemupdates.updates import lifecycle

SIGNING_STATES = ("current", "future")


@shared_task
@publisher.accept_previous_name("sweep")
def schedule_work() -> None:
    """Enqueue the work that unfinished rows need.

    In an idle zone, this is one statement.
    """
    run_due(STEPS, timezone.now())


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


def _enqueue_shared(task: Any) -> None:
    publisher.enqueue(task, queue=publisher.SHARED_QUEUE, only_if_empty=True)


def _enqueue_steps(_now: datetime) -> None:
    for operation in Operation.objects.in_progress().select_related(
        "authority", "future_authority"
    ):
        operation_tasks.enqueue_next_step(operation, only_if_empty=True)


def _enqueue_summaries(now: datetime) -> None:
    if summary_schedule.list_due(now):
        _enqueue_shared(store_summaries)


def _revoke_and_replace(now: datetime) -> None:
    revocations.revoke_of_retired_devices(now=now)
    replacement.request_replacements(now=now)


def _enqueue_signing(_now: datetime) -> None:
    for authority in Authority.objects.filter(state__in=SIGNING_STATES):
        if signing.has_pending_csrs(authority):
            authority_tasks.enqueue_signing(authority, only_if_empty=True)


def _enqueue_for_cas(task: Any, authorities: Iterable[Authority]) -> None:
    """Enqueue work with the keys of CAs, each on the server that has the key."""
    for authority in authorities:
        queue = publisher.get_server_queue(authority.certificate_server_id)
        publisher.enqueue(task, str(authority.pk), queue=queue, only_if_empty=True)


def _enqueue_server_work(_now: datetime) -> None:
    for guid in build.get_servers_to_publish():
        publisher.enqueue(
            agents.publish_remint_tools, queue=publisher.get_server_queue(guid), only_if_empty=True
        )
    for guid in registration.take_refresh_requests():
        publisher.enqueue(agents.notify_agent, queue=publisher.get_server_queue(guid))


def _enqueue_retirements(now: datetime) -> None:
    if roots.list_due_roots(now):
        _enqueue_shared(authority_tasks.retire_roots_and_renew)


def _enqueue_renewals(now: datetime) -> None:
    if renewal.list_due_servers(now):
        _enqueue_shared(authority_tasks.retire_roots_and_renew)


def _enqueue_zone_keys(_now: datetime) -> None:
    if authority_tasks.get_servers_without_zone_keys().exists():
        _enqueue_shared(authority_tasks.distribute_zone_keys)


def _schedule_key_jobs(now: datetime) -> None:
    key_operations.delete_expired_results(now)
    for job in VaultJob.objects.filter(state=JobState.WAITING):
        if not alarms.is_authentic(job):
            continue
        if job.is_overdue(now):
            with suppress(InvalidTransition):
                key_jobs.expire(job, now=now)
        else:
            authority_tasks.enqueue_key_job(job)


def _enqueue_notifications(now: datetime) -> None:
    if notifications.is_due(now):
        publisher.enqueue(create_notifications, queue=publisher.SHARED_QUEUE)
    for pk in delivery.list_due(now):
        publisher.enqueue(send_notification, str(pk), queue=publisher.SHARED_QUEUE)


def _enqueue_forwarding(now: datetime) -> None:
    if forwarding.is_due(now):
        _enqueue_shared(forward_entries)


# In this order: the steps that make work come before those that enqueue it.
STEPS = (
    Step(
        "heartbeat",
        workers.record_periodic_heartbeat,
        lambda now: [~Exists(workers.list_recent_heartbeats(now))],
    ),
    Step(
        "requests",
        approvals.expire_requests,
        lambda now: [approvals.list_expired_operations(now), approvals.list_expired_jobs(now)],
        makes_work=True,
    ),
    Step(
        "agent-upgrades",
        rollout.advance_all,
        lambda _: [AgentUpgrade.objects.open()],
        makes_work=True,
    ),
    Step(
        "requested-actions",
        approvals.expire_action_requests,
        lambda _: [approvals.list_requested_actions()],
        makes_work=True,
    ),
    Step("unconfirmed-jobs", confirmations.expire_unconfirmed, ask_nothing),
    Step("omitted-entries", omissions.record_summaries, ask_nothing),
    Step("content", lambda _: lifecycle.withdraw_unneeded_content(), ask_nothing),
    Step(
        "requested-certificates",
        lambda _: requests.create_requested_certificates(),
        lambda _: [requests.list_servers_with_request()],
        makes_work=True,
    ),
    Step(
        "revocations",
        _revoke_and_replace,
        lambda now: [
            *revocations.list_certificates_of_retired(now),
            replacement.list_servers(now),
        ],
        makes_work=True,
    ),
    Step("operations", _enqueue_steps, lambda _: [Operation.objects.in_progress()]),
    Step("summaries", _enqueue_summaries, lambda _: [summary_schedule.list_beyond_small()]),
    Step(
        "signing",
        _enqueue_signing,
        lambda _: [signing.list_pending_csrs().filter(authority__state__in=SIGNING_STATES)],
    ),
    Step(
        "ca-keys",
        lambda now: _enqueue_for_cas(
            authority_tasks.check_ca_key, key_store.list_keys_to_check(now)
        ),
        lambda now: [key_store.list_keys_to_check(now)],
    ),
    Step(
        "ended-keys",
        lambda now: _enqueue_for_cas(
            authority_tasks.destroy_ca_key, key_store.list_keys_to_destroy(now)
        ),
        ask_nothing,
    ),
    Step(
        "crls",
        lambda now: _enqueue_for_cas(authority_tasks.issue_crl, lists.list_due(now)),
        lambda now: [lists.list_without_recent(now)],
    ),
    Step(
        "ocsp",
        lambda now: _enqueue_for_cas(authority_tasks.sign_ocsp_responses, ocsp.list_due(now)),
        ocsp.list_missing,
    ),
    Step(
        "acme",
        acme_tasks.schedule_acme_work,
        lambda now: [authorizations.list_waiting(now), acme_signing.list_waiting(now)],
    ),
    Step("acme-rows", acme_tasks.delete_old_rows, ask_nothing),
    Step(
        "servers",
        _enqueue_server_work,
        lambda _: [build.list_replicas_to_publish(), Device.objects.asked_to_refresh()],
    ),
    Step("roots", _enqueue_retirements, lambda now: [roots.list_after_grace(now)]),
    Step("renewals", _enqueue_renewals, ask_nothing),
    Step(
        "zone-keys", _enqueue_zone_keys, lambda _: [authority_tasks.get_servers_without_zone_keys()]
    ),
    Step(
        "second-signatures",
        lambda _: authority_tasks.enqueue_second_signatures(),
        lambda now: [Zone.objects.filter(second_public_key=""), trust_list.list_unsigned(now)],
    ),
    Step(
        "key-jobs",
        _schedule_key_jobs,
        lambda now: [
            key_operations.list_expired_results(now),
            VaultJob.objects.filter(state=JobState.WAITING),
        ],
    ),
    Step(
        "notifications",
        _enqueue_notifications,
        lambda now: [*notifications.list_unseen(), Delivery.objects.due(now)],
    ),
    Step("forwarding", _enqueue_forwarding, lambda now: [forwarding.list_behind(now)]),
)
