"""The menu Actions: Generate CSR, Import Certificate, Download CSRs to Zip File (manual, 1.3.2)."""

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
from certificates.issuance import imports, requests
from certificates.issuance.imports import Imported
from certificates.models import Draft, FutureCertificate
from certificates.operations.presentation import wizard
from certificates.operations.states import READY
from certificates.servers import gates as servers_gates
from certificates.servers import remint_views, selection
from certificates.servers.forms import GenerateCsrForm, ImportForm
from certificates.servers.gates import Act, Around
from console.pages.responses import answer_with, close_dialog, dialog, faults_on, needs, trigger
from console.pages.tables import as_download
from devices.middleware import ZoneRequest
from devices.models import Device
from faults import Conflict, Invalid, NotFound
from pki.keys import DEFAULT_KEY_LENGTH

FOLDER = "certificates/dialogs/"
PAGE = "certificates:page"
ADDRESSES: dict[str, str] = {
    Draft.Kind.GENERATE: "certificates:generate_csr",
    Draft.Kind.IMPORT: "certificates:import_certificate",
    Draft.Kind.ZIP: "certificates:csr_zip",
}
Kind = Draft.Kind
may_change = needs(authority_gates.CA_RIGHT, str(authority_gates.CA_RIGHT_LABEL))


@require_POST
@may_change
def server_actions(request: ZoneRequest) -> HttpResponse:
    """Tell which acts suit the selected servers, and why the others do not; changes nothing."""
    now = timezone.now()
    facts = selection.facts(selection.chosen(request.POST, now))
    context = {"server_gates": servers_gates.server_gates(Around.read(now), facts)}
    return render(request, "certificates/acts.html", context)


@require_POST
@may_change
def selected(request: ZoneRequest) -> HttpResponse:
    """Open the dialog of an act on the selected servers (R161)."""
    now = timezone.now()
    kind = request.POST.get("do", "")
    if kind not in Act:
        raise Invalid(_("This act is not known. Nothing was changed."))
    query = selection.chosen(request.POST, now)
    act = Act(kind)
    reason = servers_gates.shut_around(act, Around.read(now))
    reason = reason or servers_gates.shut_for(act, selection.facts(query))
    if reason:
        raise Conflict(f"{reason} {_('Nothing was changed.')}")
    chosen = list(query.order_by("name"))
    if act == Act.REMINT:
        return remint_views.begin(request, chosen, now)
    data = {"selection": selection.freeze(chosen)}
    draft = Draft.objects.begin(request.user, kind, now=now, data=data)
    there = reverse(ADDRESSES[kind], args=[draft.pk])
    if not request.htmx:
        return HttpResponseRedirect(there)
    if act == Act.ZIP:
        return trigger(HttpResponse(status=204), zcc_download={"url": there})
    show = _show_generate if act == Act.GENERATE else _show_import
    return show(request, draft, chosen)


def _futures(chosen: list[Device], act: Act) -> list[FutureCertificate]:
    """Return what the act works on, once it is sure that it still suits every server."""
    keys = [server.pk for server in chosen]
    reason = servers_gates.shut_for(
        act, selection.facts(Device.objects.certified().filter(pk__in=keys))
    )
    if reason:
        raise Conflict(f"{reason} {_('Nothing was changed.')}")
    return selection.every_future_of(chosen) if act == Act.IMPORT else selection.futures_of(chosen)


def _draft(request: ZoneRequest, kind: str, pk: UUID) -> tuple[Draft, list[Device]]:
    """Return a user's own draft and its servers."""
    draft = wizard.draft_of(request, kind, pk, timezone.now())
    if draft is None:
        raise NotFound(
            _("This dialog has expired. Nothing was changed."),
            action=_("Close it, select the servers and start again."),
        )
    return draft, selection.servers(draft.data["selection"])


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def generate_csr(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Generate CSR: the servers make a fresh key and request (R086, R200 to R207)."""
    draft, chosen = _draft(request, Kind.GENERATE, pk)
    if request.method != "POST":
        return _show_generate(request, draft, chosen)
    told = selection.differences(draft.data["selection"])
    futures = _futures(chosen, Act.GENERATE)
    form = _generate_form(chosen, futures, data=request.POST)
    if told:
        draft.put(selection=selection.freeze(chosen))
        form.is_valid()
        for text in told:
            form.add_error(None, text)
        answer_with(form, 409)
    elif form.is_valid():
        with faults_on(form), transaction.atomic():
            _generate(form, futures)
            draft.delete()
    if form.errors:
        return _show_generate(request, draft, chosen, form)
    said = ngettext(
        "%d server was asked for a CSR.", "%d servers were asked for their CSRs.", len(futures)
    )
    return close_dialog(request, reverse(PAGE), said=said % len(futures))


def _generate(form: GenerateCsrForm, futures: list[FutureCertificate]) -> None:
    given = form.cleaned_data
    requests.generate(
        futures,
        key_length=given["key_length"] or DEFAULT_KEY_LENGTH,
        subject=form.subject(),
        common_name=given.get("common_name", "").strip(),
    )
    transaction.on_commit(tasks.wake_all, robust=True)


def _generate_form(
    chosen: list[Device], futures: list[FutureCertificate], **given: Any
) -> GenerateCsrForm:
    replaces = any(future.state in READY for future in futures)
    return GenerateCsrForm(chosen, replaces=replaces, **given)


def _show_generate(
    request: ZoneRequest,
    draft: Draft,
    chosen: list[Device],
    form: GenerateCsrForm | None = None,
) -> HttpResponse:
    form = form or _generate_form(chosen, selection.futures_of(chosen))
    context = {
        "title": _("Generate CSR"),
        "here": reverse("certificates:generate_csr", args=[draft.pk]),
        "chosen": chosen,
        "submit": _("OK"),
    }
    return dialog(request, f"{FOLDER}generate_csr.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def import_certificate(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Import Certificate: one file, several or a zip, each matched by its key (D-15)."""
    draft, chosen = _draft(request, Kind.IMPORT, pk)
    if request.method != "POST":
        return _show_import(request, draft, chosen)
    form = ImportForm(data=request.POST, files=request.FILES)
    result = Imported()
    if form.is_valid():
        futures = _futures(chosen, Act.IMPORT)
        with faults_on(form):
            result = _import(futures, form.cleaned_data["file"], timezone.now())
    if form.errors:
        return _show_import(request, draft, chosen, form)
    context = {"title": _("Import Certificate"), "result": result, "total": len(chosen)}
    response = dialog(request, f"{FOLDER}imported.html", context)
    return trigger(response, zcc_changed={})


def _import(
    futures: list[FutureCertificate], files: list[tuple[str, bytes]], now: datetime
) -> Imported:
    single = len(futures) == 1 and len(files) == 1 and not files[0][1].startswith(b"PK")
    if single:
        warnings = imports.import_one(futures[0], files[0][1], now=now)
        result = Imported(done=[futures[0].device.name], warnings=warnings)
    else:
        result = imports.import_many(futures, files, now=now)
    if result.done:
        for key in {future.operation_id for future in futures if future.operation_id}:
            tasks.nudge(str(key))
    return result


def _show_import(
    request: ZoneRequest, draft: Draft, chosen: list[Device], form: ImportForm | None = None
) -> HttpResponse:
    context = {
        "title": _("Import Certificate"),
        "here": reverse("certificates:import_certificate", args=[draft.pk]),
        "chosen": chosen,
        "submit": _("OK"),
    }
    return dialog(request, f"{FOLDER}import.html", context, form=form or ImportForm())


@require_GET
@may_change
def csr_zip(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Give the CSRs of the selected servers as one zip (D-18)."""
    _draft_row, chosen = _draft(request, Kind.ZIP, pk)
    data = requests.csr_zip(_futures(chosen, Act.ZIP))
    name = f"csrs_{slugify(request.zone.name) or 'zone'}_{timezone.now():%Y-%m-%d}.zip"
    return as_download(HttpResponse(data, content_type="application/zip"), name)
