"""Tasks of the ACME server: validate names, and sign the certificates of hosts."""

from __future__ import annotations

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from certificates.acme import authorizations, issuers, orders, signing
from certificates.acme.protocol import nonces
from certificates.authority import key_store
from certificates.models import AcmeAuthorization, Authority
from certificates.tasks import publisher

MAX_BATCHES = 20
# How many validations one run of the schedule enqueues again.
MAX_VALIDATIONS = 10


@shared_task
def validate_acme_name(authorization_id: str) -> None:
    """Validate that an ACME client controls a name."""
    rows = AcmeAuthorization.objects.select_related("order__account")
    found = rows.filter(pk=authorization_id).first()
    if found is not None:
        authorizations.validate(found, now=timezone.now())


@shared_task
def sign_acme_orders(authority_id: str) -> None:
    """Sign the certificates of ACME orders, on the certificate server of a CA."""
    authority = Authority.objects.get(pk=authority_id)
    with key_store.record_fault(authority, now=timezone.now()):
        for _ in range(MAX_BATCHES):
            if not signing.sign_batch(authority, now=timezone.now()):
                break


def enqueue_acme_validation(
    authorization: AcmeAuthorization, *, only_if_empty: bool = False
) -> None:
    """Enqueue the validation of a name."""
    publisher.enqueue(
        validate_acme_name,
        str(authorization.pk),
        queue=publisher.SHARED_QUEUE,
        only_if_empty=only_if_empty,
    )


def enqueue_acme_signing(now: datetime, *, only_if_empty: bool = False) -> None:
    """Enqueue the signing of ACME orders on the certificate server."""
    authority = issuers.find_issuing_authority(now)
    if authority is None or authority.certificate_server_id is None:
        return
    queue = publisher.get_server_queue(authority.certificate_server_id)
    publisher.enqueue(sign_acme_orders, str(authority.pk), queue=queue, only_if_empty=only_if_empty)


def schedule_acme_work(now: datetime) -> None:
    """Enqueue the validations and signatures that have no result, and delete old rows."""
    for authorization in authorizations.list_waiting(now)[:MAX_VALIDATIONS]:
        enqueue_acme_validation(authorization, only_if_empty=True)
    if signing.list_waiting(now).exists():
        enqueue_acme_signing(now, only_if_empty=True)
    nonces.delete_expired(now)
    orders.delete_old(now)
