"""The record of a CA key as a JSON file or a printable page."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from audit.entries.subjects import build_rows
from audit.entries.views import can_view
from audit.models import Entry
from certificates.key_records import record
from certificates.models import Authority, VaultJob
from certificates.operations.states import JobState
from certificates.progress.views import return_document
from devices.middleware import ZoneRequest

ACTIONS = {
    "created": gettext_lazy("Key generated"),
    "imported": gettext_lazy("Key imported from a backup"),
    "certified": gettext_lazy("Certificate of the other CA imported"),
    "trusted-root": gettext_lazy("Trusted root signed"),
    "zone-backup": gettext_lazy("Backups of the zone"),
    "destroyed": gettext_lazy("Key destroyed"),
}
LOCATIONS = {
    "vault": gettext_lazy("Encrypted for the certificate server"),
    "token": gettext_lazy("In a PKCS #11 token"),
    "destroyed": gettext_lazy("Destroyed"),
    "external": gettext_lazy("Not stored in this zone"),
}


@require_POST
@can_view
def key_record(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Sign the record of a CA key, and return it as a JSON file or a printable page."""
    authority, now = get_object_or_404(Authority, pk=pk), timezone.now()
    made = record.build_record(authority, now=now)
    signed = record.sign_record(made)
    entries = Entry.objects.filter(seq__in=[row["seq"] for row in made.entries])
    context = {
        "nav": "trust",
        "authority": authority,
        "record": made,
        "created_at": now,
        "location": LOCATIONS[made.ca["location"]],
        "actions": [_describe_action(action) for action in made.actions],
        "history": build_rows(entries.order_by("seq")),
    }
    name = slugify(authority.common_name) or "ca"
    file_name = f"key-record_{name}_{authority.sha256[:16]}.json"
    return return_document(request, signed, file_name, "certificates/key_record.html", context)


def _describe_action(action: dict[str, Any]) -> dict[str, Any]:
    """Return an action with labels and times as on other pages."""
    return {
        **action,
        "label": ACTIONS[action["action"]]
        if action["action"] in ACTIONS
        else VaultJob.Kind(action["action"]).label,
        "result": JobState(action["result"]).label if action["result"] else "",
        **{
            name: _parse_time(action[name]) for name in ("requested_at", "confirmed_at", "ended_at")
        },
    }


def _parse_time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
