"""The devices on the page of an operation: who would be cut off, who came back, what helps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, QuerySet, When
from django.http import HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.models import Operation
from certificates.trust import devices_at_risk
from certificates.trust.devices_at_risk import Contact, Why
from console.pages import tables
from devices.models import Device

COLUMNS = (
    tables.Column("device", gettext_lazy("Device"), "name"),
    tables.Column("standing", gettext_lazy("Standing"), "standing"),
    tables.Column("contact", gettext_lazy("Last contact"), "last_contact"),
    tables.Column("remedy", gettext_lazy("What to do")),
)
AT_RISK = "at-risk"
WORST_FIRST = Case(
    When(standing=Contact.SILENT, then=0),
    When(standing__in=("", Contact.ACTIVATED), then=2),
    default=1,
)


@dataclass(frozen=True)
class Row:
    """One device in the table of the page."""

    device: Device
    tone: str
    label: str | Promise
    note: str
    remedy: str
    there: str
    when: datetime | None = None


def rows(operation: Operation, devices: Iterable[Any], *, is_bridged: bool) -> list[Row]:
    """Return the rows of these devices, as they stand to the operation."""
    found = []
    for device in devices:
        if devices_at_risk.is_over(operation):
            found.append(_contact_row(operation, device))
        else:
            found.append(_risk_row(operation, device, is_bridged=is_bridged))
    return found


def _status_by_device(operation: Operation, device: Device) -> str:
    if operation.update_id is None:
        return reverse("devices:device", args=[device.pk])
    return reverse("systemupdates:devices", args=[operation.update_id]) + f"?q={device.name}"


def _risk_row(operation: Operation, device: Any, *, is_bridged: bool) -> Row:
    why = device.standing
    if not why:
        return Row(device, "ok", _("Ready"), "", "", "")
    text, there = _remedy(operation, device, why)
    relies = is_bridged and why in devices_at_risk.BRIDGE_HELPS
    note = _("relies on the bridge") if relies else ""
    if why == Why.NO_CERTIFICATE:
        note = _("holds the activation back")
    return Row(device, "busy" if relies else "bad", Why(why).label, note, text, there)


def _remedy(operation: Operation, device: Device, why: str) -> tuple[str, str]:
    """Return what helps a device that would be cut off, and where that is done."""
    texts = {
        Why.NO_CERTIFICATE: _("See to its new certificate"),
        Why.FAILED: _("Redeploy"),
        Why.NEEDS_CRT: _("Run the Certificate Remint Tool on it"),
        Why.REFUSED: _("See which server it refused"),
        Why.LEFT_OUT: _("Redeploy"),
        Why.OLD_AGENT: _("Update its agent"),
        Why.SILENT: _("Switch it on, or run zac refresh on it"),
        Why.NOT_APPLIED: _("Wait for its next refresh, or run zac refresh on it"),
    }
    there = _status_by_device(operation, device)
    if why == Why.NO_CERTIFICATE:
        there = reverse("certificates:page") + f"?q={device.name}"
    elif why in (Why.OLD_AGENT, Why.SILENT):
        there = reverse("devices:device", args=[device.pk])
    return texts[Why(why)], there


def _contact_row(operation: Operation, device: Any) -> Row:
    standing = Contact(device.standing)
    tones = {Contact.ACTIVATED: "ok", Contact.OLD_TRUST: "busy", Contact.SILENT: "bad"}
    texts = {
        Contact.ACTIVATED: "",
        Contact.OLD_TRUST: _("See why it has not activated"),
        Contact.SILENT: _("Switch it on; it comes back by itself or with the remint tool"),
    }
    first = device.first_contact
    there = _status_by_device(operation, device) if texts[standing] else ""
    return Row(device, tones[standing], standing.label, "", texts[standing], there, first)


def matching(found: QuerySet[Any], operation: Operation, asked: tables.Asked) -> QuerySet[Any]:
    """Return the devices that the search and the chip leave."""
    if asked.q:
        found = found.filter(name__icontains=asked.q)
    if asked.state == AT_RISK:
        return found.exclude(standing="")
    known = Contact.values if devices_at_risk.is_over(operation) else Why.values
    return found.filter(standing=asked.state) if asked.state in known else found


def ordered(found: QuerySet[Any], field: str, *, descending: bool) -> QuerySet[Any]:
    """Return the devices in order; without a field those that need somebody come first."""
    if field:
        return found.order_by(f"{'-' if descending else ''}{field}", "pk")
    return found.order_by(WORST_FIRST, "name", "pk")


def chips(operation: Operation, numbers: dict[str, int], asked: tables.Asked) -> list[Any]:
    """Return the filter chips with their counts."""
    kinds: Any = Contact if devices_at_risk.is_over(operation) else Why
    found = [("", _("All"), sum(numbers.values()))]
    if not devices_at_risk.is_over(operation):
        risky = sum(n for why, n in numbers.items() if why)
        found.append((AT_RISK, _("Not ready"), risky))
    found += [(kind.value, kind.label, numbers.get(kind.value, 0)) for kind in kinds]
    return [
        {"key": key, "label": label, "n": n, "on": asked.state == key}
        for key, label, n in found
        if n or key in ("", AT_RISK, asked.state)
    ]


def export(operation: Operation, found: QuerySet[Any], *, is_bridged: bool) -> HttpResponse:
    """Answer the devices as a CSV file, streamed."""
    devices = found.iterator(chunk_size=500)
    cells = (
        [row.device.name, row.label, row.note, row.device.last_contact, row.remedy]
        for row in rows(operation, devices, is_bridged=is_bridged)
    )
    heading = [_("Device"), _("Standing"), _("Note"), _("Last contact"), _("What to do")]
    return tables.csv_download(f"devices_{slugify(operation.name)}.csv", heading, cells)
