"""Move CA Role, Backup CA, Restore CA: ask the server that holds the key, wait for it, tell.

The dialog asks for its own address until the server has answered (manual, 1.2.6 to 1.2.8).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from certificates import tasks
from certificates.authority import backup_import, gates, key_jobs, key_operations
from certificates.authority.forms import BackupForm, MoveForm, RestoreForm
from certificates.authority.gates import Button
from certificates.models import Authority, Draft, VaultJob
from certificates.operations.presentation.ca_forms import live_primaries
from certificates.operations.presentation.remint_ca import refuse_shut
from certificates.operations.states import JobState
from console.pages.forms import PasswordAgain
from console.pages.responses import dialog, faults_on, needs, trigger
from console.pages.tables import as_download
from devices.middleware import ZoneRequest
from faults import Conflict

FOLDER = "certificates/dialogs/"
TICKETS = "downloads"
TICKETS_AT_MOST = 5
may_change = needs(gates.CA_RIGHT, str(gates.CA_RIGHT_LABEL))


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def move_ca_role(request: ZoneRequest) -> HttpResponse:
    """Move CA Role to another Primary Server that answers (R100 to R104)."""
    refuse_shut(Button.MOVE)
    now = timezone.now()
    holder = Authority.objects.current().certificate_server
    others = live_primaries(request.zone, now, but=holder.pk if holder else None)
    form = MoveForm(request, others, data=_sent(request))

    def act() -> VaultJob:
        target = UUID(form.cleaned_data["server"])
        return key_operations.move_role(target, by=request.user, now=now)

    context = {"holder": holder, "others": others, "title": _("Move Certificate Authority")}
    return _take(request, f"{FOLDER}move_ca_role.html", form, act, context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def backup_ca(request: ZoneRequest) -> HttpResponse:
    """Backup CA under a passphrase (R110 to R114)."""
    refuse_shut(Button.BACKUP)
    form = BackupForm(request, data=_sent(request))

    def act() -> VaultJob:
        return key_operations.back_up(form.cleaned_data["passphrase"], by=request.user)

    context = {"holder": Authority.objects.current().certificate_server, "title": _("Backup CA")}
    return _take(request, f"{FOLDER}backup_ca.html", form, act, context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def restore_ca(request: ZoneRequest) -> HttpResponse:
    """Restore CA on a Primary Server; a backup of another CA is an offer to change (D-31)."""
    refuse_shut(Button.RESTORE)
    now = timezone.now()
    current = Authority.objects.current()
    servers = live_primaries(request.zone, now)
    form = RestoreForm(request, servers, data=_sent(request), files=request.FILES or None)
    context: dict[str, Any] = {"authority": current, "title": _("Restore CA")}

    def act() -> VaultJob:
        given = form.cleaned_data
        target = UUID(given["server"])
        try:
            return key_operations.restore(
                given["file"], given["passphrase"], target, by=request.user, now=now
            )
        except key_jobs.OtherCA:
            backup_import.refuse_known(given["file"])
            # The offer of D-31: what was sent is kept, so that it need not be sent again.
            context["kept"] = partial(
                backup_import.keep,
                given["file"],
                given["passphrase"],
                target,
                by=request.user,
                now=now,
            )
            raise

    return _take(request, f"{FOLDER}restore_ca.html", form, act, context)


@require_POST
@may_change
def adopt_ca(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Open the backup of another CA, to go on with Change CA (D-31)."""
    now = timezone.now()
    draft = get_object_or_404(Draft.objects.alive(request.user, Draft.Kind.CHANGE_CA, now), pk=pk)
    with transaction.atomic():
        job = backup_import.begin(draft, by=request.user, now=now)
        transaction.on_commit(partial(tasks.nudge_job, job), robust=True)
    if not request.htmx:
        return HttpResponseRedirect(reverse("certificates:vault_job", args=[job.pk]))
    return _show(request, job)


def _sent(request: ZoneRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _take(
    request: ZoneRequest,
    template: str,
    form: PasswordAgain,
    act: Callable[[], VaultJob],
    context: dict[str, Any],
) -> HttpResponse:
    """Show the dialog, or do its act and wait for the server."""
    job = None
    if form.is_bound and form.is_valid():
        with faults_on(form), transaction.atomic():
            job = act()
            transaction.on_commit(partial(tasks.nudge_job, job), robust=True)
    if "kept" in context:
        context["offer"] = context.pop("kept")()
    if job is None or form.errors:
        return dialog(request, template, {**context, "here": request.path}, form=form)
    if not request.htmx:
        return HttpResponseRedirect(reverse("certificates:vault_job", args=[job.pk]))
    return _show(request, job)


def _job(request: ZoneRequest, pk: UUID) -> VaultJob:
    """Return a job of this user; that of another one is as good as none."""
    jobs = VaultJob.objects.filter(requested_by=request.user)
    return get_object_or_404(jobs.select_related("server", "target", "authority"), pk=pk)


@require_safe
@may_change
def vault_job(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Tell how a job stands: 204 while its server has not answered yet."""
    job = _job(request, pk)
    if request.GET.get("rev") == job.state:
        return HttpResponse(status=204)
    response = _show(request, job)
    if "rev" in request.GET:
        trigger(response, zcc_changed={})
        if job.result and job.kind == VaultJob.Kind.BACKUP:
            trigger(response, zcc_download={"url": _ticket(request, job)})
    return response


def _show(request: ZoneRequest, job: VaultJob) -> HttpResponse:
    context = {
        "job": job,
        "title": _("Move Certificate Authority")
        if job.kind == VaultJob.Kind.MOVE
        else job.get_kind_display(),
        "waiting": job.state == JobState.WAITING,
        "has_file": bool(job.result),
        "may_restore": job.state == JobState.EXPIRED
        and job.kind in (VaultJob.Kind.MOVE, VaultJob.Kind.BACKUP),
    }
    return dialog(request, f"{FOLDER}vault_job.html", context)


def _ticket(request: ZoneRequest, job: VaultJob) -> str:
    """Return an address that gives the backup to this session once."""
    ticket = secrets.token_urlsafe(16)
    kept = list(request.session.get(TICKETS, []))[1 - TICKETS_AT_MOST :]
    request.session[TICKETS] = [*kept, f"{job.pk}|{ticket}"]
    return reverse("certificates:backup_file", args=[job.pk, ticket])


@require_POST
@may_change
def download_again(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Give another address for a backup that the row still keeps."""
    job = _job(request, pk)
    key_operations.take_result(job)
    there = _ticket(request, job)
    if not request.htmx:
        return HttpResponseRedirect(there)
    return trigger(HttpResponse(status=204), zcc_download={"url": there})


@require_GET
@may_change
def backup_file(request: ZoneRequest, pk: UUID, ticket: str) -> HttpResponse:
    """Give the backup as a file, once for each ticket (R114)."""
    job = _job(request, pk)
    tickets = list(request.session.get(TICKETS, []))
    if f"{pk}|{ticket}" not in tickets:
        raise Conflict(
            _("This download address was used already."),
            action=_("Use “Download it again” in the dialog, or back up the CA again."),
        )
    tickets.remove(f"{pk}|{ticket}")
    request.session[TICKETS] = tickets
    response = HttpResponse(key_operations.take_result(job), content_type="application/zip")
    return as_download(response, key_operations.file_name(job))
