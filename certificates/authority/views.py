"""The Certificates page: the pane of the zone CA and the pane of the servers (R001 to R003)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from certificates.approvals import approvals
from certificates.approvals import approvals as certificates_approvals
from certificates.authority import gates as authority_gates
from certificates.issuance import expiry, renewal
from certificates.models import Authority, Operation, VaultJob
from certificates.progress import counts as operation_counts
from certificates.progress import progress
from certificates.servers import gates as servers_gates
from certificates.servers import table
from certificates.servers.gates import Around
from console.pages import formatting, tables
from console.pages.responses import trigger
from devices.middleware import ZoneRequest

PAGE = "certificates/page.html"
PANES = "certificates/zone.html"


@dataclass
class Standing:
    """What the panes tell about the authority and the operations, read once per request."""

    authority: Authority | None
    of_ca: list[progress.Progress]
    of_servers: list[progress.Progress]
    pending: Operation | None
    last: Operation | None
    proposals: list[VaultJob] = field(default_factory=list)
    """What waits for a second administrator besides operations (B-29)."""
    asked: list[Operation] = field(default_factory=list)
    """Operations for which Force or Roll back waits for one."""

    @property
    def ca_mark(self) -> str:
        """Return a text that changes when the CA pane would."""
        authority, last = self.authority, self.last
        facts = (
            authority and (authority.pk, authority.fault),
            last and (last.pk, last.state),
            self.pending,
            [job.pk for job in self.proposals],
            [(one.pk, one.asked_act) for one in self.asked],
        )
        return progress.mark(self.of_ca, facts)

    @property
    def servers_mark(self) -> str:
        """Return a text that changes when the messages of the server pane would."""
        return progress.mark(self.of_servers)


def standing(request: ZoneRequest, now: datetime) -> Standing:
    """Read how the authority and the operations stand."""
    running = table.running()
    counts = operation_counts.count(running, now=now)
    shown = [progress.progress(o, counts[o.pk], request.zone, now) for o in running]
    return Standing(
        authority=Authority.objects.filter(state="current")
        .select_related("certificate_server")
        .first(),
        of_ca=[p for p in shown if p.operation.changes_ca],
        of_servers=[p for p in shown if not p.operation.changes_ca],
        pending=next((o for o in running if o.is_blocking), None),
        last=Operation.objects.filter(ended_at__isnull=False).order_by("-ended_at").first(),
        proposals=approvals.pending_jobs(),
        asked=certificates_approvals.pending_actions(now),
    )


def ca_context(request: ZoneRequest, stand: Standing, now: datetime) -> dict[str, Any]:
    """Return what the CA pane shows."""
    authority = stand.authority
    may = request.user.has_perm(authority_gates.CA_RIGHT)
    found: dict[str, Any] = {
        "authority": authority,
        "ca_operations": stand.of_ca,
        "ca_mark": stand.ca_mark,
        "last": stand.last,
        "proposals": stand.proposals,
        "asked_acts": stand.asked,
        "now": now,
        **rights(request),
    }
    if authority is not None:
        found["gates"] = authority_gates.ca_gates(authority, stand.pending, may=may)
        found["fingerprint"] = colons(authority.sha256)
        found["expired"] = authority.has_expired(now)
        found["tone"], found["expiry_words"] = formatting.expiry(authority.not_after, now)
    return found


def rights(request: ZoneRequest) -> dict[str, bool]:
    """Return which of the acts on an operation the user may do."""
    return {
        "may_cancel": request.user.has_perm(authority_gates.CA_RIGHT),
        "may_deploy": request.user.has_perm(authority_gates.DEPLOY_RIGHT),
    }


def colons(digest: str) -> str:
    """Return a fingerprint as people compare it: upper case, in pairs."""
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2)).upper()


def servers_context(request: ZoneRequest, stand: Standing, now: datetime) -> dict[str, Any]:
    """Return what the server pane shows: messages, chips, columns and one page of rows."""
    asked = tables.Asked.read(request.GET)
    updates = [p.operation.update_id for p in (*stand.of_ca, *stand.of_servers)]
    known = [update for update in updates if update is not None]
    columns, field, descending = tables.sorted_by(table.COLUMNS, asked.sort)
    every = table.servers(now, known)
    found = table.ordered(
        table.matching(every, asked, now), field, now, descending=descending
    ).values_list("pk", flat=True)
    chosen = chosen_columns(request)
    numbers = table.counts(every, asked, now)
    chips = table.chips(numbers, asked)
    matches = next((chip["n"] for chip in chips if chip["on"]), chips[0]["n"])
    page = tables.page_of(found, asked, count=matches)
    warnings = expiry.in_words(numbers, now)
    return {
        "asked": asked,
        "total": numbers["total"],
        "chips": chips,
        "all_columns": columns,
        "columns": [c for c in columns if not chosen or c.key in chosen or c.key == table.FIXED],
        "chosen": chosen,
        "page": page,
        "rows": table.rows(list(page.object_list), known, now),
        "sizes": tables.PAGE_SIZES,
        "server_operations": stand.of_servers,
        "servers_mark": stand.servers_mark,
        "here": request.get_full_path(),
        "server_warnings": warnings,
        "renewal": renewal.next_at(now, now + formatting.SOON) if warnings else None,
        **actions(request, stand, now),
    }


def actions(request: ZoneRequest, stand: Standing, now: datetime) -> dict[str, Any]:
    """Return the acts on selected servers; who may not do them selects nothing."""
    if not request.user.has_perm(authority_gates.CA_RIGHT):
        return {"server_gates": []}
    pending = next((p.operation for p in stand.of_ca if p.operation.is_blocking), None)
    around = Around.of(stand.authority, pending, now)
    return {"server_gates": servers_gates.server_gates(around, None)}


def chosen_columns(request: ZoneRequest) -> list[str]:
    """Return the columns that the user chose; none means all that fit."""
    preferences = getattr(request.user, "preferences", None)
    return list(preferences.columns.get("servers", [])) if preferences is not None else []


@require_safe
def certificates(request: ZoneRequest) -> HttpResponse:
    """Show Configuration > Certificates, or its table as CSV."""
    now = timezone.now()
    stand = standing(request, now)
    if request.GET.get("export") == "csv":
        return export(request, stand, now)
    context = ca_context(request, stand, now) | servers_context(request, stand, now)
    return render(request, PAGE, {**context, "nav": "certificates"})


@require_safe
def zone_ca(request: ZoneRequest) -> HttpResponse:
    """Answer a live CA pane: 204 while nothing is new, else the pane."""
    now = timezone.now()
    stand = standing(request, now)

    def context() -> dict[str, Any]:
        return ca_context(request, stand, now)

    return news(request, f"{PANES}#zone-ca", context, stand.ca_mark, stand.of_ca)


@require_safe
def server_operations(request: ZoneRequest) -> HttpResponse:
    """Answer the live messages of the server pane."""
    stand = standing(request, timezone.now())

    def context() -> dict[str, Any]:
        return {
            "server_operations": stand.of_servers,
            "servers_mark": stand.servers_mark,
            **rights(request),
        }

    pane = f"{PANES}#server-operations"
    return news(request, pane, context, stand.servers_mark, stand.of_servers)


def news(
    request: ZoneRequest,
    template: str,
    context: Callable[[], dict[str, Any]],
    mark: str,
    shown: list[progress.Progress],
) -> HttpResponse:
    """Return 204, or the pane; a new stage is announced and new rows are fetched."""
    before = request.GET.get("rev", "")
    if before == mark:
        return HttpResponse(status=204)
    response = render(request, template, context())
    was, now_is = [*before.split("."), "", ""], mark.split(".")
    if before and was[0] != now_is[0]:
        text = " ".join(p.headline for p in shown) or _("The operation has ended.")
        trigger(response, zcc_announce={"text": text})
    if before and was[:2] != now_is[:2]:
        trigger(response, zcc_rows={})
    return response


def export(request: ZoneRequest, stand: Standing, now: datetime) -> HttpResponse:
    """Return the table as CSV: the same search, chip, order and columns, every page."""
    context = servers_context(request, stand, now)
    updates = [p.operation.update_id for p in (*stand.of_ca, *stand.of_servers)]
    known = [update for update in updates if update is not None]
    keys = list(context["page"].paginator.object_list)
    shown = [column for column in context["columns"] if column.key != "options"]
    found = (
        row
        for at in range(0, len(keys), 500)
        for row in table.rows(keys[at : at + 500], known, now)
    )
    cells = ([table.cell(row, column.key) for column in shown] for row in found)
    name = f"certificates_{slugify(request.zone.name) or 'zone'}_{now:%Y-%m-%d}.csv"
    return tables.csv_download(name, [str(column.label) for column in shown], cells)
