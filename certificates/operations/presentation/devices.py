"""The table of devices on the page of an operation: risks, contacts, and recommended actions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.models import Operation
from certificates.summaries.operations import AT_RISK
from certificates.trust import devices_at_risk
from certificates.trust.devices_at_risk import Contact, Risk
from console.pages import tables
from console.pages.listing import Table
from console.pages.paging import SortKey
from devices.models import Device

DEVICES = Table(
    "devices-of-operation",
    (
        tables.Column("device", gettext_lazy("Device"), "name"),
        tables.Column("status", gettext_lazy("Status"), "status"),
        tables.Column("contact", gettext_lazy("Last contact"), "last_contact"),
        tables.Column("remedy", gettext_lazy("Recommended action")),
    ),
    (
        (gettext_lazy("Device"), lambda row: row.device.name),
        (gettext_lazy("Status"), lambda row: row.label),
        (gettext_lazy("Note"), lambda row: row.note),
        (gettext_lazy("Last contact"), lambda row: row.device.last_contact),
        (gettext_lazy("Recommended action"), lambda row: row.remedy),
    ),
    fixed="device",
)


@dataclass(frozen=True)
class Row:
    """A row of the table: a device, its status, and the recommended action."""

    device: Device
    tone: str
    label: str | Promise
    note: str
    remedy: str
    remedy_url: str
    first_contact: datetime | None = None


def build_rows(
    operation: Operation, devices: Iterable[Any], *, has_cross_certificate: bool
) -> Iterator[Row]:
    """Return the table rows of devices."""
    for device in devices:
        if devices_at_risk.is_activated(operation):
            yield _contact_row(operation, device)
        else:
            yield _risk_row(operation, device, has_cross_certificate=has_cross_certificate)


def _status_by_device(operation: Operation, device: Device) -> str:
    if operation.update_id is None:
        return reverse("devices:device", args=[device.pk])
    return reverse("systemupdates:devices", args=[operation.update_id]) + f"?q={device.name}"


def _risk_row(operation: Operation, device: Any, *, has_cross_certificate: bool) -> Row:
    why = device.status
    if not why:
        return Row(device, "ok", _("Ready"), "", "", "")
    text, url = _remedy(operation, device, why)
    relies = has_cross_certificate and why in devices_at_risk.HELPED_BY_CROSS_CERTIFICATE
    note = _("relies on the cross-certificate") if relies else ""
    if why == Risk.NO_CERTIFICATE:
        note = _("blocks the activation")
    return Row(device, "busy" if relies else "bad", Risk(why).label, note, text, url)


def _remedy(operation: Operation, device: Device, why: str) -> tuple[str, str]:
    """Return the recommended action for a device at risk, and the URL for it."""
    texts = {
        Risk.NO_CERTIFICATE: _("Check its new certificate"),
        Risk.FAILED: _("Redeploy"),
        Risk.NEEDS_CRT: _("Run the Certificate Remint Tool on the device"),
        Risk.PREFLIGHT_FAILED: _("Check which server it rejected"),
        Risk.IGNORED: _("Redeploy"),
        Risk.OLD_AGENT: _("Update the agent"),
        Risk.NO_CONTACT: _("Start the device, or run zac refresh on it"),
        Risk.NOT_APPLIED: _("Wait for the next refresh, or run zac refresh on the device"),
    }
    url = _status_by_device(operation, device)
    if why == Risk.NO_CERTIFICATE:
        url = reverse("certificates:page") + f"?q={device.name}"
    elif why in (Risk.OLD_AGENT, Risk.NO_CONTACT):
        url = reverse("devices:device", args=[device.pk])
    return texts[Risk(why)], url


def _contact_row(operation: Operation, device: Any) -> Row:
    contact = Contact(device.status)
    tones = {Contact.ACTIVATED: "ok", Contact.OLD_TRUST: "busy", Contact.NO_CONTACT: "bad"}
    texts = {
        Contact.ACTIVATED: "",
        Contact.OLD_TRUST: _("Check why it has not activated"),
        Contact.NO_CONTACT: _(
            "Start the device. It recovers automatically or with the Certificate Remint Tool"
        ),
    }
    first = device.first_contact
    url = _status_by_device(operation, device) if texts[contact] else ""
    return Row(device, tones[contact], contact.label, "", texts[contact], url, first)


def filter_devices(
    found: QuerySet[Any], operation: Operation, query: tables.TableQuery
) -> QuerySet[Any]:
    """Filter devices by the search text and the selected chip."""
    if query.q:
        found = found.filter(name__icontains=query.q)
    if query.state == AT_RISK:
        return found.exclude(status="")
    known = Contact.values if devices_at_risk.is_activated(operation) else Risk.values
    return found.filter(status=query.state) if query.state in known else found


def get_order(field: str, *, descending: bool) -> list[SortKey]:
    """Return the sort keys for a column. By default, devices that need attention come first."""
    if field:
        return [f"{'-' if descending else ''}{field}"]
    return [devices_at_risk.ATTENTION_FIRST, "name"]


def build_chips(
    operation: Operation, numbers: dict[str, int], query: tables.TableQuery
) -> list[Any]:
    """Return the filter chips with their device counts."""
    kinds: Any = Contact if devices_at_risk.is_activated(operation) else Risk
    found = [("", _("All"), sum(numbers.values()))]
    if not devices_at_risk.is_activated(operation):
        risky = sum(n for why, n in numbers.items() if why)
        found.append((AT_RISK, _("Not ready"), risky))
    found += [(kind.value, kind.label, numbers.get(kind.value, 0)) for kind in kinds]
    return [
        {"key": key, "label": label, "n": n, "on": query.state == key}
        for key, label, n in found
        if n or key in ("", AT_RISK, query.state)
    ]
