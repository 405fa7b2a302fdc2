"""Roots that devices trust, but that this zone never issued: signs of an attack on a device."""

from __future__ import annotations

import logging

from django.db import transaction

from audit.models import Entry
from certificates.models import Authority
from devices.models import Device
from wire import messages

ACTION = "unknown-root"
log = logging.getLogger(__name__)


def update_unknown_roots(device: Device, report: messages.RefreshRequest) -> None:
    """Store which reported roots the zone never issued. New ones are recorded in the audit log.

    Call it only if the reported roots have changed: it needs a query.
    """
    reported = {report.root_sha256, report.anchored_sha256, *report.trusted_sha256} - {""}
    issued = Authority.objects.filter(sha256__in=reported).values_list("sha256", flat=True)
    unknown = sorted(reported.difference(issued))
    stored = " ".join(unknown)
    if stored == device.unknown_roots:
        return
    added = [digest for digest in unknown if digest not in device.unknown_roots.split()]
    with transaction.atomic():
        Device.objects.filter(pk=device.pk).update(unknown_roots=stored)
        if added:
            log.error("%s trusts a root that the zone never issued: %s", device.name, added)
            Entry.objects.record(
                ACTION,
                f"devices.Device:{device.pk}",
                note=device.name,
                detail={"roots": added},
            )
