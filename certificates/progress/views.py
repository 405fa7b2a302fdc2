"""The live line about running operations, which every page shows, and signed documents.

See: D-225, D-263
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from certificates.operations.states import OperationState
from certificates.progress import banner
from console.pages import tables
from console.pages.responses import trigger
from devices.identity import zone_keys
from devices.middleware import ZoneRequest
from wire.envelope import Envelope


@require_safe
def show_banner(request: ZoneRequest) -> HttpResponse:
    """Return the line, or 204 if it has not changed. Report the operations that have ended.

    When it has changed, the live panes of the page load their changes immediately (D-321).
    """
    before, now = request.GET.get("rev", ""), timezone.now()
    shown = banner.get_banner(request.zone, now)
    if before == shown.revision:
        return HttpResponse(status=204)
    for operation in banner.list_ended(before):
        is_success = operation.state in (OperationState.CANCELED, OperationState.COMPLETED)
        add_message = messages.success if is_success else messages.warning
        add_message(request, banner.describe_end(operation))
    context = {"banner": shown, "now": now}
    response = render(request, "certificates/banner.html", context)
    return trigger(response, zcc_revised={})


def return_document(
    request: ZoneRequest, signed: Envelope, file_name: str, template: str, context: dict[str, Any]
) -> HttpResponse:
    """Return a signed document as a JSON file, or as a printable page if `as` is "page"."""
    if request.POST.get("as") != "page":
        text = json.dumps(vars(signed), indent=1)
        response = HttpResponse(text, content_type="application/json")
        return tables.as_attachment(response, file_name)
    signature = {
        "signed": signed,
        "public_key": zone_keys.get_public_zone_key(request.zone),
        "digest": hashlib.sha256(base64.b64decode(signed.payload)).hexdigest(),
    }
    return render(request, template, {**context, **signature})
