"""The actions on the selected devices of an update."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from console.pages.bulk import BulkAction
from systemupdates.assignments import assignment as assignments

ACTIONS = {
    "redeploy": BulkAction(
        _("Redeploy"),
        _("The update is offered again to devices on which it failed, or which are ignored."),
        lambda row: assignments.redeploy(row, now=timezone.now()),
    ),
    "ignore": BulkAction(
        _("Ignore Devices"),
        _(
            "The update stops waiting for these devices and is no longer offered to them. "
            "Devices that have not applied it might not be able to verify the servers after "
            "activation. To include a device again, use Redeploy."
        ),
        lambda row: assignments.ignore_device(row, now=timezone.now()),
        is_dangerous=True,
    ),
}
