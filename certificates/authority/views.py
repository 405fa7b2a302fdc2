"""The Certificates page, with the CA pane and the server pane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.functional import SimpleLazyObject
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from administrators.accounts import policies
from certificates.approvals import approvals, decisions
from certificates.approvals.decisions import Decision
from certificates.authority import gates as authority_gates
from certificates.issuance import expiry, renewal
from certificates.models import Authority, Operation, VaultJob
from certificates.progress import counts as operation_counts
from certificates.progress import progress
from certificates.servers import gates as servers_gates
from certificates.servers import rows, selection, table
from certificates.servers.gates import ZoneFacts
from certificates.trust import readiness
from console.pages import formatting, tables
from console.pages.listing import get_own_url, keep_rows, require_safe_or_export
from console.pages.paging import get_page, sort_rows
from console.pages.responses import trigger
from devices.middleware import ZoneRequest
from devices.models import Device
from pki.certificates.details import get_details

PAGE, PANES = "certificates/page.html", "certificates/zone.html"


@dataclass
class PageStatus:
    """The CA and the operations shown on the page, read once per request."""

    authority: Authority | None
    of_ca: list[progress.Progress]
    of_servers: list[progress.Progress]
    pending: Operation | None
    last: Operation | None
    proposals: list[VaultJob] = field(default_factory=list)
    """CA key jobs waiting for a second administrator."""
    asked: list[Operation] = field(default_factory=list)
    """Operations with an action waiting for a second administrator."""
    decisions: list[Decision] = field(default_factory=list)
    """What became of the requests of this user."""

    @property
    def ca_mark(self) -> str:
        """Return a text that changes whenever the CA pane changes."""
        authority, last = self.authority, self.last
        facts = (
            authority and (authority.pk, authority.fault),
            last and (last.pk, last.state),
            self.pending,
            [job.pk for job in self.proposals],
            [(one.pk, one.requested_action) for one in self.asked],
            [one.text for one in self.decisions],
        )
        return progress.get_revision(self.of_ca, facts)

    @property
    def servers_mark(self) -> str:
        """Return a text that changes whenever the messages of the server pane change."""
        return progress.get_revision(self.of_servers)


def get_page_status(request: ZoneRequest, now: datetime) -> PageStatus:
    """Return the CA and the operations for the page."""
    found = table.list_shown_operations()
    running = [operation for operation in found if operation.state not in table.HIDDEN]
    shown = _list_progress(request, running, now)
    ended = [operation for operation in found if operation.ended_at is not None]
    return PageStatus(
        authority=Authority.objects.filter(state="current")
        .select_related("certificate_server")
        .first(),
        of_ca=[p for p in shown if p.operation.changes_ca],
        of_servers=[p for p in shown if not p.operation.changes_ca],
        pending=next((o for o in running if o.is_blocking), None),
        last=max(ended, key=attrgetter("ended_at"), default=None),
        proposals=approvals.list_pending_jobs(),
        asked=approvals.select_pending_actions(found, now),
        decisions=decisions.list_decisions(request.user, now),
    )


def _list_progress(
    request: ZoneRequest, operations: list[Operation], now: datetime
) -> list[progress.Progress]:
    counts = operation_counts.get_counts(operations, now=now)
    return [progress.get_progress(o, counts[o.pk], request.zone, now) for o in operations]


def build_ca_context(request: ZoneRequest, stand: PageStatus, now: datetime) -> dict[str, Any]:
    """Return the template context of the CA pane."""
    authority = stand.authority
    may = request.user.has_perm(authority_gates.CA_RIGHT)
    found: dict[str, Any] = {
        "authority": authority,
        "ca_operations": stand.of_ca,
        "ca_mark": stand.ca_mark,
        "last": stand.last,
        "proposals": stand.proposals,
        "asked_acts": stand.asked,
        "decisions": stand.decisions,
        "now": now,
        **get_rights(request),
    }
    if authority is not None:
        found["gates"] = authority_gates.build_ca_gates(authority, stand.pending, may=may)
        found["fingerprint"] = formatting.format_fingerprint(authority.sha256)
        found["key_label"] = get_details(authority.root_pem).key_label
        found["issuer"] = _get_issuer(authority)
        found["expired"] = authority.has_expired(now)
        found["expired_remedy"] = authority_gates.get_expired_remedy(authority, stand.of_ca)
        found["tone"], found["expiry_words"] = formatting.expiry(authority.not_after, now)
    return found


def _get_issuer(authority: Authority) -> str:
    """Return the subject of the CA that has certified a subordinate zone CA, "" for another CA."""
    is_subordinate = authority.is_subordinate and authority.intermediates_pem
    return get_details(authority.intermediates_pem).issuer if is_subordinate else ""


def get_rights(request: ZoneRequest) -> dict[str, Any]:
    """Return the rights of the user on operations, and who can approve the user's requests."""
    return {
        "may_cancel": request.user.has_perm(authority_gates.CA_RIGHT),
        "may_deploy": request.user.has_perm(authority_gates.DEPLOY_RIGHT),
        # Read only by templates that show a request of the user.
        "approvers": SimpleLazyObject(partial(_describe_approvers, request.user)),
    }


def _describe_approvers(user: Any) -> str:
    """Return the names and email addresses of those who can approve a request of the user."""
    found = policies.list_approvers(user)
    return readiness.format_names(
        [f"{one.username} ({one.email})" if one.email else one.username for one in found]
    )


def build_servers_context(request: ZoneRequest, stand: PageStatus, now: datetime) -> dict[str, Any]:
    """Return the template context of the server pane: messages, filters, columns, and rows."""
    query = tables.TableQuery.parse(request.GET)
    updates = [p.operation.update_id for p in (*stand.of_ca, *stand.of_servers)]
    known = [update for update in updates if update is not None]
    servers = table.SERVERS.get_view(request, query)
    every = table.get_servers(now, known)
    found = table.filter_servers(every, query, now)
    order = table.get_order(servers.order_field, now, descending=servers.is_descending)
    numbers = table.count_servers(every, query, now)
    chips = table.build_chips(numbers, query)
    matches = next((chip["n"] for chip in chips if chip["on"]), chips[0]["n"])
    page = get_page(found, query, order, count=matches)
    devices = keep_rows(request, Device.objects.certified()) or page.rows
    shown = rows.get_rows([device.pk for device in devices], known, now)
    # If the CA has expired, its pane says what to do: certificates of servers cannot be replaced.
    has_expired = stand.authority is not None and stand.authority.has_expired(now)
    warnings = [] if has_expired else expiry.build_server_warnings(numbers, now)
    return {
        "query": query,
        "total": numbers["total"],
        "chips": chips,
        "servers": servers,
        "columns": servers.columns,
        "page": page,
        "matching": sort_rows(found, order).values_list("pk", flat=True),
        "rows": shown,
        "kept": ",".join(str(row.device.pk) for row in shown),
        "sizes": tables.PAGE_SIZES,
        "server_operations": stand.of_servers,
        "servers_mark": stand.servers_mark,
        "here": get_own_url(request),
        "server_warnings": warnings,
        "renewal": renewal.get_next_renewal(now, now + formatting.SOON) if warnings else None,
        **build_server_actions(request, stand, now),
    }


def build_server_actions(request: ZoneRequest, stand: PageStatus, now: datetime) -> dict[str, Any]:
    """Return the actions on selected servers that the user has the right to use."""
    if not request.user.has_perm(authority_gates.CA_RIGHT):
        return {"server_gates": []}
    pending = next((p.operation for p in stand.of_ca if p.operation.is_blocking), None)
    around = ZoneFacts.build(stand.authority, pending, now)
    return {"server_gates": servers_gates.build_server_gates(around, None)}


@require_safe_or_export
def certificates(request: ZoneRequest) -> HttpResponse:
    """Show Configuration > Certificates, or its table as CSV."""
    now = timezone.now()
    stand = get_page_status(request, now)
    if request.GET.get("export") == "csv":
        selected = selection.get_exported_servers(request, now)
        return export_csv(request, stand, now, selected)
    context = build_ca_context(request, stand, now) | build_servers_context(request, stand, now)
    return render(request, PAGE, {**context, "nav": "certificates"})


@require_safe
def zone_ca(request: ZoneRequest) -> HttpResponse:
    """Return the CA pane, or 204 if it has not changed."""
    now = timezone.now()
    stand = get_page_status(request, now)

    def context() -> dict[str, Any]:
        return build_ca_context(request, stand, now)

    return render_if_changed(request, f"{PANES}#zone-ca", context, stand.ca_mark, stand.of_ca)


@require_safe
def server_operations(request: ZoneRequest) -> HttpResponse:
    """Return the messages of the server pane, or 204 if they have not changed."""
    running = table.list_running_operations()
    of_servers = [operation for operation in running if not operation.changes_ca]
    shown = _list_progress(request, of_servers, timezone.now())
    mark = progress.get_revision(shown)

    def context() -> dict[str, Any]:
        return {"server_operations": shown, "servers_mark": mark, **get_rights(request)}

    return render_if_changed(request, f"{PANES}#server-operations", context, mark, shown)


def render_if_changed(
    request: ZoneRequest,
    template: str,
    context: Callable[[], dict[str, Any]],
    mark: str,
    shown: list[progress.Progress],
) -> HttpResponse:
    """Return the pane, or 204 if it has not changed. Announce a new stage and reload the rows."""
    before = request.GET.get("rev", "")
    if before == mark:
        return HttpResponse(status=204)
    response = render(request, template, context())
    was, now_is = [*before.split("."), "", ""], mark.split(".")
    if before and was[0] != now_is[0]:
        # The end of an operation is reported on every page.
        text = " ".join(p.headline for p in shown)
        if text:
            trigger(response, zcc_announce={"text": text})
    if before and was[:2] != now_is[:2]:
        trigger(response, zcc_rows={})
    return response


@translation.override(settings.LANGUAGE_CODE)
def export_csv(
    request: ZoneRequest, stand: PageStatus, now: datetime, selected: QuerySet[Device] | None
) -> HttpResponse:
    """Return the selected servers, or all pages of the table, as CSV in its order and columns.

    The file is in English, like the other exports.
    """
    context = build_servers_context(request, stand, now)
    updates = [p.operation.update_id for p in (*stand.of_ca, *stand.of_servers)]
    known = [update for update in updates if update is not None]
    matching = context["matching"]
    if selected is not None:
        matching = matching.filter(pk__in=selected.values("pk"))
    keys = list(matching)
    shown = [column for column in context["columns"] if column.key != "options"]
    found = (
        row
        for at in range(0, len(keys), 500)
        for row in rows.get_rows(keys[at : at + 500], known, now)
    )
    # A user who has selected columns gets exactly these.
    has_role = not context["servers"].chosen
    cells = (
        [
            *(rows.format_cell(row, column.key) for column in shown),
            *([row.device.get_role_display()] if has_role else []),
        ]
        for row in found
    )
    name = f"certificates_{slugify(request.zone.name) or 'zone'}_{now:%Y-%m-%d}.csv"
    heading = [*(str(column.label) for column in shown), *([_("Role")] if has_role else [])]
    return tables.csv_download(name, heading, cells)
