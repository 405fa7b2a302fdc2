"""The actions on the selected updates, and on the selected devices of an update."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from console.pages.bulk import BulkAction
from systemupdates.assignments import assignment as assignments
from systemupdates.updates import lifecycle

UPDATE_ACTIONS = {
    "redeploy": BulkAction(
        _("Redeploy to Failed Devices"),
        _("The updates are offered again to the devices on which they failed."),
        lambda update: lifecycle.redeploy_failed(update, now=timezone.now()),
    ),
    "baseline": BulkAction(
        _("Baseline"),
        _("Completed updates are no longer offered to devices. You cannot undo this."),
        lifecycle.baseline,
    ),
    "delete": BulkAction(
        _("Delete"),
        _(
            "Baselined and canceled updates are removed from the list, and their Certificate "
            "Remint Tool from all servers. The content of the last activations is kept for "
            "devices that lost contact. You cannot undo this."
        ),
        lambda update: lifecycle.delete(update, now=timezone.now()),
        is_dangerous=True,
    ),
}
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
