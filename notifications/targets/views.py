"""Configuration > Notifications: targets, a test button, and what was sent (B-25)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from console.pages import tables
from console.pages.forms import PasswordAgain
from console.pages.responses import Request, close_dialog, dialog, faults_on, needs
from notifications.channels import mail
from notifications.delivery import delivery as notifications_delivery
from notifications.delivery.events import EVENTS
from notifications.models import Delivery, DeliveryState, Target
from notifications.targets import targets
from notifications.targets.forms import form_of, initial_of

RIGHT = "notifications.manage"
RIGHT_LABEL = gettext_lazy("Notifications: targets and what was sent")
FOLDER = "notifications/dialogs/"
TONES = {DeliveryState.SENT: "good", DeliveryState.WAITING: "wait", DeliveryState.GIVEN_UP: "bad"}
may_manage = needs(RIGHT, str(RIGHT_LABEL))
COLUMNS = (
    tables.Column("created", gettext_lazy("Time"), "created_at"),
    tables.Column("event", gettext_lazy("Event"), "event"),
    tables.Column("target", gettext_lazy("Target"), "target__name"),
    tables.Column("state", gettext_lazy("Status"), "state"),
    tables.Column("attempts", gettext_lazy("Attempts"), "attempts"),
)
CHIPS = {
    "": gettext_lazy("All"),
    "waiting": gettext_lazy("Waiting"),
    "sent": gettext_lazy("Sent"),
    "given-up": gettext_lazy("Given up"),
}


@require_safe
@may_manage
def notifications(request: Request) -> HttpResponse:
    """List targets, and the history of what was sent."""
    asked = tables.Asked.read(request.GET)
    columns, field, descending = tables.sorted_by(COLUMNS, asked.sort)
    found = Delivery.objects.select_related("target")
    if asked.q:
        found = found.filter(Q(title__icontains=asked.q) | Q(target__name__icontains=asked.q))
    numbers = tables.counts(found, {key: Q(state=key) for key in CHIPS if key})
    if asked.state in CHIPS and asked.state:
        found = found.filter(state=asked.state)
    order = [f"-{field}" if descending else field] if field else []
    failing = Count("deliveries", filter=Q(deliveries__state=DeliveryState.GIVEN_UP))
    context = {
        "nav": "notifications",
        "asked": asked,
        "columns": columns,
        "chips": [
            {"key": key, "label": label, "n": numbers[key], "on": key == asked.state}
            for key, label in CHIPS.items()
        ],
        "page": tables.page_of(found.order_by(*order, "-created_at"), asked),
        "sizes": tables.PAGE_SIZES,
        "targets": Target.objects.annotate(failing=failing).order_by("name"),
        "tones": TONES,
        "mail_is_on": mail.is_on(),
    }
    return render(request, "notifications/list.html", context)


@require_safe
@may_manage
def delivery(request: Request, pk: UUID) -> HttpResponse:
    """Show one notification with each attempt to send it."""
    shown = get_object_or_404(Delivery.objects.select_related("target"), pk=pk)
    context = {
        "title": shown.title,
        "shown": shown,
        "event": EVENTS.get(shown.event, shown.event),
        "tone": TONES[DeliveryState(shown.state)],
        "tries": shown.tries.order_by("-pk"),
        "may_send_again": shown.state == DeliveryState.GIVEN_UP,
    }
    return dialog(request, f"{FOLDER}delivery.html", context)


@require_POST
@may_manage
def send_again(request: Request, pk: UUID) -> HttpResponse:
    """Try again to send what was given up."""
    found = get_object_or_404(Delivery, pk=pk)
    notifications_delivery.send_again(found.pk, now=timezone.now())
    said = _("It is sent again.")
    return close_dialog(request, reverse("notifications:list"), said=said)


@require_http_methods(["GET", "HEAD", "POST"])
@may_manage
def create(request: Request, kind: str) -> HttpResponse:
    """Make a target; the secret of a webhook is shown in the answer alone."""
    if kind not in Target.Kind.values:
        raise Http404
    form = form_of(kind)(request, data=request.POST if request.method == "POST" else None)
    target, secret = None, ""
    if form.is_bound and form.is_valid():
        with faults_on(form):
            target, secret = targets.create(kind, form.order())
    if target is not None and secret:
        return _show_secret(request, target, secret)
    if target is not None:
        return _done(request, _("The target %s is created.") % target.name)
    title = _("New mail target") if kind == Target.Kind.MAIL else _("New webhook")
    return _form(request, form, title, kind)


@require_http_methods(["GET", "HEAD", "POST"])
@may_manage
def change(request: Request, pk: int) -> HttpResponse:
    """Change a target."""
    target = get_object_or_404(Target, pk=pk)
    data = request.POST if request.method == "POST" else None
    form = form_of(target.kind)(request, data=data, initial=initial_of(target))
    if form.is_bound and form.is_valid():
        with faults_on(form):
            targets.change(pk, form.order())
        if not form.errors:
            return _done(request, _("The target %s is changed.") % target.name)
    return _form(request, form, _("Change %s") % target.name, target.kind, target=target)


def _form(
    request: Request, form: Any, title: str, kind: str, *, target: Target | None = None
) -> HttpResponse:
    context = {
        "title": title,
        "here": request.path,
        "kind": kind,
        "target": target,
        "mail_is_on": mail.is_on(),
        "back": reverse("notifications:list"),
    }
    return dialog(request, f"{FOLDER}target.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@may_manage
def new_secret(request: Request, pk: int) -> HttpResponse:
    """Give a webhook another secret."""
    target = get_object_or_404(Target, pk=pk, kind=Target.Kind.WEBHOOK)
    text = _("From now on it is signed with the new secret. The receiver must know it at once.")
    made: list[str] = []
    form = _confirmed(request, lambda: made.append(targets.new_secret(pk)))
    if made:
        return _show_secret(request, target, made[0])
    return _confirm(request, form, target, _("New secret"), text)


@require_http_methods(["GET", "HEAD", "POST"])
@may_manage
def remove(request: Request, pk: int) -> HttpResponse:
    """Remove a target with its history."""
    target = get_object_or_404(Target, pk=pk)
    done: list[Any] = []
    form = _confirmed(request, lambda: done.append(targets.remove(pk)))
    if done:
        return _done(request, _("The target %s is removed.") % target.name)
    text = _("It is told nothing any more, and what was sent to it is forgotten.")
    return _confirm(request, form, target, _("Remove"), text)


def _confirmed(request: Request, act: Callable[[], Any]) -> PasswordAgain:
    form = PasswordAgain(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with faults_on(form):
            act()
    return form


def _confirm(
    request: Request, form: PasswordAgain, target: Target, label: str, text: str
) -> HttpResponse:
    context = {
        "title": f"{label}: {target.name}",
        "label": label,
        "text": text,
        "here": request.path,
        "back": reverse("notifications:list"),
    }
    return dialog(request, "console/confirm.html", context, form=form)


@require_POST
@may_manage
def test(request: Request, pk: int) -> HttpResponse:
    """Send a test to a target."""
    target = get_object_or_404(Target, pk=pk)
    targets.test(pk, now=timezone.now())
    messages.success(request, _("A test to %s is under way; the history tells.") % target.name)
    return HttpResponseRedirect(reverse("notifications:list"))


def _show_secret(request: Request, target: Target, secret: str) -> HttpResponse:
    context = {"title": target.name, "secret": secret}
    response = dialog(request, f"{FOLDER}secret.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


def _done(request: Request, said: str) -> HttpResponse:
    return close_dialog(request, reverse("notifications:list"), said=said)
