"""The Actions menu: Generate CSR, Import Certificate, Download CSRs to Zip File.

See: manual 1.3.2
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from certificates import tasks
from certificates.authority import gates as authority_gates
from certificates.issuance import imports, name_changes, requests
from certificates.issuance.imports import ImportResult
from certificates.models import Draft, FutureCertificate
from certificates.operations.presentation import wizard
from certificates.operations.requests import SubjectFields
from certificates.operations.states import READY
from certificates.servers import gates as servers_gates
from certificates.servers import remint_views, selection
from certificates.servers.forms import GenerateCsrForm, ImportForm
from certificates.servers.gates import ServerAction, ZoneFacts
from console.pages.responses import (
    close_dialog,
    render_dialog,
    require_right,
    set_error_status,
    show_faults_on,
    trigger,
)
from console.pages.tables import as_attachment
from devices.middleware import ZoneRequest
from devices.models import Device
from faults import Conflict, Invalid, NotFound
from pki.keys import DEFAULT_KEY_LENGTH

FOLDER = "certificates/dialogs/"
PAGE = "certificates:page"
URL_NAMES: dict[str, str] = {
    Draft.Kind.GENERATE: "certificates:generate_csr",
    Draft.Kind.IMPORT: "certificates:import_certificate",
    Draft.Kind.ZIP: "certificates:csr_zip",
}
Kind = Draft.Kind
may_change = require_right(authority_gates.CA_RIGHT, authority_gates.CA_RIGHT_LABEL)


@require_POST
@may_change
def server_actions(request: ZoneRequest) -> HttpResponse:
    """Show which actions are available for the selected servers, and why others are not."""
    now = timezone.now()
    facts = selection.get_selection_facts(selection.get_selected_servers(request.POST, now))
    context = {"server_gates": servers_gates.build_server_gates(ZoneFacts.get(now), facts)}
    return render(request, "certificates/server_actions.html", context)


@require_POST
@may_change
def open_dialog(request: ZoneRequest) -> HttpResponse:
    """Open the dialog of an action on the selected servers."""
    now = timezone.now()
    kind = request.POST.get("do", "")
    if kind not in ServerAction:
        raise Invalid(_("Unknown action. Nothing was changed."))
    query = selection.get_selected_servers(request.POST, now)
    action = ServerAction(kind)
    reason = servers_gates.get_zone_reason(action, ZoneFacts.get(now))
    reason = reason or servers_gates.get_selection_reason(
        action, selection.get_selection_facts(query)
    )
    if reason:
        raise Conflict(f"{reason} {_('Nothing was changed.')}")
    chosen = list(query.order_by("name"))
    if action == ServerAction.REMINT:
        return remint_views.open_dialog(request, chosen, now)
    data = {"selection": selection.build_snapshot(chosen)}
    draft = Draft.objects.begin(request.user, kind, now=now, data=data)
    url = reverse(URL_NAMES[kind], args=[draft.pk])
    if not request.htmx:
        return HttpResponseRedirect(url)
    if action == ServerAction.ZIP:
        return trigger(HttpResponse(status=204), zcc_download={"url": url})
    render_dialog_of = (
        _render_generate_dialog if action == ServerAction.GENERATE else _render_import_dialog
    )
    return render_dialog_of(request, draft, chosen)


def _get_futures(chosen: list[Device], action: ServerAction) -> list[FutureCertificate]:
    """Return the certificates to change. Raise Conflict if the action is no longer available."""
    keys = [server.pk for server in chosen]
    reason = servers_gates.get_selection_reason(
        action, selection.get_selection_facts(Device.objects.certified().filter(pk__in=keys))
    )
    if reason:
        raise Conflict(f"{reason} {_('Nothing was changed.')}")
    return (
        selection.get_futures(chosen)
        if action == ServerAction.IMPORT
        else selection.get_external_futures(chosen)
    )


def _get_draft(request: ZoneRequest, kind: str, pk: UUID) -> tuple[Draft, list[Device]]:
    """Return a draft of the user and its servers."""
    draft = wizard.get_draft(request, kind, pk, timezone.now())
    if draft is None:
        raise NotFound(
            _("This dialog has expired. Nothing was changed."),
            action=_("Close the dialog, select the servers, and start again."),
        )
    return draft, selection.get_servers(draft.data["selection"])


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def generate_csr(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Generate CSR: request a new key and CSR from each server."""
    draft, chosen = _get_draft(request, Kind.GENERATE, pk)
    if request.method != "POST":
        return _render_generate_dialog(request, draft, chosen)
    changes = selection.list_changes(draft.data["selection"])
    futures = _get_futures(chosen, ServerAction.GENERATE)
    form = _build_generate_form(chosen, futures, data=request.POST)
    if changes:
        draft.put(selection=selection.build_snapshot(chosen))
        form.is_valid()
        for text in changes:
            form.add_error(None, text)
        set_error_status(form, 409)
    elif form.is_valid():
        with show_faults_on(form), transaction.atomic():
            _request_csrs(form, futures)
            draft.delete()
    if form.errors:
        return _render_generate_dialog(request, draft, chosen, form)
    message = ngettext(
        "A CSR has been requested from %d server.",
        "CSRs have been requested from %d servers.",
        len(futures),
    )
    return close_dialog(request, reverse(PAGE), message=message % len(futures))


def _request_csrs(form: GenerateCsrForm, futures: list[FutureCertificate]) -> None:
    values = form.cleaned_data
    requests.request_csrs(
        futures,
        key_length=values["key_length"] or DEFAULT_KEY_LENGTH,
        subject=form.subject(),
        common_name=values.get("common_name", "").strip(),
    )
    transaction.on_commit(tasks.notify_agents, robust=True)


def _build_generate_form(
    chosen: list[Device], futures: list[FutureCertificate], **given: Any
) -> GenerateCsrForm:
    replaces = any(future.state in READY for future in futures)
    return GenerateCsrForm(chosen, replaces=replaces, initial=_get_initial(futures), **given)


def _get_initial(futures: list[FutureCertificate]) -> dict[str, Any]:
    """Return what the last CSRs of all these servers have in common, so that one can be changed."""
    parameters = [future.csr_parameters or {} for future in futures]
    names = ("key_length", *vars(SubjectFields()))
    values = {name: [one.get(name) for one in parameters] for name in names}
    return {name: found[0] for name, found in values.items() if len(set(found)) == 1 and found[0]}


def _render_generate_dialog(
    request: ZoneRequest,
    draft: Draft,
    chosen: list[Device],
    form: GenerateCsrForm | None = None,
) -> HttpResponse:
    form = form or _build_generate_form(chosen, selection.get_external_futures(chosen))
    context = {
        "title": _("Generate CSR"),
        "here": reverse("certificates:generate_csr", args=[draft.pk]),
        "chosen": chosen,
        "submit": _("OK"),
        **name_changes.build_context(chosen),
    }
    return render_dialog(request, f"{FOLDER}generate_csr.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def import_certificate(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Import Certificate: match each certificate in the uploaded files by its key.

    See: D-15
    """
    draft, chosen = _get_draft(request, Kind.IMPORT, pk)
    if request.method != "POST":
        return _render_import_dialog(request, draft, chosen)
    form = ImportForm(data=request.POST, files=request.FILES)
    result = ImportResult()
    if form.is_valid():
        futures = _get_futures(chosen, ServerAction.IMPORT)
        with show_faults_on(form):
            result = _import(futures, form.cleaned_data["file"], timezone.now())
    if form.errors:
        return _render_import_dialog(request, draft, chosen, form)
    context = {"title": _("Import Certificate"), "result": result}
    response = render_dialog(request, f"{FOLDER}imported.html", context)
    return trigger(response, zcc_changed={})


def _import(
    futures: list[FutureCertificate], files: list[tuple[str, bytes]], now: datetime
) -> ImportResult:
    single = len(futures) == 1 and len(files) == 1 and not files[0][1].startswith(b"PK")
    if single:
        warnings = imports.import_file(futures[0], files[0][1], now=now)
        result = ImportResult(done=[futures[0].device.name], warnings=warnings)
    else:
        result = imports.import_files(futures, files, now=now)
    if result.done:
        tasks.enqueue_steps_on_commit(futures)
    return result


def _render_import_dialog(
    request: ZoneRequest, draft: Draft, chosen: list[Device], form: ImportForm | None = None
) -> HttpResponse:
    context = {
        "title": _("Import Certificate"),
        "here": reverse("certificates:import_certificate", args=[draft.pk]),
        "chosen": chosen,
        "submit": _("OK"),
    }
    return render_dialog(request, f"{FOLDER}import.html", context, form=form or ImportForm())


@require_GET
@may_change
def csr_zip(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Return the CSRs of the selected servers as a zip file.

    See: D-18
    """
    _draft_row, chosen = _get_draft(request, Kind.ZIP, pk)
    data = requests.build_csr_zip(_get_futures(chosen, ServerAction.ZIP))
    name = f"csrs_{slugify(request.zone.name) or 'zone'}_{timezone.now():%Y-%m-%d}.zip"
    return as_attachment(HttpResponse(data, content_type="application/zip"), name)
