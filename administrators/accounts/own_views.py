"""A user's own security settings: password, second factor, recovery codes, sessions, rights."""

from __future__ import annotations

from typing import Any

import segno
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from administrators.accounts import accounts, setup_links
from administrators.accounts.forms import ChangePassword, CodeForm, ConfirmForm
from administrators.accounts.roles import RIGHTS, roles_with
from administrators.login import login, sessions
from administrators.login import second_factor as login_second_factor
from administrators.models import SecondFactor, roles_of
from administrators.passkeys import passkeys, sites
from administrators.passkeys.views import show_codes
from console.access.reauthentication import (
    has_authenticator,
    is_recently_authenticated,
    list_passkey_hosts,
    uses_oidc,
)
from console.pages.responses import Request, show_faults_on
from faults import Refused


@require_safe
def show_security(request: Request) -> HttpResponse:
    """Show the login method and the rights of the user."""
    rights = [
        {
            "label": label,
            "has": request.user.has_perm(right),
            "roles": [role.label for role in roles_with(right)],
        }
        for right, label in RIGHTS.items()
    ]
    context: dict[str, Any] = {
        "nav": "security",
        "roles": roles_of(request.user),
        "rights": rights,
        "has_factor": login_second_factor.is_on(request.user),
        "has_authenticator": has_authenticator(request.user),
        "passkeys": passkeys.list_passkeys(request.user),
        "site": sites.get_site(request),
        "codes_left": request.user.recovery_codes.filter(used_at=None).count(),
        "account": getattr(request.user, "administrator", None),
        "sessions": len(sessions.list_sessions(request.user)),
    }
    return render(request, "administrators/security.html", context)


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def change_password(request: Request) -> HttpResponse:
    """Change the user's own password and end their other sessions."""
    if uses_oidc(request.user):
        raise Refused(_("You log in with OpenID Connect and do not have a local password."))
    form = ChangePassword(request, data=request.POST if request.method == "POST" else None)
    if form.is_valid():
        with show_faults_on(form):
            setup_links.change_password(request.user, form.cleaned_data["new_password"])
        if not form.errors:
            update_session_auth_hash(request, request.user)
            login.update_required_step(request)
            messages.success(
                request, _("Your password has been changed. Your other sessions have been ended.")
            )
            return HttpResponseRedirect(reverse("administrators:security"))
    context = {
        "nav": "security",
        "form": form,
        "is_required": bool(request.session.get(login.REQUIRED_STEP)),
    }
    return render(
        request, "administrators/password.html", context, status=422 if form.errors else 200
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def edit_second_factor(request: Request) -> HttpResponse:
    """Set up an authenticator (show its secret, verify its first code) or remove it.

    A user who must set up a second factor can also add a passkey.
    """
    factor = SecondFactor.objects.filter(user=request.user).first()
    if factor is not None and factor.confirmed_at is not None:
        return _turn_off(request)
    if request.method == "POST" and "code" in request.POST and factor is not None:
        return _confirm_code(request, factor)
    if request.method == "POST":
        form = ConfirmForm(request, data=request.POST)
        if not form.is_valid():
            return _factor_page(request, form, None)
        login_second_factor.start_setup(request.user)
        return HttpResponseRedirect(reverse("administrators:second_factor"))
    if factor is None or not is_recently_authenticated(request):
        return _factor_page(request, ConfirmForm(request), None)
    return _factor_page(request, CodeForm(), factor)


def _confirm_code(request: Request, factor: SecondFactor) -> HttpResponse:
    form = CodeForm(request.POST)
    codes: list[str] = []
    if form.is_valid():
        with show_faults_on(form):
            codes = login_second_factor.confirm_setup(
                request.user, form.cleaned_data["code"], now=timezone.now()
            )
    if not form.is_valid():
        return _factor_page(request, form, factor)
    login.update_required_step(request)
    if codes:
        return show_codes(request, codes)
    messages.success(request, _("Your authenticator has been set up."))
    return HttpResponseRedirect(reverse("administrators:security"))


def _factor_page(request: Request, form: Any, factor: SecondFactor | None) -> HttpResponse:
    context: dict[str, Any] = {
        "nav": "security",
        "form": form,
        "is_required": bool(request.session.get(login.REQUIRED_STEP)),
        "is_on": False,
    }
    if factor is not None:
        context |= {
            "secret": login_second_factor.secret_text(factor),
            "qr_code": _build_qr_code(factor),
        }
    return render(
        request, "administrators/second_factor.html", context, status=422 if form.errors else 200
    )


def _build_qr_code(factor: SecondFactor) -> str:
    """Return the QR code as a data URI."""
    code = segno.make(login_second_factor.provisioning_uri(factor), micro=False, error="m")
    return str(code.svg_data_uri(scale=4, border=3, light="#fff"))


def _turn_off(request: Request) -> HttpResponse:
    form = ConfirmForm(request, data=request.POST if request.method == "POST" else None)
    if form.is_valid():
        login_second_factor.remove_authenticator(request.user)
        login.update_required_step(request)
        messages.success(request, _("Your authenticator has been removed."))
        return HttpResponseRedirect(reverse("administrators:security"))
    has_passkeys = bool(list_passkey_hosts(request.user))
    context = {"nav": "security", "form": form, "is_on": True, "has_passkeys": has_passkeys}
    return render(
        request, "administrators/second_factor.html", context, status=422 if form.errors else 200
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def renew_recovery_codes(request: Request) -> HttpResponse:
    """Replace the recovery codes; the new ones are shown only in this response."""
    form = ConfirmForm(request, data=request.POST if request.method == "POST" else None)
    if not login_second_factor.is_on(request.user):
        return HttpResponseRedirect(reverse("administrators:second_factor"))
    if form.is_valid():
        return show_codes(request, login_second_factor.renew_codes(request.user))
    context = {"nav": "security", "form": form}
    return render(
        request, "administrators/recovery_codes.html", context, status=422 if form.errors else 200
    )


@require_POST
def end_other_sessions(request: Request) -> HttpResponse:
    """End the user's other sessions."""
    ended = accounts.end_other_sessions(request.user, keep=request.session.session_key or "")
    messages.success(request, _("%d other sessions have been ended.") % ended)
    return HttpResponseRedirect(reverse("administrators:security"))
