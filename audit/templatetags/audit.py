"""The history of an object, for the page of the object."""

from __future__ import annotations

from typing import Any

from django import template

from audit.entries.subjects import build_rows
from audit.entries.tables import list_last_entries

register = template.Library()
RIGHT = "ledger.view_entry"
MAX_ENTRIES = 8


@register.inclusion_tag("audit/history.html", takes_context=True)
def audit_history(context: template.Context, kind: str, key: Any) -> dict[str, Any]:
    """Show the last entries about an object, if the user has the right to view the audit log.

    `kind` is the model label, for example `devices.Device`, and `key` is the primary key.
    """
    user, subject = context["request"].user, f"{kind}:{key}"
    may_view = bool(user.has_perm(RIGHT))
    rows = build_rows(list_last_entries(subject, MAX_ENTRIES)) if may_view else []
    return {"may_view": may_view, "rows": rows, "subject": subject, "now": context.get("now")}
