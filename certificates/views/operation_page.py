"""The page of one operation and its signed report (B-2, B-6 to B-8)."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Case, QuerySet, When
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from certificates import late, progress, rollout, stages
from certificates import report as reports
from certificates.machine import OperationState
from certificates.models import Operation
from certificates.operations import readiness
from certificates.rollout import Contact, Why
from certificates.views.acts import operation_of
from certificates.views.page import news, rights
from console import chart, tables
from devices.http import ZoneRequest
from devices.models import Device, Zone
from systemupdates import rollout as spread

State = OperationState
PAGE = "certificates/operation_page.html"
PANE = "certificates/operation_live.html#operation-pane"
COLUMNS = (
    tables.Column("device", gettext_lazy("Device"), "name"),
    tables.Column("standing", gettext_lazy("Standing"), "standing"),
    tables.Column("contact", gettext_lazy("Last contact"), "last_contact"),
    tables.Column("remedy", gettext_lazy("What to do")),
)
AT_RISK = "at-risk"
# Without another order those that need somebody come first.
WORST_FIRST = Case(
    When(standing=Contact.SILENT, then=0),
    When(standing__in=("", Contact.ACTIVATED), then=2),
    default=1,
)
AFTER = (State.ACTIVATED, State.COMPLETED)


@dataclass
class Standing:
    """An operation with everything that its live pane shows."""

    operation: Operation
    zone: Zone
    now: datetime
    shown: progress.Progress
    how_far: rollout.Trusting

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Return how many devices there are of each standing."""
        return rollout.count(rollout.standing(self.operation, self.zone, self.now))

    @cached_property
    def is_bridged(self) -> bool:
        """Tell whether a bridge carries devices that miss the update."""
        return rollout.is_bridged(self.operation)

    @property
    def mark(self) -> str:
        """Return a text that changes when the pane would; from what is cheap to ask (P-10)."""
        states, _servers, rest = progress.mark([self.shown], self.how_far).split(".")
        # Here the rows follow every device, not the servers alone.
        rows = progress.digest(self.shown.counts, self.how_far)
        return f"{states}.{rows}.{rest}"


def standing(zone: Zone, operation: Operation, now: datetime) -> Standing:
    """Read how an operation stands."""
    counts = progress.count([operation])[operation.pk]
    return Standing(
        operation=operation,
        zone=zone,
        now=now,
        shown=progress.progress(operation, counts, zone, now),
        how_far=rollout.trusting(operation),
    )


def live_context(request: ZoneRequest, stand: Standing, now: datetime) -> dict[str, Any]:
    """Return what the live pane shows: message, stages, who would be cut off, the chart."""
    operation = stand.operation
    risks = sum(n for why, n in stand.numbers.items() if why and not rollout.is_over(operation))
    relying = sum(stand.numbers.get(why, 0) for why in rollout.BRIDGE_HELPS)
    relying = relying if stand.is_bridged and not rollout.is_over(operation) else 0
    return {
        "operation": operation,
        "p": stand.shown,
        "mark": stand.mark,
        "cut_over": stages.cut_over(operation, stand.how_far) if operation.changes_ca else [],
        "how_far": stand.how_far,
        "is_over": rollout.is_over(operation),
        "contacts": [(c.value, c.label, stand.numbers.get(c, 0)) for c in Contact],
        "cut_off": risks - relying,
        "relying": relying,
        "is_bridged": stand.is_bridged,
        "rely_now": stand.how_far.of - stand.how_far.trusting,
        "readiness": _readiness(request, operation, now),
        "unrefreshed": _unrefreshed(operation),
        "chart": _chart(operation, stand, now),
        "now": now,
        **rights(request),
    }


def _unrefreshed(operation: Operation) -> int | None:
    """Return how many devices do not know of the last new certificate yet (D-47)."""
    if late.last_stored(operation) is None:
        return None
    return late.not_refreshed(operation).count()


def _readiness(request: ZoneRequest, operation: Operation, now: datetime) -> dict[str, Any]:
    """Return how the zone's policy stands to an operation that is not activated yet."""
    zone = request.zone
    waits = operation.state in (State.ASSIGNED, State.BLOCKED)
    return {
        "on": readiness.has_policy(zone),
        "policy": readiness.policy_of(zone),
        "missing": readiness.shortfalls(operation, zone, now) if waits else [],
        "waits": waits,
    }


def _chart(operation: Operation, stand: Standing, now: datetime) -> chart.Chart | None:
    update = operation.update
    if update is None:
        return None
    until = max(filter(None, (operation.ended_at or now, operation.activated_at)))
    moments = chart.edges(operation.created_at, until)
    made = spread.counted(operation.futures.exclude(made_at=None), "made_at", moments)
    lines = spread.series(update, moments)
    lines.insert(1, chart.Series("made", _("Certificates made"), made))
    moment = operation.activated_at or operation.activates_at
    marks = [chart.Mark("activation", _("Activation"), moment)] if moment else []
    return chart.draw(moments, lines, of=stand.how_far.of, marks=marks)


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


def _rows(operation: Operation, page: Any, *, is_bridged: bool) -> list[Row]:
    found = []
    for device in page.object_list:
        if rollout.is_over(operation):
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
    relies = is_bridged and why in rollout.BRIDGE_HELPS
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


def _matching(found: QuerySet[Any], operation: Operation, asked: tables.Asked) -> QuerySet[Any]:
    if asked.q:
        found = found.filter(name__icontains=asked.q)
    if asked.state == AT_RISK:
        return found.exclude(standing="")
    known = Contact.values if rollout.is_over(operation) else Why.values
    return found.filter(standing=asked.state) if asked.state in known else found


def _chips(operation: Operation, numbers: dict[str, int], asked: tables.Asked) -> list[Any]:
    kinds: Any = Contact if rollout.is_over(operation) else Why
    chips = [("", _("All"), sum(numbers.values()))]
    if not rollout.is_over(operation):
        risky = sum(n for why, n in numbers.items() if why)
        chips.append((AT_RISK, _("Not ready"), risky))
    chips += [(kind.value, kind.label, numbers.get(kind.value, 0)) for kind in kinds]
    return [
        {"key": key, "label": label, "n": n, "on": asked.state == key}
        for key, label, n in chips
        if n or key in ("", AT_RISK, asked.state)
    ]


@require_safe
def operation(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show one operation: stages, who would be cut off, the rollout, the contacts after it."""
    found, now = operation_of(pk), timezone.now()
    stand = standing(request.zone, found, now)
    asked = tables.Asked.read(request.GET)
    columns, field, descending = tables.sorted_by(COLUMNS, asked.sort)
    order = (f"{'-' if descending else ''}{field}",) if field else (WORST_FIRST, "name")
    rows = _matching(rollout.standing(found, request.zone, now), found, asked).order_by(
        *order, "pk"
    )
    if request.GET.get("export") == "csv":
        return _export(found, rows, is_bridged=stand.is_bridged)
    page = tables.page_of(rows, asked)
    context = live_context(request, stand, now) | {
        "nav": "certificates",
        "asked": asked,
        "columns": columns,
        "page": page,
        "rows": _rows(found, page, is_bridged=stand.is_bridged),
        "chips": _chips(found, stand.numbers, asked),
        "sizes": tables.PAGE_SIZES,
        "here": request.get_full_path(),
    }
    return render(request, PAGE, context)


def _export(operation: Operation, rows: QuerySet[Any], *, is_bridged: bool) -> HttpResponse:
    class Everything:
        object_list = rows.iterator(chunk_size=500)

    cells = (
        [row.device.name, row.label, row.note, row.device.last_contact, row.remedy]
        for row in _rows(operation, Everything, is_bridged=is_bridged)
    )
    heading = [_("Device"), _("Standing"), _("Note"), _("Last contact"), _("What to do")]
    return tables.csv_download(f"devices_{slugify(operation.name)}.csv", heading, cells)


@require_safe
def live(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Answer the live pane of an operation: 204 while nothing is new."""
    found, now = operation_of(pk), timezone.now()
    stand = standing(request.zone, found, now)

    def context() -> dict[str, Any]:
        return live_context(request, stand, now)

    return news(request, PANE, context, stand.mark, [stand.shown])


@require_POST
def report(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Sign the report of an operation and give it as JSON, or as a page to print (B-8)."""
    found = operation_of(pk)
    made = reports.build(found, now=timezone.now())
    signed = reports.sign(made)
    if request.POST.get("as") != "page":
        text = json.dumps(vars(signed), indent=1)
        response = HttpResponse(text, content_type="application/json")
        return tables.as_download(response, f"report_{slugify(found.name)}.json")
    context = {
        "nav": "certificates",
        "operation": found,
        "report": made,
        "signed": signed,
        "digest": hashlib.sha256(base64.b64decode(signed.payload)).hexdigest(),
        "p": None,
    }
    return render(request, "certificates/report.html", context)
