"""Actions on the selected updates, and on the selected devices of an update."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from console.pages import bulk
from console.pages.responses import require_right
from devices.middleware import ZoneRequest
from systemupdates.models import Assignment, SystemUpdate
from systemupdates.updates.bulk_actions import ACTIONS, UPDATE_ACTIONS
from systemupdates.updates.list_views import RIGHT
from systemupdates.updates.views import RIGHT_LABEL, find_update


@require_POST
@require_right(RIGHT, RIGHT_LABEL)
def run_action(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show the confirmation dialog for the selected devices, or perform the action on them."""
    update = find_update(pk)

    def find(ids: Sequence[str]) -> list[Any]:
        keys = [int(text) for text in ids if re.fullmatch(r"[0-9]{1,18}", text)]
        rows = Assignment.objects.filter(update=update, pk__in=keys)
        return list(rows.select_related("device").order_by("device__name"))

    back = reverse("systemupdates:devices", args=[update.pk])
    return bulk.run_action(request, ACTIONS, find, back=back, name=lambda row: row.device.name)


@require_POST
@require_right(RIGHT, RIGHT_LABEL)
def run_update_action(request: ZoneRequest) -> HttpResponse:
    """Show the confirmation dialog for the selected updates, or perform the action on them."""
    return bulk.run_action(
        request,
        UPDATE_ACTIONS,
        _find_updates,
        back=reverse("systemupdates:list"),
        name=lambda update: update.name,
    )


def _find_updates(ids: Sequence[str]) -> list[SystemUpdate]:
    keys = bulk.parse_uuids(ids)
    return list(SystemUpdate.objects.visible().filter(pk__in=keys).order_by("-created_at"))
