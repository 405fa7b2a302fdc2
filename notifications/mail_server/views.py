"""The dialogs of the mail server on the page Notifications."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from console.pages.forms import ReauthenticationForm
from console.pages.responses import Request, close_dialog, render_dialog, show_faults_on
from notifications.mail_server import probe, settings
from notifications.mail_server.forms import MailServerForm
from notifications.targets.views import can_manage


@require_http_methods(["GET", "HEAD", "POST"])
@can_manage
def edit_mail_server(request: Request) -> HttpResponse:
    """Set the mail server."""
    server = settings.get_mail_server()
    names = ("host", "port", "security", "sender", "username")
    initial = {name: getattr(server, name) for name in names} if server else None
    data = request.POST if request.method == "POST" else None
    form = MailServerForm(request, data=data, initial=initial)
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            settings.save_mail_server(form.to_settings())
        if not form.errors:
            return _close(request, _("The mail server has been saved."))
    context = {"title": _("Mail Server"), "back": reverse("notifications:list")}
    return render_dialog(request, "notifications/dialogs/mail_server.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@can_manage
def delete_mail_server(request: Request) -> HttpResponse:
    """Delete the mail server of the console."""
    data = request.POST if request.method == "POST" else None
    form = ReauthenticationForm(request, data=data)
    if form.is_bound and form.is_valid():
        settings.delete_mail_server()
        return _close(request, _("The mail server has been removed."))
    context = {
        "title": _("Remove the Mail Server"),
        "label": _("Remove"),
        "text": _("Email is sent with ZCC_SMTP_URL of each Primary Server, if it is set."),
        "back": reverse("notifications:list"),
    }
    return render_dialog(request, "console/confirm.html", context, form=form)


@require_POST
@can_manage
def send_test(request: Request) -> HttpResponse:
    """Send a test message to the email address of the user, and show the response."""
    address = probe.send_test(request.user)
    message = _("The mail server has accepted a test message to %s.") % address
    return _close(request, message)


def _close(request: Request, message: str) -> HttpResponse:
    return close_dialog(request, reverse("notifications:list"), message=message)
