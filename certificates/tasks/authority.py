"""Tasks for the zone CA and its keys: signing, key operations, retirement, renewal."""

from __future__ import annotations

from contextlib import suppress

from celery import shared_task
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from audit.chain.states import InvalidTransition
from audit.rows import alarms
from certificates.approvals import approvals, confirmations, job_checks
from certificates.authority import backup_import, key_jobs, key_store
from certificates.issuance import renewal, signing
from certificates.models import Authority, VaultJob
from certificates.operations.states import JobState
from certificates.revocation import lists, ocsp
from certificates.tasks import agents, publisher
from certificates.trust import roots, second_key, trust_list
from console.requests import logs
from devices.identity import zone_keys
from devices.models import Device, DeviceQuerySet, Zone, ZoneKey
from wire import messages

MAX_BATCHES = 20


@shared_task
@publisher.accept_previous_name("sign")
def sign_pending_csrs(authority_id: str) -> None:
    """Sign the pending CSRs of a CA in batches, on its certificate server."""
    authority = Authority.objects.get(pk=authority_id)
    with key_store.record_fault(authority, now=timezone.now()):
        for _ in range(MAX_BATCHES):
            if not signing.sign_batch(authority, now=timezone.now()):
                break
    agents.notify_agents()


@shared_task
@publisher.accept_previous_name("check_ca")
def check_ca_key(authority_id: str) -> None:
    """Check that the key of a CA can be used on its certificate server."""
    key_store.check_key(Authority.objects.get(pk=authority_id), now=timezone.now())


@shared_task
@publisher.accept_previous_name("destroy_key")
def destroy_ca_key(authority_id: str) -> None:
    """Destroy the key of a retired CA in the PKCS #11 token of this server."""
    key_store.destroy_ended_key(Authority.objects.get(pk=authority_id), now=timezone.now())


@shared_task
@publisher.accept_previous_name("do_job")
def run_key_job(job_id: str) -> None:
    """Move, back up, or restore the CA on the server whose key vault is needed."""
    logs.add_log_context(job=job_id)
    job = VaultJob.objects.select_related("authority", "server", "target").get(pk=job_id)
    if not job_checks.is_authentic(job):
        return
    if not job_checks.has_approvals(job):
        with suppress(InvalidTransition):
            approvals.withdraw_job(job, now=timezone.now(), reason=job_checks.NOT_APPROVED)
        return
    with suppress(InvalidTransition):
        if confirmations.hold_unconfirmed(job):
            return
    run = backup_import.run if job.kind == VaultJob.Kind.ADOPT else key_jobs.run
    with suppress(InvalidTransition):
        run(job, now=timezone.now())


@shared_task
@publisher.accept_previous_name("hand_over_keys")
def distribute_zone_keys() -> None:
    """Encrypt the zone keys for Primary Servers that do not have them yet."""
    for server in get_servers_without_zone_keys():
        if alarms.is_authentic(server):
            with transaction.atomic():
                zone_keys.get_keyring().share_with(server)


@shared_task
def introduce_second_key() -> None:
    """Create the second zone key, sign stored documents with it, and announce it to devices."""
    second_key.introduce(now=timezone.now())


@shared_task
def sign_trust_list() -> None:
    """Sign the trust list of the current revision of the zone with both zone keys."""
    trust_list.sign_and_store(now=timezone.now())


@shared_task
def issue_crl(authority_id: str) -> None:
    """Issue the CRL of a CA on its certificate server."""
    authority = Authority.objects.get(pk=authority_id)
    with key_store.record_fault(authority, now=timezone.now()):
        lists.issue(authority, now=timezone.now())


@shared_task
def sign_ocsp_responses(authority_id: str) -> None:
    """Sign OCSP responses in batches, on the certificate server of a CA."""
    authority = Authority.objects.get(pk=authority_id)
    revoked = ocsp.RevokedCertificates(authority, timezone.now())
    with key_store.record_fault(authority, now=timezone.now()):
        for _ in range(MAX_BATCHES):
            if not ocsp.sign_batch(authority, now=timezone.now(), revoked=revoked):
                break


@shared_task
@publisher.accept_previous_name("look_after")
def retire_roots_and_renew() -> None:
    """Retire roots after their grace period, and renew server certificates that expire soon."""
    now = timezone.now()
    for old in filter(alarms.is_authentic, roots.list_due_roots(now)):
        with suppress(InvalidTransition):
            roots.retire_root(old, now=now)
    servers = renewal.list_due_servers(now)
    if servers:
        renewal.start_renewal(servers, now=now)


def enqueue_key_job(job: VaultJob) -> None:
    """Enqueue a CA key operation on its server, unless it must be approved first."""
    if job.state == JobState.PROPOSED:
        return
    publisher.enqueue(run_key_job, str(job.pk), queue=publisher.get_server_queue(job.server_id))


def enqueue_signing(authority: Authority, *, only_if_empty: bool = False) -> None:
    """Enqueue the signing of pending CSRs on the certificate server of a CA."""
    if authority.certificate_server_id is not None:
        queue = publisher.get_server_queue(authority.certificate_server_id)
        publisher.enqueue(
            sign_pending_csrs, str(authority.pk), queue=queue, only_if_empty=only_if_empty
        )


def get_servers_without_zone_keys() -> DeviceQuerySet:
    """Return the Primary Servers that can receive the zone keys and do not have all of them."""
    same = ZoneKey.objects.filter(server=OuterRef(OuterRef("pk")), kind=OuterRef("kind"))
    missing = ZoneKey.objects.filter(~Exists(same))
    own = ZoneKey.objects.filter(server=OuterRef("pk"))
    servers = Device.objects.primaries().exclude(vault_key="")
    return servers.filter(Exists(missing) | ~Exists(own))


def enqueue_second_signatures() -> None:
    """Enqueue what the second zone key must sign, or its creation in a zone without one.

    Devices that know the key reject what a console of the previous version signs. So all Primary
    Servers must be upgraded before.
    """
    zone = Zone.objects.first()
    if zone is None:
        return
    if not zone.second_public_key:
        if not Device.objects.primaries().have_feature(messages.FEATURE_SECOND_KEY):
            return
        publisher.enqueue(introduce_second_key, queue=publisher.SHARED_QUEUE, only_if_empty=True)
    elif trust_list.needs_signature(zone, now=timezone.now()):
        publisher.enqueue(sign_trust_list, queue=publisher.SHARED_QUEUE, only_if_empty=True)
