"""The download page, /zenworks-setup/: the agent and the Certificate Remint Tool.

See: manual 1.2.4
"""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from systemupdates.downloads import agent_files
from systemupdates.downloads.publication import get_folder
from systemupdates.remint_tool import build


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponseBase:
    """Show the files that this server offers, with their SHA-256 and signature."""
    context = {"tools": build.list_tools(), "agent_files": agent_files.list_agent_files()}
    return render(request, "systemupdates/setup.html", context)


@login_not_required
@require_safe
def download(request: HttpRequest, name: str) -> HttpResponseBase:
    """Send one of the offered files. Other files in the directory are not accessible."""
    if name not in {*build.list_file_names(), *agent_files.list_file_names()}:
        raise Http404
    path = get_folder() / name
    return FileResponse(path.open("rb"), as_attachment=True, filename=name)
