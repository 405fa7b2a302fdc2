"""The actions on the selected devices of the Devices list."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from console.pages.bulk import BulkAction
from devices.registration import registration

ACTIONS = {
    "unregister": BulkAction(
        _("Unregister"),
        _(
            "The devices are removed from all system updates and no longer receive changes. They "
            "can rejoin under the same name with zac reg."
        ),
        registration.unregister,
        is_dangerous=True,
    ),
    "retire": BulkAction(
        _("Retire"),
        _(
            "The devices are removed from all system updates, their requests are rejected, and "
            "their names can be reused. You cannot undo this. To rejoin the zone, a device needs a "
            "registration key. The certificates of servers are revoked."
        ),
        registration.retire,
        is_dangerous=True,
    ),
}
