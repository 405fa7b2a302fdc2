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

from administrators.api_tokens import tokens as api_tokens
from administrators.api_tokens.forms import TokenForm
from console.access.api_tokens import RIGHTS
from console.models import ApiToken
from console.pages.responses import Request, show_faults_on


@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: Request) -> HttpResponse:
    """List the user's tokens and create one; a new token is shown only in this response."""
    form = TokenForm(request, request.POST if request.method == "POST" else None)
    new_token = ""
    if form.is_valid():
        values = form.cleaned_data
        with show_faults_on(form):
            _token, new_token = api_tokens.create_token(
                request.user, values["name"], rights=values["rights"], expires_at=form.expires_at()
            )
    if new_token:
        form = TokenForm(request)
    context: dict[str, Any] = {
        "nav": "tokens",
        "form": form,
        "new_token": new_token,
        "rows": _rows(request),
    }
    status = 422 if form.errors else 201 if new_token else 200
    response = render(request, "administrators/tokens.html", context, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _rows(request: Request) -> list[dict[str, Any]]:
    """Return the usable tokens of the user, newest first."""
    usable = ApiToken.objects.usable(timezone.now()).filter(user=request.user)
    return [
        {"token": token, "rights": [RIGHTS.get(right, right) for right in token.rights]}
        for token in usable.select_related("parent").order_by("-pk")
    ]


@require_POST
def revoke(request: Request, pk: int) -> HttpResponse:
    """Revoke a token of the user and all tokens that were created with it."""
    token = api_tokens.revoke_token(request.user, pk, now=timezone.now())
    messages.success(request, _("The token %s has been revoked.") % token.name)
    return HttpResponseRedirect(reverse("administrators:tokens"))
