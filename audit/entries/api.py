"""Audit entries in the REST API; they can be read and never changed (S-40, S-44)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema

from audit.entries.tables import Filter
from audit.models import Entry
from console.rest.api import Moment, Page, Paging, Text, by_number, having, page

router = Router(tags=["audit"])
RIGHT = "ledger.view_entry"


class EntryOut(Schema):
    """One line of the ledger, chained to the one before by `previous`."""

    seq: int
    at: datetime
    actor: str
    address: str
    session: str
    action: str
    subject: str
    here: str
    there: str
    note: str
    detail: Any
    previous: str
    digest: str


class EntryFilter(Schema):
    """Which entries to return."""

    q: Text = ""
    actor: Text = ""
    action: Text = ""
    subject: Text = ""
    since: Moment | None = None
    until: Moment | None = None


@router.get("/audit-entries", response=Page[EntryOut], auth=having(RIGHT))
def list_audit_entries(
    request: HttpRequest, paging: Query[Paging], wanted: Query[EntryFilter]
) -> Any:
    """List what was done, the newest first."""
    return page(Filter(**wanted.dict()).entries(), paging)


@router.get("/audit-entries/{seq}", response=EntryOut, auth=having(RIGHT))
def show_audit_entry(request: HttpRequest, seq: str) -> Any:
    """Show one entry."""
    return by_number(Entry.objects.all(), seq)
