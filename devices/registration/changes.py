"""Changes that a registered server reports about itself. An administrator decides on them.

The names, addresses, ports, parent, and vault keys of a server are fixed when it is approved. They
are in its certificate, in the server list of every device, and decide who can read the zone keys.

See: D-123
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.chain import actor
from audit.models import Entry
from devices.models import Device, Zone, ZoneKey
from devices.registration import certificate_names, server_names, validation
from faults import Conflict
from pki import names
from pki.errors import BadName
from wire import messages

LABELS = {
    "fqdn": gettext_lazy("Fully qualified domain name"),
    "addresses": gettext_lazy("IP addresses"),
    "port": gettext_lazy("Port"),
    "content_port": gettext_lazy("Content port"),
    "preflight_port": gettext_lazy("Port for preflight checks"),
    "parent": gettext_lazy("Registered with"),
    "vault_key": gettext_lazy("Vault key"),
    "ca_vault_key": gettext_lazy("CA vault key"),
}
VAULT_KEYS = ("vault_key", "ca_vault_key")


def get_recorded(device: Device) -> dict[str, Any]:
    """Return the values of a server that are fixed at its approval."""
    parent = device.parent.name if device.parent is not None else ""
    return {name: getattr(device, name) for name in LABELS} | {"parent": parent}


def get_reported(request: messages.RegisterRequest) -> dict[str, Any]:
    """Return these values as a server reports them. A satellite reports no vault keys."""
    reported: dict[str, Any] = {
        "fqdn": names.check_fqdn(request.fqdn) if request.fqdn else "",
        "addresses": [_normalize_address(address) for address in request.addresses],
        "port": request.port,
        "content_port": request.content_port,
        "preflight_port": request.preflight_port,
        "parent": request.parent,
    }
    if request.vault_keys is not None:
        reported["vault_key"] = request.vault_keys.vault
        reported["ca_vault_key"] = request.vault_keys.ca_vault
    return reported


def find_changes(device: Device, request: messages.RegisterRequest) -> dict[str, Any]:
    """Return the reported values that differ from the record of a server."""
    recorded = get_recorded(device)
    recorded["addresses"] = [_normalize_address(address) for address in device.addresses]
    reported = get_reported(request)
    # A server whose parent has left the zone keeps its record. It cannot be its own parent.
    parents = Device.objects.content_servers().exclude(pk=device.pk)
    if not parents.filter(name=request.parent).exists():
        del reported["parent"]
    return {name: value for name, value in reported.items() if recorded[name] != value}


def _normalize_address(address: str) -> str:
    try:
        return names.check_address(address)
    except BadName:
        return address


def apply_values(device: Device, values: dict[str, Any]) -> None:
    """Set reported values on a device. The caller saves it."""
    for name, value in values.items():
        if name == "parent":
            device.parent = Device.objects.content_servers().filter(name=value).first()
        else:
            if name == "vault_key" and device.vault_key != value:
                # The zone keys were encrypted for the key that the server had before.
                ZoneKey.objects.filter(server=device.pk).delete()
            setattr(device, name, value)


def request_change(device: Device, request: messages.RegisterRequest, *, now: datetime) -> None:
    """Store what a registered server reports differently. Its record stays in force.

    A server that reports the recorded values again withdraws its request. The caller saves it.
    """
    after = find_changes(device, request)
    if not after:
        device.requested_change = {}
        return
    validation.check_names(request, device.pk)
    if device.requested_change.get("after") == after:
        return
    Entry.objects.record(
        "request-change",
        f"devices.Device:{device.pk}",
        note=device.name,
        detail=_compare(device, after),
    )
    address = actor.current().address
    device.requested_change = {"after": after, "at": now.isoformat(), "address": address}


def describe_change(device: Device) -> list[dict[str, Any]]:
    """Return label, old value, and new value of each requested change."""
    after = device.requested_change.get("after", {})
    recorded = get_recorded(device)
    return [
        {
            "name": name,
            "label": LABELS[name],
            "before": _format(recorded[name]),
            "after": _format(after[name]),
        }
        for name in LABELS
        if name in after
    ]


def _format(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value or "")


def _compare(device: Device, after: dict[str, Any]) -> dict[str, Any]:
    recorded = get_recorded(device)
    return {name: {"before": recorded[name], "after": value} for name, value in after.items()}


@transaction.atomic
def approve_change(device: Device, *, may_add_names: bool, at: str = "") -> None:
    """Put a requested change into force. The server gets a certificate for it.

    `at` is the time of the request that the administrator has read. Raises Forbidden if the
    certificate needs new names and not `may_add_names`.
    """
    Zone.objects.lock()
    Entry.objects.lock_checkpoint()
    row = _lock(device, at)
    after = row.requested_change["after"]
    wanted = {name: after[name] for name in ("fqdn", "addresses") if name in after}
    server_names.check(server_names.ServerNames.of(row, **wanted))
    change = certificate_names.find_requested_change(row)
    certificate_names.approve_names(row, change, may_add_names=may_add_names)
    detail = _compare(row, after)
    apply_values(row, after)
    row.requested_change = {}
    row.needs_certificate = row.is_certified and bool(row.initial_csr)
    row.has_pending_work = True
    row.save()
    Zone.objects.advance_revision()
    Entry.objects.record("approve-change", f"devices.Device:{row.pk}", note=row.name, detail=detail)


@transaction.atomic
def reject_change(device: Device, *, at: str = "") -> None:
    """Discard a requested change. The record of the server stays in force."""
    Entry.objects.lock_checkpoint()
    row = _lock(device, at)
    detail = _compare(row, row.requested_change["after"])
    Device.objects.filter(pk=row.pk).update(requested_change={})
    Entry.objects.record("reject-change", f"devices.Device:{row.pk}", note=row.name, detail=detail)


def _lock(device: Device, at: str) -> Device:
    row = Device.objects.select_for_update().get(pk=device.pk).check_row_mac()
    if not row.requested_change or row.state != "registered":
        raise Conflict(
            _("No change of %(device)s is waiting for approval. Nothing was changed.")
            % {"device": row.name}
        )
    if at and row.requested_change["at"] != at:
        raise Conflict(
            _("%(device)s has requested a different change since. Nothing was changed.")
            % {"device": row.name},
            action=_("Reload the page, read the change, and decide again."),
        )
    return row
