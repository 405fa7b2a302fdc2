"""The pending items of a device in the response to its refresh, and notices for the recovery."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Exists
from django.utils.functional import SimpleLazyObject

from certificates.agent_upgrades import delivery as agent_delivery
from certificates.agents import server_certificates
from certificates.models import FutureCertificate, Operation
from certificates.operations import distribution
from certificates.trust import roots
from devices.models import Device, Zone
from systemupdates.assignments import delivery
from systemupdates.content import replication
from systemupdates.models import TrustNotice
from systemupdates.updates import lifecycle
from wire import json_codec, messages, metadata, records
from wire.envelope import Envelope


def get_pending_items(device: Device, report: messages.RefreshRequest) -> dict[str, Any]:
    """Return the pending items of a device, and clear its flag when there are none.

    An item that is added concurrently must not be lost, so the flag is cleared before the second
    look, in one transaction that blocks other writers of the row. On a managed device, one
    statement finds that there is still nothing.
    """
    if device.state != "registered":
        return {}
    found, has_pending = _collect(device, report)
    if has_pending or not device.has_pending_work:
        return found
    with transaction.atomic():
        Device.objects.filter(pk=device.pk).update(has_pending_work=False)
        if device.role == messages.MANAGED and not _may_have_pending_items(device):
            return found
        found, has_pending = _collect(device, report)
        if has_pending:
            Device.objects.filter(pk=device.pk).update(has_pending_work=True)
    return found


def _may_have_pending_items(device: Device) -> bool:
    """Return False if a managed device has no pending item. True is not certain."""
    is_possible = (
        Exists(delivery.list_open_assignments(device))
        | Exists(roots.list_retired_roots(device))
        | Exists(agent_delivery.list_offered(device))
    )
    return Device.objects.filter(is_possible, pk=device.pk).exists()


def _collect(device: Device, report: messages.RefreshRequest) -> tuple[dict[str, Any], bool]:
    """Return the items for this device only, and whether any remain pending."""
    # Read only for a device with an open update.
    superseded = SimpleLazyObject(partial(distribution.list_superseded_updates, device))
    pending = delivery.get_pending_items(device, superseded)
    pending.notices += [notice.get_envelope() for notice in roots.list_retirement_notices(device)]
    found: dict[str, Any] = {
        "updates": [envelope_to_dict(envelope) for envelope in pending.updates],
        "notices": [envelope_to_dict(envelope) for envelope in pending.notices],
        "ignored": pending.ignored,
        "redeploy": pending.redeploy,
    }
    has_pending = bool(pending)
    if device.is_content_server:
        replicate = [
            *replication.get_replication_requests(device),
            *agent_delivery.list_replication_requests(device, report.stored_content),
        ]
        found["replicate"] = [json.loads(json_codec.dump(request)) for request in replicate]
        stored = set(report.stored_content)
        found["withdraw"] = [
            *(digest for digest in replication.get_withdrawn_digests(device) if digest in stored),
            *agent_delivery.list_withdrawn_digests(device, stored),
        ]
        has_pending = has_pending or bool(replicate)
    if device.role != messages.MANAGED:
        found["notices"] = [
            envelope_to_dict(n) for n in (*pending.notices, *build_recovery_notices().notices)
        ]
    if device.is_certified:
        found["certificate"] = _needs_initial_certificate(device, report)
        found["send_certificates"] = server_certificates.list_missing(device, report)
        found["new_csrs"] = server_certificates.list_replaced(device, report)
        has_pending = has_pending or bool(found["new_csrs"])
    offer, is_waiting = agent_delivery.get_offer(device)
    if offer is not None:
        found["agent_upgrade"] = records.to_plain(offer)
    return found, has_pending or is_waiting


def envelope_to_dict(envelope: Envelope) -> dict[str, str]:
    """Return a signed document as the response contains it."""
    plain: dict[str, str] = records.to_plain(envelope)
    return plain


def _needs_initial_certificate(device: Device, report: messages.RefreshRequest) -> bool:
    future = FutureCertificate.objects.open().filter(device=device, operation=None).first()
    if future is None:
        return False
    return not future.digest or future.digest != report.server_certificate_sha256


def build_recovery_notices() -> metadata.RecoveryNotices:
    """Return the trust notices of recent CA changes that were not rolled back, newest last."""
    rolled_back = Operation.objects.filter(state__in=("rolling-back", "rolled-back"))
    activated = TrustNotice.objects.filter(kind=TrustNotice.Kind.ACTIVATED)
    rows = activated.exclude(update__in=rolled_back.values("update")).order_by("-pk")[
        : lifecycle.KEPT_FOR_RECOVERY
    ]
    zone = Zone.objects.get_zone()
    return metadata.RecoveryNotices(
        zone=str(zone.guid), notices=[row.get_envelope() for row in reversed(rows)]
    )
