"""Which Primary Server takes part: one that answers, or the one whose console is used (D-21)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext as _

from devices.identity import zone_keys
from devices.models import Device, Zone
from faults import Invalid


def live_primary(guid: UUID, *, field: str, now: datetime) -> Device:
    """Return a Primary Server that answers; a satellite or a silent one is refused (D-21)."""
    server = Device.objects.primaries().filter(pk=guid).first()
    if server is None:
        raise Invalid(_("Choose a Primary Server of this zone."), field=field)
    if not server.is_live(now, Zone.objects.the().refresh):
        raise Invalid(
            _("%(server)s has not been heard of lately; it cannot take the CA role.")
            % {"server": server.name},
            field=field,
        )
    return server


def initiating_server() -> Device:
    """Return the Primary Server whose console this is (D-21)."""
    return zone_keys.here().server()
