"""Periodic tasks that belong to no app."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task
from django.utils import timezone

from certificates.backup import drill
from certificates.issuance import integrity
from certificates.monitoring import workers
from certificates.tasks import publisher
from devices.identity import zone_keys
from devices.models import Device, Zone
from faults import Conflict, Fault
from systemupdates.downloads import agent_files
from zcc.rows import checks, stamping
from zcc.runtime import audit_checkpoints

log = logging.getLogger(__name__)


@shared_task
def check_certificates() -> None:
    """Log every stored certificate that does not match its row, and find altered rows."""
    for finding in integrity.list_findings(timezone.now()):
        log.error("%s: %s", finding.row, finding.why)
    checks.check_rows()


@shared_task
def check_rows() -> None:
    """Let the worker of each Primary Server require MACs, and find rows that SQL has altered."""
    _enqueue_on_primary_servers(check_rows_here)


@shared_task
def check_rows_here() -> None:
    """Raise the alarm about altered rows. Those of devices and hosts are checked once a day."""
    if Zone.objects.exists() and stamping.require_macs_if_ready():
        checks.check_rows(every_device=False)


@shared_task
def save_audit_checkpoints() -> None:
    """Let the worker of each Primary Server save a checkpoint of the audit log."""
    _enqueue_on_primary_servers(save_audit_checkpoint)


@shared_task
def save_audit_checkpoint() -> None:
    """Save the signed checkpoint of the audit log on this server, and that its worker runs."""
    if Zone.objects.exists():
        try:
            workers.record_heartbeat(zone_keys.get_keyring().server_id, timezone.now())
            audit_checkpoints.save_checkpoint_if_due(timezone.now())
        except (Fault, OSError) as fault:
            log.error("Could not save the audit log checkpoint: %s", fault)  # noqa: TRY400 - no bug


@shared_task
def publish_agents() -> None:
    """Let the worker of each Primary Server offer the agent of its version."""
    _enqueue_on_primary_servers(publish_agent)


@shared_task
def publish_agent() -> None:
    """Offer the zip application and the packages of the agent on this server."""
    try:
        agent_files.publish_agent_files()
    except (Fault, OSError) as fault:
        log.error("Could not publish the agent: %s", fault)  # noqa: TRY400 - no bug


@shared_task
def run_backups() -> None:
    """Let the worker of each Primary Server create backups and run drills if they are due."""
    _enqueue_on_primary_servers(run_backup)


@shared_task
def run_backup() -> None:
    """Create a backup of this server and run a drill, if they are due and configured."""
    if not Zone.objects.exists():
        return
    try:
        drill.run_if_due(now=timezone.now())
    except Conflict:
        log.info("A backup or a drill is in progress on this server.")
    except (Fault, OSError) as fault:
        log.error("Backup or drill failed: %s", fault)  # noqa: TRY400 - no bug


def _enqueue_on_primary_servers(task: Any) -> None:
    for server in Device.objects.primaries().values_list("pk", flat=True):
        queue = publisher.get_server_queue(server)
        publisher.enqueue(task, queue=queue, only_if_empty=True)


# The name in the previous release, for tasks that are in the queue during the upgrade.
@shared_task(name="zcc.tasks.keep_audit_head")
def _save_audit_checkpoint_by_old_name() -> None:
    save_audit_checkpoint()
