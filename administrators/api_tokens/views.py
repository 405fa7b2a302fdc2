"""A user's own API tokens: list, create (shown once), revoke."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from administrators.api_tokens import tokens as acts
from administrators.api_tokens.forms import TokenForm
from console.access.api_tokens import RIGHTS
from console.models import ApiToken
from console.pages.responses import Request, faults_on


@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: Request) -> HttpResponse:
    """List the user's tokens; a new one is shown in the answer to its creation alone."""
    form = TokenForm(request, request.POST if request.method == "POST" else None)
    made = ""
    if form.is_valid():
        given = form.cleaned_data
        with faults_on(form):
            _token, made = acts.make(
                request.user, given["name"], rights=given["rights"], expires_at=form.expires_at()
            )
    if made:
        form = TokenForm(request)
    context: dict[str, Any] = {"nav": "", "form": form, "made": made, "rows": _rows(request)}
    status = 422 if form.errors else 201 if made else 200
    response = render(request, "administrators/tokens.html", context, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _rows(request: Request) -> list[dict[str, Any]]:
    """Return the tokens that still open something, the newest first."""
    usable = ApiToken.objects.usable(timezone.now()).filter(user=request.user)
    return [
        {"token": token, "rights": [RIGHTS.get(right, right) for right in token.rights]}
        for token in usable.order_by("-pk")
    ]


@require_POST
def revoke(request: Request, pk: int) -> HttpResponse:
    """Revoke one token of the user."""
    token = acts.revoke(request.user, pk, now=timezone.now())
    messages.success(request, _("The token %s is revoked.") % token.name)
    return HttpResponseRedirect(reverse("administrators:tokens"))
