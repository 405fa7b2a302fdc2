"""The Home page: status of the zone and items that need attention."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from audit.models import AlteredRow
from certificates.approvals import pending_requests
from certificates.authority.gates import get_expired_remedy
from certificates.authority.views import PageStatus, get_page_status
from certificates.backup import status as backup_status
from certificates.issuance import names
from certificates.models import Authority, FutureCertificate, Revocation
from certificates.monitoring import overview, workers
from certificates.monitoring.checks import registry
from certificates.monitoring.checks.findings import BAD, Result, get_accept_url
from certificates.operations.states import FutureState
from certificates.servers import table
from certificates.summaries import zone as zone_summary
from certificates.trust import stragglers
from console.pages import formatting, tables
from devices.inventory import tables as inventory_tables
from devices.middleware import ZoneRequest
from devices.witnesses import mismatches

VIEW_AUDIT_LOG = "ledger.view_entry"
MAX_ALTERED_ROWS = 5


@dataclass(frozen=True)
class AttentionItem:
    """An item that needs attention, with a link to the page where it can be fixed."""

    tone: str
    text: str
    url: str
    correction: str = ""
    accept_url: str = ""


@require_safe
def home(request: ZoneRequest) -> HttpResponse:
    """Show the Home page."""
    now = timezone.now()
    status = get_page_status(request, now)
    updates = [p.operation.update_id for p in (*status.of_ca, *status.of_servers)]
    servers = table.get_servers(now, [update for update in updates if update is not None])
    query = tables.TableQuery.parse(QueryDict())
    numbers = {
        chip["key"] or "all": chip["n"]
        for chip in table.build_chips(table.count_servers(servers, query, now), query)
    }
    has_expired = status.authority is not None and status.authority.has_expired(now)
    # With an expired CA, all servers and devices have no contact, and only the CA can be fixed.
    stored = zone_summary.find_of(request.zone, now)
    no_contact = 0 if has_expired else zone_summary.count_without_contact(request.zone, now)
    waiting = [] if has_expired else stragglers.list_waiting_servers(request.zone, now)
    results = registry.run_checks(request.zone, now)
    counts = overview.count_devices(zone_summary.get_roles(request.zone, now))
    context = {
        "nav": "home",
        "now": now,
        "authority": status.authority,
        "operations": [*status.of_ca, *status.of_servers],
        "servers": numbers,
        "devices": counts.devices,
        "is_empty": not counts.others,
        "no_contact": no_contact,
        "waiting": waiting[: stragglers.MAX_SERVERS],
        "more_waiting": len(waiting) > stragglers.MAX_SERVERS,
        "attention_items": _sort_items(
            *_get_worker_items(now),
            *_get_audit_items(),
            *_get_altered_row_items(),
            *_get_request_items(status, now),
            *_get_authority_items(status, now),
            *_get_server_items(numbers, without=("expired",) if has_expired else ()),
            *_get_name_items(now),
            *_get_csr_items(status),
            *_get_device_items(no_contact),
            *_get_unknown_root_items(counts.unknown_roots),
            *_get_finding_items(results),
        ),
        "decisions": status.decisions,
        "backups": backup_status.summarize(),
        "results": results,
        "months": overview.list_months(now),
        "contacts": overview.count_contacts(now, stored),
        "summary": stored,
        "events": overview.list_last_events() if request.user.has_perm(VIEW_AUDIT_LOG) else None,
    }
    if status.authority is not None:
        context["tone"], context["expiry_words"] = formatting.expiry(
            status.authority.not_after, now
        )
    return render(request, "certificates/home.html", context)


def _sort_items(*items: AttentionItem) -> list[AttentionItem]:
    """Return the items with the most severe first, each group in its order."""
    return sorted(items, key=lambda item: item.tone != BAD)


def _get_finding_items(results: list[Result]) -> list[AttentionItem]:
    """Return the open findings of the health checks."""
    return [
        AttentionItem(
            finding.severity,
            finding.text,
            finding.url,
            finding.correction,
            get_accept_url(result.check, finding) if result.check.acceptable else "",
        )
        for result in results
        for finding in result.findings
    ]


def _get_worker_items(now: datetime) -> list[AttentionItem]:
    """Return an item if the background tasks have stopped."""
    if not workers.is_worker_down(now):
        return []
    text = _("The worker has not responded for a minute. Operations are not progressing.")
    return [AttentionItem("bad", text, "/healthz")]


def _get_audit_items() -> list[AttentionItem]:
    """Return an item if a server or device has proof that audit entries are missing."""
    found = mismatches.list_open()
    if not found:
        return []
    advice = _("Run manage.py verify_audit on a Primary Server.")
    return [
        AttentionItem("bad", f"{mismatches.describe(found[0])} {advice}", reverse("audit:audit"))
    ]


def _get_altered_row_items() -> list[AttentionItem]:
    """Return an item if rows were changed in the database, until an administrator has decided."""
    rows = AlteredRow.objects.all()[:MAX_ALTERED_ROWS]
    text = _(
        "The record of %s was changed in the database, and not by ZCC. It is not used. Run "
        "manage.py check_rows on a Primary Server."
    )
    # Revocations are in the audit log, too (D-282).
    restored = _(
        "The revocation of %s was changed or deleted in the database, and not by ZCC. It is still "
        "in force. Run manage.py check_rows on a Primary Server."
    )
    texts = {Revocation._meta.label: restored}
    page = reverse("audit:audit")
    return [AttentionItem("bad", texts.get(row.label, text) % row.name, page) for row in rows]


def _get_request_items(status: PageStatus, now: datetime) -> list[AttentionItem]:
    """Return the requests that are waiting for approval by a second administrator."""
    operations = [p.operation for p in status.of_ca]
    found = pending_requests.list_requests(operations, status.proposals, status.asked, now)
    return [AttentionItem("warn", request.text, request.url) for request in found]


def _get_authority_items(status: PageStatus, now: datetime) -> list[AttentionItem]:
    page = reverse("certificates:page")
    items = [
        AttentionItem("bad", p.headline, page)
        for p in status.of_ca + status.of_servers
        if p.tone == "bad"
    ]
    if status.authority is None:
        return items
    tone, words = formatting.expiry(status.authority.not_after, now)
    if status.authority.has_expired(now):
        text = _("The zone CA has expired. Servers and devices cannot connect.")
        # One remedy for one cause: no server should be retired because of it.
        remedy = get_expired_remedy(status.authority, status.of_ca)
        items.append(AttentionItem("bad", f"{text} {remedy}", page))
    elif tone and not status.of_ca:
        items.append(AttentionItem("warn", _("The zone CA expires %s.") % words, page))
    return items


def _get_server_items(
    numbers: dict[str, int], without: tuple[str, ...] = ()
) -> list[AttentionItem]:
    page = reverse("certificates:page")
    texts = {
        "failed": ("bad", ngettext("%s server failed.", "%s servers failed.", numbers["failed"])),
        "expired": (
            "bad",
            ngettext(
                "%s server certificate has expired.",
                "%s server certificates have expired.",
                numbers["expired"],
            ),
        ),
        "expiring": (
            "warn",
            ngettext(
                "%s server certificate expires within 90 days.",
                "%s server certificates expire within 90 days.",
                numbers["expiring"],
            ),
        ),
    }
    return [
        AttentionItem(tone, text % intcomma(numbers[key]), f"{page}?state={key}")
        for key, (tone, text) in texts.items()
        if numbers[key] and key not in without
    ]


def _get_name_items(now: datetime) -> list[AttentionItem]:
    """Return the servers that cannot be renewed because of their names."""
    text = _(
        "%(server)s cannot be renewed: %(fault)s Correct the names on the Settings tab of the "
        "device."
    )
    return [
        AttentionItem(
            "bad",
            text % {"server": server.name, "fault": fault},
            reverse("devices:settings", args=[server.pk]),
        )
        for server, fault in names.list_servers_with_name_faults(now)[: stragglers.MAX_SERVERS]
    ]


def _get_csr_items(status: PageStatus) -> list[AttentionItem]:
    """Return items if CSRs of servers, or that of a subordinate CA, have to be signed."""
    pending = (
        FutureCertificate.objects.open()
        .filter(state=FutureState.CSR_GENERATED, authority__kind=Authority.Kind.EXTERNAL)
        .count()
    )
    text = ngettext(
        "%s CSR must be signed by the external CA. Download it, and import the certificate.",
        "%s CSRs must be signed by the external CA. Download them, and import the certificates.",
        pending,
    )
    url = f"{reverse('certificates:page')}?state=csr"
    items = [AttentionItem("warn", text % intcomma(pending), url)] if pending else []
    of_ca = _(
        "The CSR of the new zone CA must be signed by your corporate CA. Download it, and import "
        "the certificate with its chain."
    )
    waiting = (p.operation.pk for p in status.of_ca if p.operation.awaits_ca_certificate)
    pages = (reverse("certificates:operation", args=[pk]) for pk in waiting)
    return items + [AttentionItem("warn", of_ca, page) for page in pages]


def _get_device_items(no_contact: int) -> list[AttentionItem]:
    text = ngettext(
        "%s device has not been in contact for more than two refresh intervals.",
        "%s devices have not been in contact for more than two refresh intervals.",
        no_contact,
    )
    url = f"{reverse('devices:list')}?state=no-contact"
    return [AttentionItem("warn", text % intcomma(no_contact), url)] if no_contact else []


def _get_unknown_root_items(count: int) -> list[AttentionItem]:
    """Return an item if devices trust roots that the zone never issued."""
    text = ngettext(
        "%s device trusts a root certificate that this zone never issued.",
        "%s devices trust a root certificate that this zone never issued.",
        count,
    )
    advice = _("If the database was restored from a backup, use Remint CA.")
    url = f"{reverse('devices:list')}?state={inventory_tables.UNKNOWN_ROOT}"
    return [AttentionItem("bad", f"{text % intcomma(count)} {advice}", url)] if count else []
