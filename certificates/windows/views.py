"""The page Maintenance Windows, and its dialogs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from certificates.models import ChangeFreeze, MaintenanceWindow
from certificates.pilot.settings import get_group
from certificates.windows import settings
from certificates.windows.forms import (
    FreezeForm,
    WindowForm,
    get_freeze_values,
    get_window_values,
)
from certificates.windows.weekly import describe_window
from console.pages.formatting import format_duration
from console.pages.forms import ReauthenticationForm
from console.pages.responses import close_dialog, render_dialog, require_right, show_faults_on
from devices.middleware import ZoneRequest
from devices.models import Role

RIGHT_LABEL = gettext_lazy("Change Zone Settings")
may_change = require_right(settings.RIGHT, RIGHT_LABEL)


@require_safe
def show_windows(request: ZoneRequest) -> HttpResponse:
    """Show the maintenance windows, the change freezes, the next opening, and the pilot group."""
    now = timezone.now()
    schedule = settings.load_schedule(now)
    windows, pilot = MaintenanceWindow.objects.all(), get_group()
    context = {
        "nav": "windows",
        "may": request.user.has_perm(settings.RIGHT),
        "schedule": schedule,
        "opening": schedule.find_opening(now),
        "is_open": schedule.is_open(now),
        "freeze": schedule.get_freeze(now),
        "windows": [(row, describe_window(row.name, row.rule, schedule, now)) for row in windows],
        "freezes": ChangeFreeze.objects.not_over(now),
        "now": now,
        "zone_time": request.zone.time_zone,
        "pilot": pilot,
        "pilot_roles": [str(Role(role).label) for role in pilot.roles],
        "pilot_timeout": format_duration(pilot.timeout_seconds),
    }
    return render(request, "certificates/windows.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def edit_window(request: ZoneRequest, pk: int | None = None) -> HttpResponse:
    """Create a maintenance window, or change one."""
    window = None if pk is None else get_object_or_404(MaintenanceWindow, pk=pk)
    zone = settings.load_schedule(timezone.now()).zone
    form = WindowForm(
        request,
        datetime.now(zone).replace(tzinfo=None),
        data=request.POST if request.method == "POST" else None,
        initial=None if window is None else get_window_values(window),
    )
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            settings.save_window(form.cleaned_data["name"], form.get_rule(), pk=pk)
            return _close(request, _("The maintenance window has been saved."))
    title = _("Maintenance Window") if window else _("New Maintenance Window")
    text = _("Times are in the time zone of the zone: %s.") % request.zone.time_zone
    return _show(request, form, title, text)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def edit_freeze(request: ZoneRequest, pk: int | None = None) -> HttpResponse:
    """Create a change freeze, or change one."""
    freeze = None if pk is None else get_object_or_404(ChangeFreeze, pk=pk)
    form = FreezeForm(
        request,
        data=request.POST if request.method == "POST" else None,
        initial=None if freeze is None else get_freeze_values(freeze),
    )
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            settings.save_freeze(form.to_settings(), now=timezone.now(), pk=pk)
            return _close(request, _("The change freeze has been saved."))
    title = _("Change Freeze") if freeze else _("New Change Freeze")
    text = _("Times are in your time zone: %s.") % timezone.get_current_timezone_name()
    return _show(request, form, title, text)


def _show(request: ZoneRequest, form: ReauthenticationForm, title: str, text: str) -> HttpResponse:
    context = {
        "title": title,
        "label": _("OK"),
        "text": text,
        "back": reverse("certificates:windows"),
    }
    return render_dialog(request, "certificates/dialogs/window.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def remove_window(request: ZoneRequest, pk: int) -> HttpResponse:
    """Remove a maintenance window after a confirmation."""
    window = get_object_or_404(MaintenanceWindow, pk=pk)
    text = _("Without maintenance windows, certificates can be activated at any time.")
    context = {"title": _("Remove %s") % window.name, "text": text}
    message = _("The maintenance window has been removed.")
    return _confirm(request, context, lambda: settings.remove_window(pk), message)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def remove_freeze(request: ZoneRequest, pk: int) -> HttpResponse:
    """Remove a change freeze after a confirmation."""
    freeze = get_object_or_404(ChangeFreeze, pk=pk)
    text = _("Activations that it has delayed keep their new time. You can change it.")
    context = {"title": _("Remove %s") % freeze.reason, "text": text}
    message = _("The change freeze has been removed.")
    return _confirm(request, context, lambda: settings.remove_freeze(pk), message)


def _confirm(
    request: ZoneRequest, context: dict[str, Any], action: Callable[[], None], message: str
) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    form = ReauthenticationForm(request, data=data)
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            action()
            return _close(request, message)
    context |= {"label": _("Remove"), "back": reverse("certificates:windows")}
    return render_dialog(request, "console/confirm.html", context, form=form)


def _close(request: ZoneRequest, message: str) -> HttpResponse:
    return close_dialog(request, reverse("certificates:windows"), message=message)
