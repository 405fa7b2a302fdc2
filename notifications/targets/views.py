"""The pages and dialogs of Configuration > Notifications."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from console.pages import paging, tables
from console.pages.forms import ReauthenticationForm
from console.pages.listing import Table, require_safe_or_export, select_rows
from console.pages.responses import (
    Request,
    close_dialog,
    render_dialog,
    require_right,
    show_faults_on,
)
from notifications.channels import services
from notifications.delivery import delivery as notifications_delivery
from notifications.delivery.events import EVENTS
from notifications.mail_server import settings as mail_server
from notifications.models import Delivery, DeliveryState, Target
from notifications.targets import targets
from notifications.targets.forms import get_form_class, get_initial

RIGHT = "notifications.manage"
RIGHT_LABEL = gettext_lazy("Notifications: manage targets and view history")
FOLDER = "notifications/dialogs/"
TONES = {DeliveryState.SENT: "good", DeliveryState.WAITING: "wait", DeliveryState.FAILED: "bad"}
can_manage = require_right(RIGHT, RIGHT_LABEL)
NOTIFICATIONS = Table(
    "notifications",
    (
        tables.Column("created", gettext_lazy("Time"), "created_at"),
        tables.Column("event", gettext_lazy("Event"), "event"),
        tables.Column("target", gettext_lazy("Target"), "target__name"),
        tables.Column("state", gettext_lazy("Status"), "state"),
        tables.Column("attempts", gettext_lazy("Attempts"), "attempts"),
    ),
    (
        (gettext_lazy("Time"), lambda delivery: delivery.created_at),
        (gettext_lazy("Event"), lambda delivery: delivery.title),
        (gettext_lazy("Kind"), lambda delivery: delivery.event),
        (gettext_lazy("Target"), lambda delivery: delivery.target.name),
        (gettext_lazy("Status"), lambda delivery: delivery.get_state_display()),
        (gettext_lazy("Attempts"), lambda delivery: delivery.attempts),
    ),
    fixed="created",
)
CHIPS = {
    "": gettext_lazy("All"),
    "waiting": gettext_lazy("Waiting"),
    "sent": gettext_lazy("Sent"),
    "failed": gettext_lazy("Failed"),
}


@require_safe_or_export
@can_manage
def list_notifications(request: Request) -> HttpResponseBase:
    """List targets and the history of notifications, or return the history as CSV."""
    query = tables.TableQuery.parse(request.GET)
    table = NOTIFICATIONS.get_view(request, query)
    found = Delivery.objects.select_related("target")
    if query.q:
        found = found.filter(Q(title__icontains=query.q) | Q(target__name__icontains=query.q))
    numbers = tables.count_by_condition(found, {key: Q(state=key) for key in CHIPS if key})
    if query.state in CHIPS and query.state:
        found = found.filter(state=query.state)
    order = table.get_order("-created_at")
    if NOTIFICATIONS.is_exported(request):
        return NOTIFICATIONS.export(paging.sort_rows(select_rows(request, found), order))
    failing = Count("deliveries", filter=Q(deliveries__state=DeliveryState.FAILED))
    context = {
        "nav": "notifications",
        "query": query,
        "table": table,
        "columns": table.columns,
        "chips": tables.build_chips(CHIPS, numbers, query),
        "page": paging.get_page(found, query, order),
        "sizes": tables.PAGE_SIZES,
        "targets": Target.objects.annotate(failing=failing).order_by("name"),
        "mail_is_on": mail_server.is_configured(),
        "mail_server": mail_server.get_mail_server(),
        "services": services.SERVICES,
    }
    return render(request, "notifications/list.html", context)


@require_safe
@can_manage
def show_delivery(request: Request, pk: UUID) -> HttpResponse:
    """Show a notification with its delivery attempts."""
    shown = get_object_or_404(Delivery.objects.select_related("target"), pk=pk)
    context = {
        "title": shown.title,
        "shown": shown,
        "event": EVENTS.get(shown.event, shown.event),
        "tone": TONES[DeliveryState(shown.state)],
        "tries": shown.tries.order_by("-pk"),
        "can_resend": shown.state == DeliveryState.FAILED,
    }
    return render_dialog(request, f"{FOLDER}delivery.html", context)


@require_POST
@can_manage
def resend(request: Request, pk: UUID) -> HttpResponse:
    """Queue a failed notification again."""
    found = get_object_or_404(Delivery, pk=pk)
    notifications_delivery.resend(found.pk, now=timezone.now())
    message = _("The notification is being sent again.")
    return close_dialog(request, reverse("notifications:list"), message=message)


@require_http_methods(["GET", "HEAD", "POST"])
@can_manage
def create_target(request: Request, kind: str) -> HttpResponse:
    """Create a target; the secret of a webhook is shown only in this response."""
    if kind not in Target.Kind.values:
        raise Http404
    form = get_form_class(kind)(request, data=request.POST if request.method == "POST" else None)
    target, secret = None, ""
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            target, secret = targets.create_target(kind, form.to_settings())
    if target is not None and secret:
        return _show_secret(request, target, secret)
    if target is not None:
        return _close(request, _("The target %s has been created.") % target.name)
    titles = {Target.Kind.MAIL: _("New Email Target"), Target.Kind.WEBHOOK: _("New Webhook")}
    title = titles.get(Target.Kind(kind)) or _("New Target: %s") % Target.Kind(kind).label
    return _form(request, form, title, kind)


@require_http_methods(["GET", "HEAD", "POST"])
@can_manage
def update_target(request: Request, pk: int) -> HttpResponse:
    """Change a target."""
    target = get_object_or_404(Target, pk=pk)
    data = request.POST if request.method == "POST" else None
    form = get_form_class(target.kind)(request, data=data, initial=get_initial(target))
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            targets.update_target(pk, form.to_settings())
        if not form.errors:
            return _close(request, _("The target %s has been changed.") % target.name)
    return _form(request, form, _("Change %s") % target.name, target.kind, target=target)


def _form(
    request: Request, form: Any, title: str, kind: str, *, target: Target | None = None
) -> HttpResponse:
    context = {
        "title": title,
        "kind": kind,
        "target": target,
        "mail_is_on": mail_server.is_configured(),
        "back": reverse("notifications:list"),
    }
    return render_dialog(request, f"{FOLDER}target.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@can_manage
def renew_secret(request: Request, pk: int) -> HttpResponse:
    """Replace the secret of a webhook."""
    target = get_object_or_404(Target, pk=pk, kind=Target.Kind.WEBHOOK)
    text = _(
        "From now on, webhooks are signed with the new secret. Update the receiver immediately."
    )
    secrets: list[str] = []
    form = _run_confirmed(request, lambda: secrets.append(targets.renew_secret(pk)))
    if secrets:
        return _show_secret(request, target, secrets[0])
    return _confirm(request, form, target, _("New Secret"), text)


@require_http_methods(["GET", "HEAD", "POST"])
@can_manage
def delete_target(request: Request, pk: int) -> HttpResponse:
    """Delete a target and its history."""
    target = get_object_or_404(Target, pk=pk)
    deleted: list[Target] = []
    form = _run_confirmed(request, lambda: deleted.append(targets.delete_target(pk)))
    if deleted:
        return _close(request, _("The target %s has been removed.") % target.name)
    text = _("The target receives no more notifications, and its history is deleted.")
    return _confirm(request, form, target, _("Remove"), text)


def _run_confirmed(request: Request, action: Callable[[], Any]) -> ReauthenticationForm:
    form = ReauthenticationForm(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            action()
    return form


def _confirm(
    request: Request, form: ReauthenticationForm, target: Target, label: str, text: str
) -> HttpResponse:
    context = {
        "title": f"{label}: {target.name}",
        "label": label,
        "text": text,
        "back": reverse("notifications:list"),
    }
    return render_dialog(request, "console/confirm.html", context, form=form)


@require_POST
@can_manage
def send_test(request: Request, pk: int) -> HttpResponse:
    """Send a test notification to a target."""
    target = get_object_or_404(Target, pk=pk)
    targets.send_test(pk, now=timezone.now())
    messages.success(
        request,
        _("A test notification is being sent to %s. See History for the result.") % target.name,
    )
    return HttpResponseRedirect(reverse("notifications:list"))


def _show_secret(request: Request, target: Target, secret: str) -> HttpResponse:
    context = {"title": target.name, "secret": secret}
    response = render_dialog(request, f"{FOLDER}secret.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


def _close(request: Request, message: str) -> HttpResponse:
    return close_dialog(request, reverse("notifications:list"), message=message)
