"""The live line about running operations, which every page shows.

See: D-225
"""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from certificates.operations.states import OperationState
from certificates.progress import banner
from console.pages.responses import trigger
from devices.middleware import ZoneRequest


@require_safe
def show_banner(request: ZoneRequest) -> HttpResponse:
    """Return the line, or 204 if it has not changed. Report the operations that have ended.

    When it has changed, the live panes of the page load their changes immediately.
    """
    before = request.GET.get("rev", "")
    shown = banner.get_banner()
    if before == shown.revision:
        return HttpResponse(status=204)
    for operation in banner.list_ended(before):
        is_success = operation.state in (OperationState.CANCELED, OperationState.COMPLETED)
        add_message = messages.success if is_success else messages.warning
        add_message(request, banner.describe_end(operation))
    context = {"banner": shown, "now": timezone.now()}
    response = render(request, "certificates/banner.html", context)
    return trigger(response, zcc_revised={})
