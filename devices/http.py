"""The request of a user inside the zone."""

from __future__ import annotations

from console.pages.responses import Request
from devices.models import Zone


class ZoneRequest(Request):
    """A request of a user who is logged in; `zone` raises NotFound before the zone was created."""

    zone: Zone
