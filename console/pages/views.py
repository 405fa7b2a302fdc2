"""The preferences of a user and the selected columns of tables."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from console.models import Preferences
from console.pages.forms import PreferencesForm
from console.pages.responses import Request, safe_redirect_url
from console.requests.language import get_browser_language

MAX_COLUMNS = 40


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: Request) -> HttpResponse:
    """Show and save the preferences of the user."""
    saved = Preferences.objects.filter(user=request.user).first()
    data = request.POST if request.method == "POST" else None
    form = PreferencesForm(data, initial=_get_initial(saved))
    if form.is_valid():
        saved, _created = Preferences.objects.update_or_create(
            user=request.user, defaults=form.cleaned_data
        )
        with translation.override(saved.language or get_browser_language(request)):
            messages.success(request, _("Your preferences have been saved."))
        return HttpResponseRedirect(reverse("console:preferences"))
    context: dict[str, Any] = {"form": form, "nav": "account"}
    return render(request, "console/preferences.html", context, status=422 if form.errors else 200)


def _get_initial(saved: Preferences | None) -> dict[str, str]:
    if saved is None:
        return {}
    return {"language": saved.language, "time_zone": saved.time_zone}


@require_POST
def columns(request: Request, table: str) -> HttpResponse:
    """Save the selected columns of a table; an empty selection means the default columns."""
    saved, _created = Preferences.objects.get_or_create(user=request.user)
    names = request.POST.getlist("column")[:MAX_COLUMNS]
    selected = [] if "reset" in request.POST else [name for name in names if name.isidentifier()]
    saved.columns = {**saved.columns, table: selected}
    saved.save()
    return HttpResponseRedirect(safe_redirect_url(request, request.POST.get("next", "")))
