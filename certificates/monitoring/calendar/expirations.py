"""The events of the calendar: when roots and server certificates expire, and activations.

See: D-232
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext as _

from certificates.models import Authority, Operation, ServerCertificate
from certificates.monitoring.calendar.icalendar import Event
from certificates.operations.states import CANCELABLE, AuthorityState
from devices.models import Zone
from devices.registration.states import DeviceState

CA_REMINDER, SERVER_REMINDER = timedelta(days=90), timedelta(days=14)
ACTIVATION_REMINDER = timedelta(days=1)
BuildUrl = Callable[[str], str]
"""Returns the complete URL of a path."""


def list_events(zone: Zone, now: datetime, build_url: BuildUrl) -> Iterator[Event]:
    """Yield the expirations after `now`, and the planned activations of operations."""
    page = build_url(reverse("certificates:page"))
    in_use = (AuthorityState.CURRENT, AuthorityState.GRACE)
    for ca in Authority.objects.filter(state__in=in_use, not_after__gt=now).order_by("not_after"):
        title = (
            _("The CA %(name)s expires")
            if ca.state == AuthorityState.CURRENT
            else _("The previous CA %(name)s expires")
        )
        yield Event(
            uid=f"ca-{ca.pk}@{zone.guid}",
            at=ca.not_after,
            changed_at=ca.created_at,
            title=title % {"name": ca.common_name},
            text=f"{zone.name}\nSHA-256 {ca.sha256}",
            url=page,
            remind_before=CA_REMINDER,
        )
    current = ServerCertificate.objects.current().filter(
        device__state=DeviceState.REGISTERED, not_after__gt=now
    )
    for certificate in current.select_related("device").order_by("not_after", "pk"):
        device = certificate.device
        yield Event(
            # A new certificate moves the event of its server.
            uid=f"server-{device.pk}@{zone.guid}",
            at=certificate.not_after,
            changed_at=certificate.active_since,
            title=_("The certificate for %s expires") % device.name,
            text=f"{device.fqdn}\n{certificate.issuer}\nSHA-256 {certificate.sha256}",
            url=f"{page}?q={device.name}",
            remind_before=SERVER_REMINDER,
        )
    planned = Operation.objects.filter(state__in=CANCELABLE, activates_at__gt=now)
    for operation in planned.order_by("activates_at"):
        yield Event(
            uid=f"operation-{operation.pk}@{zone.guid}",
            at=operation.activates_at or now,
            changed_at=operation.created_at,
            title=_("Activation: %s") % operation.name,
            text=zone.name,
            url=build_url(reverse("certificates:operation", args=[operation.pk])),
            remind_before=ACTIVATION_REMINDER,
        )
