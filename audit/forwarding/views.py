"""The page Audit Log Forwarding: the syslog server, its status, and a test."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from audit.forwarding import forwarding
from audit.forwarding.forms import ForwardingForm, get_initial
from audit.models import SyslogServer
from console.pages.forms import ReauthenticationForm
from console.pages.responses import (
    Request,
    close_dialog,
    render_dialog,
    require_right,
    show_faults_on,
)
from faults import Fault

# An export of the audit log that continues: the right to change settings of the zone.
RIGHT = "devices.change_zone"
can_change = require_right(RIGHT, gettext_lazy("Change Zone Settings"))


@require_http_methods(["GET", "HEAD", "POST"])
@can_change
def edit_forwarding(request: Request) -> HttpResponse:
    """Show and change the syslog server."""
    server = SyslogServer.objects.get_server()
    data = request.POST if request.method == "POST" else None
    form = ForwardingForm(request, data=data, initial=get_initial(server))
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            forwarding.save_settings(form.to_settings(), now=timezone.now())
        if not form.errors:
            messages.success(request, _("The settings have been saved."))
            return _go_back()
    context = {
        "nav": "forwarding",
        "form": form,
        "server": server,
        "pending": forwarding.count_pending(server) if server is not None else 0,
    }
    status = 422 if form.errors else 200
    return render(request, "audit/forwarding.html", context, status=status)


@require_POST
@can_change
def send_test(request: Request) -> HttpResponse:
    """Send a test message and show the result."""
    try:
        server = forwarding.send_test(now=timezone.now())
    except Fault as fault:
        messages.error(request, str(fault))
    else:
        messages.success(request, _("%s has received a test message.") % server)
    return _go_back()


@require_http_methods(["GET", "HEAD", "POST"])
@can_change
def stop_forwarding(request: Request) -> HttpResponse:
    """Ask for confirmation, then stop forwarding."""
    form = ReauthenticationForm(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            forwarding.stop()
        if not form.errors:
            return close_dialog(request, _get_url(), message=_("Forwarding has been stopped."))
    context = {
        "title": _("Stop Forwarding"),
        "label": _("Stop Forwarding"),
        "text": _("The syslog server receives no more entries. The audit log itself is kept."),
        "back": _get_url(),
    }
    return render_dialog(request, "console/confirm.html", context, form=form)


def _go_back() -> HttpResponseRedirect:
    return HttpResponseRedirect(_get_url())


def _get_url() -> str:
    return reverse("audit:forwarding")
