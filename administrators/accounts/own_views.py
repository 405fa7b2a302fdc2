"""A user's own security: password, second factor, recovery codes, other sessions, rights."""

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
from administrators.accounts.forms import ChangePassword, CodeForm, Confirm
from administrators.accounts.roles import RIGHTS, having
from administrators.login import login
from administrators.login import second_factor as login_second_factor
from administrators.models import SecondFactor, roles_of
from console.access.reauthentication import is_known_elsewhere, recently_proved
from console.pages.responses import Request, faults_on
from faults import Refused


@require_safe
def security(request: Request) -> HttpResponse:
    """Show how the user logs in, and what they may do."""
    rights = [
        {
            "label": label,
            "has": request.user.has_perm(right),
            "roles": [role.label for role in having(right)],
        }
        for right, label in RIGHTS.items()
    ]
    context: dict[str, Any] = {
        "nav": "",
        "roles": roles_of(request.user),
        "rights": rights,
        "has_factor": login_second_factor.is_on(request.user),
        "codes_left": request.user.recovery_codes.filter(used_at=None).count(),
        "kept": getattr(request.user, "administrator", None),
        "sessions": len(accounts.sessions_of(request.user)),
    }
    return render(request, "administrators/security.html", context)


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: Request) -> HttpResponse:
    """Change the user's own password; every other session of theirs ends (S-81)."""
    if is_known_elsewhere(request.user):
        raise Refused(_("You log in with OpenID Connect and have no password here."))
    form = ChangePassword(request, data=request.POST if request.method == "POST" else None)
    if form.is_valid():
        with faults_on(form):
            setup_links.change_password(request.user, form.cleaned_data["new_password"])
        if not form.errors:
            update_session_auth_hash(request, request.user)
            login.done(request)
            messages.success(
                request, _("Your password is changed. Your other sessions have ended.")
            )
            return HttpResponseRedirect(reverse("administrators:security"))
    context = {"nav": "", "form": form, "must": request.session.get(login.MUST)}
    return render(
        request, "administrators/password.html", context, status=422 if form.errors else 200
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor(request: Request) -> HttpResponse:
    """Set up an authenticator: show its secret, take its first code; or turn it off."""
    factor = SecondFactor.objects.filter(user=request.user).first()
    if factor is not None and factor.confirmed_at is not None:
        return _turn_off(request)
    if request.method == "POST" and "code" in request.POST and factor is not None:
        return _take_code(request, factor)
    if request.method == "POST":
        form = Confirm(request, data=request.POST)
        if not form.is_valid():
            return _factor_page(request, form, None)
        login_second_factor.begin(request.user)
        return HttpResponseRedirect(reverse("administrators:second_factor"))
    if factor is None or not recently_proved(request):
        return _factor_page(request, Confirm(request), None)
    return _factor_page(request, CodeForm(), factor)


def _take_code(request: Request, factor: SecondFactor) -> HttpResponse:
    form = CodeForm(request.POST)
    codes: list[str] = []
    if form.is_valid():
        with faults_on(form):
            codes = login_second_factor.confirm(
                request.user, form.cleaned_data["code"], now=timezone.now()
            )
    if not codes:
        return _factor_page(request, form, factor)
    login.done(request)
    return _codes_page(request, codes)


def _factor_page(request: Request, form: Any, factor: SecondFactor | None) -> HttpResponse:
    context: dict[str, Any] = {
        "nav": "",
        "form": form,
        "must": request.session.get(login.MUST),
        "is_on": False,
    }
    if factor is not None:
        context |= {"secret": login_second_factor.secret_text(factor), "picture": _picture(factor)}
    return render(
        request, "administrators/second_factor.html", context, status=422 if form.errors else 200
    )


def _picture(factor: SecondFactor) -> str:
    """Return the QR code as the address of an image: the page itself carries it."""
    code = segno.make(login_second_factor.address(factor), micro=False, error="m")
    return str(code.svg_data_uri(scale=4, border=3, light="#fff"))


def _turn_off(request: Request) -> HttpResponse:
    form = Confirm(request, data=request.POST if request.method == "POST" else None)
    if form.is_valid():
        login_second_factor.remove(request.user)
        messages.success(request, _("Your second factor is removed."))
        return HttpResponseRedirect(reverse("administrators:security"))
    context = {"nav": "", "form": form, "is_on": True}
    return render(
        request, "administrators/second_factor.html", context, status=422 if form.errors else 200
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def recovery_codes(request: Request) -> HttpResponse:
    """Make new recovery codes, shown this once; the old ones end."""
    form = Confirm(request, data=request.POST if request.method == "POST" else None)
    if not login_second_factor.is_on(request.user):
        return HttpResponseRedirect(reverse("administrators:second_factor"))
    if form.is_valid():
        return _codes_page(request, login_second_factor.renew_codes(request.user))
    context = {"nav": "", "form": form}
    return render(
        request, "administrators/recovery_codes.html", context, status=422 if form.errors else 200
    )


def _codes_page(request: Request, codes: list[str]) -> HttpResponse:
    response = render(request, "administrators/recovery_codes.html", {"nav": "", "codes": codes})
    response.headers["Cache-Control"] = "no-store"
    return response


@require_POST
def end_other_sessions(request: Request) -> HttpResponse:
    """End the user's sessions on other machines."""
    ended = accounts.end_other_sessions(request.user, but=request.session.session_key or "")
    messages.success(request, _("%d other sessions were ended.") % ended)
    return HttpResponseRedirect(reverse("administrators:security"))
