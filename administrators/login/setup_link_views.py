"""Setup links. Their secret is never in the path of a request, because paths are logged."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from administrators.accounts import setup_links
from administrators.accounts.forms import ChoosePassword, SetupCodeForm
from administrators.login import login, second_factor
from console.pages.responses import Request, show_faults_on


@sensitive_post_parameters("code", "new_password", "again")
@never_cache
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def redeem_setup_link(request: Request) -> HttpResponse:
    """Set the password of the user of a setup link, and log the user in.

    A script submits the code that is after the hash of the link. Without JavaScript, the user
    pastes it.
    """
    codes = SetupCodeForm(request.POST if request.method == "POST" else None)
    if not codes.is_valid():
        status = 422 if codes.errors else 200
        return render(request, "administrators/setup_code.html", {"form": codes}, status=status)
    now, text = timezone.now(), setup_links.parse_code(codes.cleaned_data["code"])
    link = setup_links.find_link(text, now=now)
    form = ChoosePassword(request.POST if "new_password" in request.POST else None)
    if form.is_valid():
        with show_faults_on(form):
            user = setup_links.redeem_link(text, form.cleaned_data["new_password"], now=now)
        if not form.errors:
            if second_factor.is_on(user):
                return HttpResponseRedirect(reverse("administrators:login"))
            login.log_in(request, user, method="setup link")
            return HttpResponseRedirect(str(settings.LOGIN_REDIRECT_URL))
    context = {"form": form, "name": link.user.username, "code": text}
    status = 422 if form.errors else 200
    return render(request, "administrators/setup_link.html", context, status=status)


@never_cache
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def redirect_old_link(request: Request, text: str) -> HttpResponse:
    """Redirect a link of the previous release, whose code is in the path, to the new page."""
    setup_links.find_link(text, now=timezone.now())
    return HttpResponseRedirect(setup_links.build_path(text))
