"""The download page of the Certificate Remint Tool, /zenworks-setup/.

See: manual 1.2.4
"""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from systemupdates.remint_tool import build


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponseBase:
    """Show the tools that this server offers, with their SHA-256 and signature."""
    return render(request, "systemupdates/setup.html", {"tools": build.list_tools()})


@login_not_required
@require_safe
def download(request: HttpRequest, name: str) -> HttpResponseBase:
    """Send one of the offered files. Other files in the directory are not accessible."""
    if name not in build.list_file_names():
        raise Http404
    path = build.get_folder() / name
    return FileResponse(path.open("rb"), as_attachment=True, filename=name)
