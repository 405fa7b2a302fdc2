"""The rules for all administrators: change them, confirm the end of the rule of two (B-29)."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from administrators.accounts import policies as acts
from administrators.accounts.forms import Confirm, RulesForm
from administrators.accounts.views import FOLDER, may_administer
from administrators.models import Rules
from console.pages.responses import Request, close_dialog, dialog, faults_on, needs
from faults import Conflict

may_confirm = needs(acts.CA_RIGHT, "Certificate Authority")


@require_http_methods(["GET", "HEAD", "POST"])
@may_administer
def rules(request: Request) -> HttpResponse:
    """Change the rules."""
    now = timezone.now()
    known = Rules.objects.the()
    initial = {
        "requires_second_factor": known.requires_second_factor,
        "two_administrators": known.two_administrators,
    }
    data = request.POST if request.method == "POST" else None
    form = RulesForm(request, data=data, initial=initial)
    if form.is_valid():
        given = {name: form.cleaned_data[name] for name in initial}
        with faults_on(form):
            known = acts.change(**given, by=request.user, now=now)
        if not form.errors:
            said = _("The rules are changed.")
            if known.end_asked_by is not None:
                said = _("The rule of two ends once another administrator confirms it.")
            return close_dialog(request, reverse("administrators:list"), said=said)
    context = {"title": _("Rules for all administrators"), "here": request.path}
    return dialog(request, f"{FOLDER}rules.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@may_confirm
def end_rule(request: Request) -> HttpResponse:
    """Confirm that the rule of two ends."""
    now = timezone.now()
    asked = acts.asked_to_end(now)
    if asked is None or asked.end_asked_by is None:
        raise Conflict(_("Nobody asks to end this rule (any more)."))
    form = Confirm(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with faults_on(form):
            acts.confirm_end(by=request.user, now=now)
        if not form.errors:
            return close_dialog(request, "/", said=_("The rule of two has ended."))
    text = _("%s asks that one administrator alone may act on the zone CA again.")
    context = {
        "title": _("End the rule of two administrators"),
        "label": _("Confirm"),
        "text": text % asked.end_asked_by.username,
        "here": request.path,
        "back": "/",
    }
    return dialog(request, "console/confirm.html", context, form=form)
