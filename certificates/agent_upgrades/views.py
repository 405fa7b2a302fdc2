"""The pages Agent Upgrades, and their dialogs."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from certificates.agent_upgrades import selection, status, upgrades
from certificates.agent_upgrades.forms import UpgradeForm
from certificates.agent_upgrades.states import UPGRADE, TargetState, UpgradeState
from certificates.agent_upgrades.tables import TARGET_TONES, TARGETS, UPGRADE_TONES, UPGRADES
from certificates.authority import gates
from certificates.models import AgentUpgrade
from console.pages import tables
from console.pages.forms import ReauthenticationForm
from console.pages.listing import (
    follow_rows,
    get_own_url,
    list_keys,
    require_safe_or_export,
    select_rows,
)
from console.pages.paging import get_page, sort_rows
from console.pages.responses import close_dialog, render_dialog, require_right, show_faults_on
from devices.middleware import ZoneRequest

may_upgrade = require_right(gates.DEPLOY_RIGHT, str(gates.DEPLOY_RIGHT_LABEL))
may_approve = require_right(gates.CA_RIGHT, str(gates.CA_RIGHT_LABEL))


@require_safe_or_export
def show_upgrades(request: ZoneRequest) -> HttpResponseBase:
    """Show how many agents are older than the console, and the upgrades."""
    query = tables.TableQuery.parse(request.GET)
    table = UPGRADES.get_view(request, query)
    found = AgentUpgrade.objects.select_related("requested_by", "approved_by")
    order = table.get_order("-starts_at")
    if UPGRADES.is_exported(request):
        return UPGRADES.export(sort_rows(select_rows(request, found), order))
    page = get_page(found, query, order)
    shown = follow_rows(request, found, page.rows)
    context = {
        "nav": "agent-upgrades",
        "older": selection.list_older_agents(),
        "is_open": AgentUpgrade.objects.open().exists(),
        "may": request.user.has_perm(gates.DEPLOY_RIGHT),
        "query": query,
        "table": table,
        "columns": table.columns,
        "page": page,
        "rows": [(one, UPGRADE_TONES[UpgradeState(one.state)]) for one in shown],
        "kept": list_keys(shown),
        "here": get_own_url(request),
        "sizes": tables.PAGE_SIZES,
    }
    return render(request, "certificates/agent_upgrades.html", context)


@require_safe_or_export
def show_upgrade(request: ZoneRequest, pk: UUID) -> HttpResponseBase:
    """Show one upgrade, and its devices."""
    upgrade = _get(pk)
    query = tables.TableQuery.parse(request.GET)
    table = TARGETS.get_view(request, query)
    every = upgrade.targets.select_related("device")
    found = every.filter(device__name__icontains=query.q)
    numbers = tables.count_by_condition(
        found, {state: Q(state=state) for state in TargetState.values}
    )
    if query.state in TargetState.values:
        found = found.filter(state=query.state)
    order = table.get_order("device__name")
    if TARGETS.is_exported(request):
        return TARGETS.export(sort_rows(select_rows(request, found), order))
    page = get_page(found, query, order)
    shown = follow_rows(request, every, page.rows, most=query.size)
    state = UpgradeState(upgrade.state)
    context = {
        "nav": "agent-upgrades",
        "upgrade": upgrade,
        "tone": UPGRADE_TONES[state],
        "progress": status.count_devices(upgrade),
        "is_open": state not in UPGRADE.closed,
        "may": request.user.has_perm(gates.DEPLOY_RIGHT),
        "may_approve": request.user.has_perm(gates.CA_RIGHT) and state == UpgradeState.PROPOSED,
        "query": query,
        "table": table,
        "columns": table.columns,
        "page": page,
        "rows": [(one, TARGET_TONES.get(TargetState(one.state), "")) for one in shown],
        "kept": list_keys(shown),
        "here": get_own_url(request),
        "chips": tables.build_chips({"": _("All"), **dict(TargetState.choices)}, numbers, query),
        "sizes": tables.PAGE_SIZES,
    }
    return render(request, "certificates/agent_upgrade.html", context)


def _get(pk: UUID) -> AgentUpgrade:
    return get_object_or_404(
        AgentUpgrade.objects.select_related("requested_by", "approved_by"), pk=pk
    )


@require_http_methods(["GET", "HEAD", "POST"])
@may_upgrade
def start(request: ZoneRequest) -> HttpResponse:
    """Show the dialog Upgrade Agents, or start the upgrade."""
    form = UpgradeForm(request, request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            now = timezone.now()
            upgrade = upgrades.start(form.get_settings(), by=request.user, now=now)
            message = (
                _("The upgrade is waiting for approval by a second administrator.")
                if upgrade.state == UpgradeState.PROPOSED
                else _("The upgrade of the agents has been scheduled.")
            )
            return close_dialog(request, reverse("certificates:agent_upgrades"), message=message)
    context = {
        "title": _("Upgrade Agents"),
        "label": _("Upgrade"),
        "older": selection.list_older_agents(),
        "back": reverse("certificates:agent_upgrades"),
    }
    return render_dialog(request, "certificates/dialogs/upgrade_agents.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@may_approve
def approve(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show what is requested, or approve it as the second administrator."""
    upgrade = _get(pk)
    form = ReauthenticationForm(request, data=request.POST if request.method == "POST" else None)
    back = reverse("certificates:agent_upgrade", args=[pk])
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            upgrades.approve(upgrade, by=request.user, now=timezone.now())
            message = _("The upgrade of the agents has been approved.")
            return close_dialog(request, back, message=message)
    text = _("%(user)s requests the upgrade of the agents of %(n)d devices to version %(version)s.")
    values = {
        "user": upgrade.requested_by or _("A deleted administrator"),
        "n": upgrade.targets.count(),
        "version": upgrade.version,
    }
    context = {
        "title": _("Approve Upgrade of Agents"),
        "label": _("Approve"),
        "text": text % values,
        "back": back,
    }
    return render_dialog(request, "console/confirm.html", context, form=form)


@require_POST
@may_upgrade
def pause(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Pause an upgrade."""
    upgrades.pause(_get(pk))
    message = _("The upgrade has been paused.")
    return close_dialog(request, reverse("certificates:agent_upgrade", args=[pk]), message=message)


@require_POST
@may_upgrade
def resume(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Resume an upgrade."""
    upgrades.resume(_get(pk))
    message = _("The upgrade has been resumed.")
    return close_dialog(request, reverse("certificates:agent_upgrade", args=[pk]), message=message)


@require_http_methods(["GET", "HEAD", "POST"])
@may_upgrade
def cancel(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show the confirmation dialog, or cancel an upgrade."""
    upgrade = _get(pk)
    back = reverse("certificates:agent_upgrade", args=[pk])
    if request.method == "POST":
        upgrades.cancel(upgrade, now=timezone.now())
        return close_dialog(request, back, message=_("The upgrade has been canceled."))
    context = {
        "title": _("Cancel Upgrade of Agents"),
        "label": _("Cancel Upgrade"),
        "text": _("Agents that have been upgraded keep the new version. You cannot undo this."),
        "back": back,
    }
    return render_dialog(request, "console/confirm.html", context)
