"""The calendar of expirations in the REST API."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Router

from certificates.monitoring.calendar.expirations import list_events
from certificates.monitoring.calendar.icalendar import build_calendar
from console.pages.tables import as_attachment
from console.rest.api import file_response
from devices.models import Zone

router = Router(tags=["health checks"])
CALENDAR = "text/calendar"


@router.get("/expirations.ics", openapi_extra=file_response(CALENDAR))
def expirations_calendar(request: Any) -> HttpResponse:
    """Get expirations and planned activations as a calendar (iCalendar).

    Calendar programs can also use HTTP Basic authentication, with an API token as the password.
    """
    zone = Zone.objects.get_zone()
    events = list_events(zone, timezone.now(), request.build_absolute_uri)
    text = build_calendar(_("Certificates of %s") % zone.name, events)
    response = HttpResponse(text, content_type=f"{CALENDAR}; charset=utf-8")
    return as_attachment(response, "expirations.ics")
