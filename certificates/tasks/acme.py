"""Tasks of the ACME server: validate names, and sign the certificates of hosts."""

from __future__ import annotations

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from certificates.acme import authorizations, issuers, orders, signing
from certificates.acme.protocol import nonces
from certificates.authority import key_store
from certificates.models import Authority
from certificates.tasks import publisher

MAX_BATCHES = 20


@shared_task
def validate_acme_names() -> None:
    """Validate that ACME clients control the names of their orders."""
    authorizations.validate_batch(timezone.now())


@shared_task
def sign_acme_orders(authority_id: str) -> None:
    """Sign the certificates of ACME orders, on the certificate server of a CA."""
    authority = Authority.objects.get(pk=authority_id)
    with key_store.record_fault(authority, now=timezone.now()):
        for _ in range(MAX_BATCHES):
            if not signing.sign_batch(authority, now=timezone.now()):
                break


def enqueue_acme_validation() -> None:
    """Enqueue a batch of validations, if the queue is empty.

    Otherwise, the schedule repeats it. So clients cannot delay operations by more than one batch.
    """
    publisher.enqueue(validate_acme_names, queue=publisher.SHARED_QUEUE, only_if_empty=True)


def enqueue_acme_signing(now: datetime, *, only_if_empty: bool = False) -> None:
    """Enqueue the signing of ACME orders on the certificate server."""
    authority = issuers.find_issuing_authority(now)
    if authority is None or authority.certificate_server_id is None:
        return
    queue = publisher.get_server_queue(authority.certificate_server_id)
    publisher.enqueue(sign_acme_orders, str(authority.pk), queue=queue, only_if_empty=only_if_empty)


def schedule_acme_work(now: datetime) -> None:
    """Enqueue the validations and signatures that have no result."""
    if authorizations.list_waiting(now).exists():
        enqueue_acme_validation()
    if signing.list_waiting(now).exists():
        enqueue_acme_signing(now, only_if_empty=True)


def delete_old_rows(now: datetime) -> None:
    """Delete nonces that would no longer be accepted, and orders that have expired long ago."""
    nonces.delete_expired(now)
    orders.delete_old(now)
