"""The signed report of an operation as a JSON file or a printable page."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_POST

from audit.entries.subjects import build_rows
from audit.models import Entry
from certificates.operations.presentation.actions import get_operation
from certificates.progress import report as reports
from certificates.progress.views import return_document
from devices.middleware import ZoneRequest
from devices.models import Role
from systemupdates.updates.states import ERRORS, AssignmentState

TIMES = ("applied_at", "activated_at", "first_contact_at")


@require_POST
def report(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Sign the report of an operation, and return it as a JSON file or a printable page."""
    found, now = get_operation(pk), timezone.now()
    made = reports.build_report(found, now=now)
    signed = reports.sign_report(made)
    history = Entry.objects.filter(seq__in=[row["seq"] for row in made.history])
    context = {
        "nav": "certificates",
        "operation": found,
        "report": made,
        "created_at": now,
        "devices": [_describe_device(row) for row in made.devices],
        "history": build_rows(history.order_by("seq")),
    }
    file_name = f"report_{slugify(found.name)}.json"
    return return_document(request, signed, file_name, "certificates/report.html", context)


def _describe_device(row: dict[str, Any]) -> dict[str, Any]:
    """Return a device of the report with labels and times as on other pages."""
    return {
        "name": row["name"],
        "role": Role(row["role"]).label,
        "state": AssignmentState(row["state"]).label,
        "reason": row["reason"] if row["state"] in ERRORS else "",
        **{name: _parse_time(row[name]) for name in TIMES},
    }


def _parse_time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
