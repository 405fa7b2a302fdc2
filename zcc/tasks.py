"""What the queue carries for the project as a whole."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone

from certificates.issuance import integrity
from devices.models import Zone
from faults import Fault
from zcc.runtime import audit_checkpoints

log = logging.getLogger(__name__)


@shared_task
def check_certificates() -> None:
    """Hold every stored certificate against its row, every night (S-8)."""
    for finding in integrity.findings(timezone.now()):
        log.error("%s: %s", finding.row, finding.why)


@shared_task
def keep_audit_head() -> None:
    """Keep the head of the audit chain on this worker's server; may run anywhere, any time."""
    if Zone.objects.exists():
        try:
            audit_checkpoints.keep_when_due(timezone.now())
        except Fault as fault:
            log.error("The head of the audit chain was not kept: %s", fault)  # noqa: TRY400 - foreseen
