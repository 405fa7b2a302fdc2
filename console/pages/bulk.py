"""Actions on the selected rows of a table.

The rows are checkboxes of the form `bulk-form`. A dialog repeats what is selected and what the
action does. Each row is changed in its own transaction, so a row that cannot be changed does not
prevent the others. The dialog then names these rows, and why.

See: D-207
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from console.pages.responses import Request, close_dialog, render_dialog, trigger
from faults import Fault, Invalid

UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MAX_ROWS = 1000
MAX_NAMED = 20


@dataclass(frozen=True)
class BulkAction:
    """An action: its label, what it does, and the function that performs it on one row.

    `keep_label` is that of the button that closes the dialog, if “Cancel” would be ambiguous.
    """

    label: str | Promise
    text: str | Promise
    run: Callable[[Any], object]
    is_dangerous: bool = False
    keep_label: str | Promise = ""


def run_action(
    request: Request,
    actions: Mapping[str, BulkAction],
    find: Callable[[Sequence[str]], Sequence[Any]],
    *,
    back: str,
    name: Callable[[Any], str] = str,
) -> HttpResponse:
    """Show the confirmation dialog for the selected rows, or perform the action on each of them.

    `find` returns the rows with the given IDs, `name` returns the name of a row, and `back` is the
    URL of the table.
    """
    ids = list_selected_ids(request)
    key = request.POST.get("action", "")
    if key not in actions or not ids:
        raise Invalid(_("Select at least one row and an action. Nothing was changed."))
    action, rows = actions[key], find(ids)
    context: dict[str, Any] = {
        "title": action.label,
        "action": action,
        "key": key,
        "ids": ",".join(ids),
        "names": [name(row) for row in rows[:MAX_NAMED]],
        "total": len(rows),
        "more": max(0, len(rows) - MAX_NAMED),
        "back": back,
    }
    if "confirmed" not in request.POST:
        return render_dialog(request, "console/bulk.html", context)
    rejected = [(name(row), fault) for row in rows if (fault := _run(action, row)) is not None]
    done = len(rows) - len(rejected)
    message = ngettext("%(n)d row has been changed.", "%(n)d rows have been changed.", done)
    if not rejected:
        return close_dialog(request, back, message=message % {"n": done})
    context |= {"message": message % {"n": done}, "rejected": rejected[:MAX_NAMED]}
    context["more"] = max(0, len(rejected) - MAX_NAMED)
    response = render_dialog(request, "console/bulk_result.html", context)
    return trigger(response, zcc_changed={})


def list_selected_ids(request: HttpRequest) -> list[str]:
    """Return the IDs of the selected rows as sent. Raises Invalid if there are too many."""
    ids = [part for value in request.POST.getlist("ids") for part in value.split(",") if part]
    if len(ids) > MAX_ROWS:
        raise Invalid(
            _("You can select up to %d rows at the same time. Nothing was changed.") % MAX_ROWS
        )
    return ids


def parse_uuids(ids: Sequence[str]) -> list[UUID]:
    """Return the IDs that are UUIDs."""
    return [UUID(text) for text in ids if UUID_TEXT.fullmatch(text)]


def _run(action: BulkAction, row: Any) -> Fault | None:
    """Perform the action on a row. Returns the reason if it was rejected."""
    try:
        action.run(row)
    except Fault as fault:
        return fault
    return None
