"""The download page of the Certificate Remint Tool: /zenworks-setup/ over TLS (manual, 1.2.4)."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from systemupdates.remint_tool import build


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponseBase:
    """List the tools this server offers, each with its SHA-256 and its signature."""
    return render(request, "systemupdates/setup.html", {"tools": build.offered()})


@login_not_required
@require_safe
def download(request: HttpRequest, name: str) -> HttpResponseBase:
    """Send one of the offered files; nothing else of the folder can be named."""
    if name not in build.offered_names():
        raise Http404
    path = build.folder() / name
    return FileResponse(path.open("rb"), as_attachment=True, filename=name)
