"""Audit entries in the REST API (read-only)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema

from audit.entries.subjects import describe_entry
from audit.entries.tables import Filter
from audit.models import Entry
from console.rest.api import Page, Paging, Text, Timestamp, get_by_number, paginate, require

router = Router(tags=["audit"])
RIGHT = "ledger.view_entry"


class EntryOut(Schema):
    """An entry of the audit log.

    `here` and `there` are the states before and after. `names` are the names of the subject and of
    related objects when the entry was recorded, by subject. `previous` is the digest of the
    previous entry.
    """

    seq: int
    at: datetime
    actor: str
    address: str
    session: str
    action: str
    action_label: str
    subject: str
    here: str
    there: str
    note: str
    detail: Any
    names: dict[str, str] | None
    sentence: str
    previous: str
    digest: str

    @staticmethod
    def resolve_sentence(entry: Entry) -> str:
        """Return the entry as a sentence with the stored names."""
        return describe_entry(entry).sentence


class EntryFilter(Schema):
    """Conditions that entries must meet; an empty value matches every entry."""

    q: Text = ""
    actor: Text = ""
    action: Text = ""
    kind: Text = ""
    subject: Text = ""
    since: Timestamp | None = None
    until: Timestamp | None = None


@router.get("/audit-entries", response=Page[EntryOut], auth=require(RIGHT))
def list_audit_entries(
    request: HttpRequest, paging: Query[Paging], conditions: Query[EntryFilter]
) -> Any:
    """List audit log entries, newest first."""
    return paginate(Filter(**conditions.dict()).entries(), paging)


@router.get("/audit-entries/{seq}", response=EntryOut, auth=require(RIGHT))
def get_audit_entry(request: HttpRequest, seq: str) -> Any:
    """Get an audit log entry."""
    return get_by_number(Entry.objects.all(), seq)
