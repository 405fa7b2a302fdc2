"""The roots that the zone trusts, and the retirement of old roots.

The console signs a retirement notice after the grace period, when all registered devices use the
current root and no host without an agent uses a certificate of it, or the old root has expired.
Each device removes the old root only after it has verified all its servers without it.

See: docs/decisions.md D-28, D-317
"""

from __future__ import annotations

import base64
import json
from datetime import datetime
from functools import lru_cache

from django.db import transaction
from django.db.models import Q, QuerySet

from audit.rows import alarms
from certificates.models import AcmeCertificate, Authority, CrossCertificate, Operation
from certificates.models.acme import AcmeCertificateQuerySet
from certificates.operations.distribution import announce_trust_change
from certificates.operations.states import AuthorityState, OperationState
from devices.identity import zone_keys
from devices.models import Device, Zone
from systemupdates.models import TrustNotice, serialize_envelope
from wire import messages, metadata


def list_due_roots(now: datetime) -> list[Authority]:
    """Return the CAs whose grace period is over and whose root no device and no host needs."""
    rows = list_after_grace(now)
    return [old for old in rows if old.has_expired(now) or not _is_needed(old, now)]


def list_after_grace(now: datetime) -> QuerySet[Authority]:
    """Return the CAs whose grace period is over, also if their root is still needed."""
    return Authority.objects.filter(state=AuthorityState.GRACE, grace_until__lte=now)


def _is_needed(old: Authority, now: datetime) -> bool:
    has_devices = get_devices_without_current_root().exists()
    return has_devices or get_host_certificates(old, now).exists()


def get_host_certificates(old: Authority, now: datetime) -> AcmeCertificateQuerySet:
    """Return the certificates of hosts without an agent that depend on the root of a CA.

    Devices verify them with its root only, and reject them when it is retired. A host that renewed
    before an operation was canceled has one of a CA that was discarded, with a cross-certificate.
    """
    crossed = CrossCertificate.objects.filter(issuer=old, subject__state=AuthorityState.DISCARDED)
    depends = Q(authority=old) | Q(authority__in=crossed.values("subject"))
    return AcmeCertificate.objects.in_use(now).filter(depends)


def get_devices_without_current_root() -> QuerySet[Device]:
    """Return the registered devices that do not use the current root yet."""
    current = Authority.objects.current()
    return Device.objects.registered().exclude(root_sha256=current.sha256)


@transaction.atomic
def retire_root(old: Authority, *, now: datetime) -> None:
    """Retire a root and sign the retirement notice for all devices."""
    zone = Zone.objects.lock()
    left = old.remaining_key
    Authority.objects.transition(old, AuthorityState.RETIRED, sealed_key=left, note=now.isoformat())
    notice = metadata.Retirement(zone=str(zone.guid), epoch=zone.epoch, roots_sha256=[old.sha256])
    update = (
        Operation.objects.filter(authority=old, future_authority__isnull=False)
        .exclude(update=None)
        .order_by("-created_at")
        .values_list("update", flat=True)
        .first()
    )
    TrustNotice.objects.create(
        kind=TrustNotice.Kind.RETIREMENT,
        update_id=update,
        revision=1,
        envelope=serialize_envelope(zone_keys.get_keyring().sign(metadata.RETIREMENT, notice)),
    )
    Device.objects.registered().update(has_pending_work=True)
    announce_trust_change()


def list_retirement_notices(device: Device) -> list[TrustNotice]:
    """Return the retirement notices for a device: those of retired roots that it trusts."""
    if not device.trusted_sha256:
        return []
    held = set(list_retired_roots(device).values_list("sha256", flat=True))
    if not held:
        return []
    # Without this filter, the response would grow with every retired root of the zone.
    rows = TrustNotice.objects.filter(kind=TrustNotice.Kind.RETIREMENT).order_by("pk")
    return [notice for notice in rows if held & _parse_retired_roots(notice.envelope["payload"])]


def list_retired_roots(device: Device) -> QuerySet[Authority]:
    """Return the retired CAs whose root a device trusts."""
    return Authority.objects.filter(state=AuthorityState.RETIRED, sha256__in=device.trusted_sha256)


@lru_cache(maxsize=1024)
def _parse_retired_roots(payload: str) -> frozenset[str]:
    """Return the SHA-256 fingerprints of the roots in a retirement notice."""
    notice: dict[str, list[str]] = json.loads(base64.b64decode(payload))
    return frozenset(notice["roots_sha256"])


# States in which devices receive the future root at registration and refresh.
ANNOUNCED_STATES = (OperationState.ASSIGNED, OperationState.BLOCKED, OperationState.ACTIVATING)


def build_trust() -> messages.Trust:
    """Return the current, old, and future roots for devices, as PEM.

    Rows that were changed in the database are excluded (D-170). Raises RowAltered if the row of the
    zone CA is one of them.
    """
    states = (AuthorityState.CURRENT, AuthorityState.GRACE, AuthorityState.FUTURE)
    stored = Authority.objects.filter(state__in=states)
    roots = {authority.pk: authority for authority in stored if alarms.is_authentic(authority)}
    current = [a for a in roots.values() if a.state == AuthorityState.CURRENT]
    announced = Operation.objects.of_ca().filter(state__in=ANNOUNCED_STATES)
    pending = [
        roots[operation.future_authority_id]
        for operation in announced
        # The pilot group receives the root with the update, and the others only after it.
        if operation.future_authority_id in roots
        and alarms.is_authentic(operation)
        and not operation.is_held_by_pilot
    ]
    if not current:
        Authority.objects.current().check_row_mac()
    return messages.Trust(
        current=current[0].root_pem,
        in_grace=[a.root_pem for a in roots.values() if a.state == AuthorityState.GRACE],
        pending=[a.root_pem for a in pending if a.state == AuthorityState.FUTURE],
    )


def build_roots_pem() -> str:
    """Return all roots that the zone trusts as PEM, current root first; "" without a zone CA."""
    if not Authority.objects.filter(state=AuthorityState.CURRENT).exists():
        return ""
    trust = build_trust()
    return "".join(dict.fromkeys([trust.current, *trust.pending, *trust.in_grace]))
