"""The dialogs Move CA Role, Backup CA, and Restore CA.

Each dialog creates a job and polls its status until the server has responded.

See: manual 1.2.6 to 1.2.8
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
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
from certificates.operations.presentation import wizard
from certificates.operations.presentation.ca_forms import primary_server_choices
from certificates.operations.presentation.remint_ca import check_button
from certificates.operations.states import JobState
from console.pages.forms import ReauthenticationForm
from console.pages.responses import render_dialog, require_right, show_faults_on, trigger
from console.pages.tables import as_attachment
from devices.middleware import ZoneRequest
from faults import Conflict

FOLDER = "certificates/dialogs/"
DOWNLOAD_TICKETS = "downloads"
MAX_TICKETS = 5
may_change = require_right(gates.CA_RIGHT, gates.CA_RIGHT_LABEL)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def move_ca_role(request: ZoneRequest) -> HttpResponse:
    """Move the CA role to another online Primary Server (Move CA Role)."""
    check_button(Button.MOVE)
    now = timezone.now()
    holder = Authority.objects.current().certificate_server
    others = primary_server_choices(now, exclude=holder.pk if holder else None)
    form = MoveForm(request, others, data=_get_data(request))

    def create() -> VaultJob:
        target = UUID(form.cleaned_data["server"])
        return key_operations.move_role(target, by=request.user, now=now)

    context = {"holder": holder, "others": others, "title": _("Move Certificate Authority")}
    return _run_dialog(request, f"{FOLDER}move_ca_role.html", form, create, context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def backup_ca(request: ZoneRequest) -> HttpResponse:
    """Back up the CA, encrypted with a passphrase (Backup CA)."""
    check_button(Button.BACKUP)
    form = BackupForm(request, data=_get_data(request))

    def create() -> VaultJob:
        return key_operations.back_up(form.cleaned_data["passphrase"], by=request.user)

    current = Authority.objects.current()
    context = {
        "holder": current.certificate_server,
        "authority": current,
        "last_backup": key_operations.get_last_backup_time(),
        "title": _("Backup CA"),
    }
    return _run_dialog(request, f"{FOLDER}backup_ca.html", form, create, context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def restore_ca(request: ZoneRequest) -> HttpResponse:
    """Restore the CA to a Primary Server (Restore CA), or offer Change CA for a different CA."""
    check_button(Button.RESTORE)
    now = timezone.now()
    current = Authority.objects.current()
    servers = primary_server_choices(now)
    form = RestoreForm(request, servers, data=_get_data(request), files=request.FILES or None)
    context: dict[str, Any] = {
        "authority": current,
        "last_backup": key_operations.get_last_backup_time(),
        "title": _("Restore CA"),
    }

    def create() -> VaultJob:
        given = form.cleaned_data
        target = UUID(given["server"])
        try:
            return key_operations.restore(
                given["file"], given["passphrase"], target, by=request.user, now=now
            )
        except key_jobs.DifferentCA:
            backup_import.check_unknown(given["file"])
            # Keep the backup in a draft, so that it does not have to be uploaded again.
            context["create_draft"] = partial(
                backup_import.create_draft,
                given["file"],
                given["passphrase"],
                target,
                by=request.user,
                now=now,
            )
            raise

    return _run_dialog(request, f"{FOLDER}restore_ca.html", form, create, context)


@require_POST
@may_change
def import_ca(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Decrypt the backup of a different CA and continue with Change CA (D-31)."""
    now = timezone.now()
    draft = wizard.get_draft(request, Draft.Kind.CHANGE_CA, pk, now)
    if draft is None:
        raise Http404
    with transaction.atomic():
        job = backup_import.create_job(draft, by=request.user, now=now)
        transaction.on_commit(partial(tasks.enqueue_key_job, job), robust=True)
    if not request.htmx:
        return HttpResponseRedirect(reverse("certificates:key_job", args=[job.pk]))
    return _show(request, job)


def _get_data(request: ZoneRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _run_dialog(
    request: ZoneRequest,
    template: str,
    form: ReauthenticationForm,
    create: Callable[[], VaultJob],
    context: dict[str, Any],
) -> HttpResponse:
    """Show the dialog, or create its job and show its status."""
    job = None
    if form.is_bound and form.is_valid():
        with show_faults_on(form), transaction.atomic():
            job = create()
            transaction.on_commit(partial(tasks.enqueue_key_job, job), robust=True)
    if "create_draft" in context:
        context["offer"] = context.pop("create_draft")()
    if job is None or form.errors:
        return render_dialog(request, template, context, form=form)
    if not request.htmx:
        return HttpResponseRedirect(reverse("certificates:key_job", args=[job.pk]))
    return _show(request, job)


def _get_job(request: ZoneRequest, pk: UUID) -> VaultJob:
    """Return a job of this user, or raise Http404."""
    jobs = VaultJob.objects.filter(requested_by=request.user)
    return get_object_or_404(jobs.select_related("server", "target", "authority"), pk=pk)


@require_safe
@may_change
def show_job(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show the status of a job, or return 204 if it has not changed."""
    job = _get_job(request, pk)
    if request.GET.get("rev") == job.state:
        return HttpResponse(status=204)
    response = _show(request, job)
    if "rev" in request.GET:
        trigger(response, zcc_changed={})
        if job.result and job.kind == VaultJob.Kind.BACKUP:
            trigger(response, zcc_download={"url": _create_ticket(request, job)})
    return response


def _show(request: ZoneRequest, job: VaultJob) -> HttpResponse:
    context = {
        "job": job,
        "title": _("Move Certificate Authority")
        if job.kind == VaultJob.Kind.MOVE
        else job.get_kind_display(),
        "waiting": job.state == JobState.WAITING,
        "has_file": bool(job.result),
        # A rejected request expires, too, but without an action.
        "may_restore": job.state == JobState.EXPIRED
        and job.action
        and job.kind in (VaultJob.Kind.MOVE, VaultJob.Kind.BACKUP),
    }
    return render_dialog(request, f"{FOLDER}key_job.html", context)


def _create_ticket(request: ZoneRequest, job: VaultJob) -> str:
    """Return a download URL for the backup that works once, in this session."""
    ticket = secrets.token_urlsafe(16)
    kept = list(request.session.get(DOWNLOAD_TICKETS, []))[1 - MAX_TICKETS :]
    request.session[DOWNLOAD_TICKETS] = [*kept, f"{job.pk}|{ticket}"]
    return reverse("certificates:backup_file", args=[job.pk, ticket])


@require_POST
@may_change
def download_again(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Create another download URL for a backup that is still available."""
    job = _get_job(request, pk)
    key_operations.get_result(job)
    url = _create_ticket(request, job)
    if not request.htmx:
        return HttpResponseRedirect(url)
    return trigger(HttpResponse(status=204), zcc_download={"url": url})


@require_GET
@may_change
def download_backup(request: ZoneRequest, pk: UUID, ticket: str) -> HttpResponse:
    """Download the backup, once for each ticket."""
    job = _get_job(request, pk)
    tickets = list(request.session.get(DOWNLOAD_TICKETS, []))
    if f"{pk}|{ticket}" not in tickets:
        raise Conflict(
            _("This download link has already been used."),
            action=_("Click Download Again in the dialog, or back up the CA again."),
        )
    tickets.remove(f"{pk}|{ticket}")
    request.session[DOWNLOAD_TICKETS] = tickets
    response = HttpResponse(key_operations.get_result(job), content_type="application/zip")
    return as_attachment(response, key_operations.get_file_name(job))
