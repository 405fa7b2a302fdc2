"""The zone's settings: what each means, its range, how they depend on each other (D-48)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.models import Entry
from devices.models import Device, Zone
from faults import Invalid, NotFound


@dataclass(frozen=True)
class Setting:
    """One setting: its field, label and help; `unit` tells what its number counts."""

    name: str
    label: str | Promise
    help: str | Promise
    unit: str = "seconds"

    @property
    def field(self) -> Any:
        """Return the field of the zone that holds it."""
        return Zone._meta.get_field(self.name)

    @property
    def default(self) -> Any:
        """Return what a new zone has."""
        return self.field.default

    @property
    def range(self) -> tuple[int, int]:
        """Return the least and the greatest value."""
        values = {type(one).__name__: one.limit_value for one in self.field.validators}
        return values["MinValueValidator"], values["MaxValueValidator"]


SETTINGS = (
    Setting(
        "refresh_seconds",
        _("Refresh interval"),
        _("How often a device asks for news. A change reaches a device within this time."),
    ),
    Setting(
        "primary_replication_seconds",
        _("Replication to Primary Servers"),
        _("How often a Primary Server copies content that it lacks from the initiating server."),
    ),
    Setting(
        "satellite_replication_seconds",
        _("Replication to satellites"),
        _("How often a Content Satellite Server copies content that it lacks from its parent."),
    ),
    Setting(
        "bandwidth_kib",
        _("Bandwidth limit of replication (KiB per second)"),
        _("What one content server may fetch in a second; 0 is no limit."),
        "number",
    ),
    Setting(
        "stage_timeout_seconds",
        _("Stage timeout"),
        _("How long a new deployment stage waits for its devices before the next stage begins."),
    ),
    Setting(
        "lead_seconds",
        _("Least lead time"),
        _("How long after the order an activation lies at the earliest."),
    ),
    Setting(
        "lockout_seconds",
        _("Lock-out before activation"),
        _("How long before the activation Cancel ends. It is shorter than the least lead time."),
    ),
    Setting(
        "grace_seconds",
        _("Grace time of an old root"),
        _(
            "How long devices trust the old root after an activation, and never beyond its "
            "expiry. It counts for activations from now on."
        ),
    ),
    Setting(
        "server_certificate_days",
        _("Server certificates are valid for (days)"),
        _("It counts for certificates issued from now on, and never beyond the zone CA."),
        "number",
    ),
    Setting(
        "renewal_days",
        _("Renew server certificates before expiry (days)"),
        _("It is less than they are valid for."),
        "number",
    ),
    Setting(
        "renews_by_itself",
        _("Renew the server certificates of an internal CA by itself"),
        _("Without it a certificate that ends is only warned about."),
        "switch",
    ),
    Setting(
        "ready_servers",
        _("Activate only when every Primary Server has applied the update"),
        _("Else the activation of a change of the CA is put off at the lock-out."),
        "switch",
    ),
    Setting(
        "ready_percent",
        _("Activate only when so many devices have rehearsed (%)"),
        _("0 asks for none. Else the activation of a change of the CA is put off."),
        "number",
    ),
    Setting(
        "ready_days",
        _("Of the devices seen in the last (days)"),
        _("Devices that were silent for longer do not hold an activation back."),
        "number",
    ),
    Setting(
        "time_zone",
        _("Time zone of the zone"),
        _("Dates are shown in it to users whose browser tells none and who chose none."),
        "zone",
    ),
)
SHORTEST_GRACE_IN_REFRESHES = 2


@transaction.atomic
def save(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Change settings of the zone, all or none; returns what changed, before and after."""
    zone = Zone.objects.lock()
    before = {one.name: getattr(zone, one.name) for one in SETTINGS}
    after = {**before, **values}
    changed = {
        name: {"before": before[name], "after": after[name]}
        for name in before
        if before[name] != after[name]
    }
    if not changed:
        return {}
    _check(after, changed)
    # The answers that every device gets were made once for the old revision.
    Zone.objects.filter(pk=zone.pk).update(
        **{name: after[name] for name in changed}, revision=zone.revision + 1
    )
    Entry.objects.record("zone-settings", f"devices.Zone:{zone.pk}", note=zone.name, detail=changed)
    return changed


def _check(after: dict[str, Any], changed: dict[str, Any]) -> None:
    """Refuse what does not fit together; what nobody touched is left as it is."""
    if changed.keys() & {"lead_seconds", "lockout_seconds"} and (
        after["lockout_seconds"] >= after["lead_seconds"]
    ):
        raise Invalid(
            gettext("The lock-out must be shorter than the least lead time. Nothing was changed."),
            action=gettext("Shorten the lock-out, or lengthen the least lead time."),
            field="lockout_seconds",
        )
    if changed.keys() & {"renewal_days", "server_certificate_days"} and (
        after["renewal_days"] >= after["server_certificate_days"]
    ):
        raise Invalid(
            gettext("A certificate would be renewed as soon as it is issued. Nothing was changed."),
            action=gettext("Renew later, or let server certificates be valid for longer."),
            field="renewal_days",
        )
    least = SHORTEST_GRACE_IN_REFRESHES * after["refresh_seconds"]
    if changed.keys() & {"grace_seconds", "refresh_seconds"} and after["grace_seconds"] < least:
        raise Invalid(
            gettext(
                "Within the grace time every device must refresh at least twice, else it may lose "
                "contact. Nothing was changed."
            ),
            action=gettext("Lengthen the grace time, or shorten the refresh interval."),
            field="grace_seconds",
        )


@dataclass(frozen=True)
class ContentSettings:
    """How one content server replicates; None follows the zone."""

    replication_seconds: int | None
    bandwidth_kib: int | None
    replicates: bool = True


@transaction.atomic
def save_content(server: Device, order: ContentSettings) -> bool:
    """Keep how a content server replicates; True if that changed (D-34)."""
    row = Device.objects.select_for_update().get(pk=server.pk)
    if not row.holds_content:
        raise NotFound(gettext("%s is no content server. Nothing was changed.") % row.name)
    if row.role == "primary" and not order.replicates:
        raise Invalid(
            gettext(
                "A Primary Server cannot be left out: it offers every update. Nothing was changed."
            ),
            action=gettext("Exclude it from one update in that update's replication status."),
            field="replicates",
        )
    before = {name: getattr(row, name) for name in vars(order)}
    changed = {
        name: {"before": before[name], "after": value}
        for name, value in vars(order).items()
        if before[name] != value
    }
    if changed:
        Device.objects.filter(pk=row.pk).update(**vars(order))
        Entry.objects.record(
            "device-settings", f"devices.Device:{row.pk}", note=row.name, detail=changed
        )
    return bool(changed)
