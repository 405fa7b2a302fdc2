"""Passkeys of a user: add and remove them, and what the browser asks the authenticator.

See: D-253
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from administrators.accounts.forms import ConfirmForm
from administrators.login import login
from administrators.login.views import get_pending_user
from administrators.models import Passkey
from administrators.passkeys import challenges, passkeys, sites
from administrators.passkeys.forms import PasskeyForm
from console.pages.errors import STATUS
from console.pages.responses import Request, close_dialog, render_dialog, show_faults_on
from faults import Conflict, Fault

Build = Callable[[User, sites.Site, bytes], dict[str, Any]]


@require_POST
@never_cache
@login_not_required
def create_request_options(request: Request) -> HttpResponse:
    """Return what the browser asks the authenticator of a user who logs in or reauthenticates."""
    asked: Any = request
    is_logged_in = asked.user.is_authenticated
    user = asked.user if is_logged_in else get_pending_user(request, timezone.now())
    if user is None:
        error = _("Your login has expired. Reload the page, and log in again.")
        return JsonResponse({"error": error}, status=403)
    return _respond(request, user, challenges.USE, passkeys.build_request_options)


@require_POST
@never_cache
def create_creation_options(request: Request) -> HttpResponse:
    """Return what the browser asks the authenticator to create a passkey."""
    return _respond(request, request.user, challenges.ADD, passkeys.build_creation_options)


def _respond(request: Request, user: User, purpose: str, build: Build) -> HttpResponse:
    challenge = challenges.create(request.session, purpose, user, now=timezone.now())
    try:
        options = build(user, sites.get_site(request), challenge)
    except Fault as fault:
        return JsonResponse({"error": str(fault)}, status=STATUS[fault.kind])
    return JsonResponse(options)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def add_passkey(request: Request) -> HttpResponse:
    """Add a passkey. Without another second factor, the response shows new recovery codes."""
    site = sites.get_site(request)
    form = PasskeyForm(request, data=request.POST if request.method == "POST" else None)
    if form.is_valid():
        codes: list[str] = []
        with show_faults_on(form):
            codes = _store(request, form.cleaned_data, site)
        if not form.errors:
            login.update_required_step(request)
            if codes:
                return show_codes(request, codes)
            messages.success(request, _("The passkey has been added."))
            return HttpResponseRedirect(reverse("administrators:security"))
    context: dict[str, Any] = {
        "nav": "security",
        "form": form,
        "site": site,
        "problem": _find_problem(request, site),
        "is_required": bool(request.session.get(login.REQUIRED_STEP)),
    }
    status = 422 if form.errors else 200
    return render(request, "administrators/passkey.html", context, status=status)


def _store(request: Request, values: dict[str, Any], site: sites.Site) -> list[str]:
    now = timezone.now()
    challenge = challenges.take(request.session, challenges.ADD, request.user, now=now)
    if challenge is None:
        raise Conflict(
            _("The request to the authenticator has expired. No passkey was added."),
            action=_("Try again."),
        )
    return passkeys.add_passkey(
        request.user,
        values["name"],
        values["response"],
        challenge=challenge,
        site=site,
        now=now,
    )


def _find_problem(request: Request, site: sites.Site) -> Fault | None:
    try:
        passkeys.check_can_add(request.user, site)
    except Fault as fault:
        return fault
    return None


def show_codes(request: Request, codes: list[str]) -> HttpResponse:
    """Show new recovery codes. They are shown only in this response."""
    context = {"nav": "security", "codes": codes}
    response = render(request, "administrators/recovery_codes.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def remove_passkey(request: Request, pk: int) -> HttpResponse:
    """Ask for confirmation, then remove a passkey of the user."""
    passkey = get_object_or_404(Passkey, pk=pk, user=request.user)
    form = ConfirmForm(request, data=request.POST if request.method == "POST" else None)
    back = reverse("administrators:security")
    if form.is_bound and form.is_valid():
        name = ""
        with show_faults_on(form):
            name = passkeys.remove_passkey(request.user, pk)
        if not form.errors:
            message = _("The passkey %s has been removed.") % name
            if not request.htmx:
                messages.success(request, message)
            return close_dialog(request, back, message=message)
    context = {
        "title": _("Remove Passkey"),
        "label": _("Remove"),
        "text": _(
            "You can no longer log in with the passkey %s. Delete it on its device, too. If it is "
            "your only second factor, your recovery codes stop working."
        )
        % passkey.name,
        "back": back,
    }
    return render_dialog(request, "console/confirm.html", context, form=form)
