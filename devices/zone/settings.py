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
        _("How often a device contacts the console. Changes reach a device within this time."),
    ),
    Setting(
        "primary_replication_seconds",
        _("Replication to Primary Servers"),
        _("How often a Primary Server copies missing content from the initiating server."),
    ),
    Setting(
        "satellite_replication_seconds",
        _("Replication to satellites"),
        _("How often a Content Satellite Server copies missing content from its parent server."),
    ),
    Setting(
        "bandwidth_kib",
        _("Replication bandwidth limit (KiB/s)"),
        _("Limit for each content server. Enter 0 for no limit."),
        "number",
    ),
    Setting(
        "stage_timeout_seconds",
        _("Stage timeout"),
        _("Maximum time that a new deployment stage runs before the next stage starts."),
    ),
    Setting(
        "lead_seconds",
        _("Minimum lead time"),
        _("The minimum time between starting an operation and its activation."),
    ),
    Setting(
        "lockout_seconds",
        _("Freeze period before activation"),
        _(
            "How long before the activation you can no longer cancel or "
            "reschedule it. Must be shorter than the minimum lead time."
        ),
    ),
    Setting(
        "grace_seconds",
        _("Grace period for old roots"),
        _(
            "How long devices continue to trust the old root after an "
            "activation, up to the root's expiration date. Changes apply to "
            "future activations."
        ),
    ),
    Setting(
        "server_certificate_days",
        _("Server certificate validity (days)"),
        _("Changes apply to new certificates. A server certificate never outlives the zone CA."),
        "number",
    ),
    Setting(
        "renewal_days",
        _("Renew server certificates before expiration (days)"),
        _("Must be shorter than the server certificate validity."),
        "number",
    ),
    Setting(
        "renews_by_itself",
        _("Renew internal CA server certificates automatically"),
        _("If this is off, the console only warns you about expiring certificates."),
        "switch",
    ),
    Setting(
        "ready_servers",
        _("Require all Primary Servers to have applied the update"),
        _(
            "If this requirement is not met when the freeze period begins, the "
            "CA activation is postponed."
        ),
        "switch",
    ),
    Setting(
        "ready_percent",
        _("Devices that must pass the preflight check (%)"),
        _("0 turns this check off. If fewer devices pass, the CA activation is postponed."),
        "number",
    ),
    Setting(
        "ready_days",
        _("Count devices seen in the last (days)"),
        _("Devices that have been offline for longer do not block an activation."),
        "number",
    ),
    Setting(
        "time_zone",
        _("Default time zone"),
        _(
            "Used to show dates to users who have not chosen a time zone and "
            "whose browser does not report one."
        ),
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
            gettext(
                "The freeze period must be shorter than the minimum lead time. Nothing was changed."
            ),
            action=gettext("Shorten the freeze period or increase the minimum lead time."),
            field="lockout_seconds",
        )
    if changed.keys() & {"renewal_days", "server_certificate_days"} and (
        after["renewal_days"] >= after["server_certificate_days"]
    ):
        raise Invalid(
            gettext(
                "The renewal window must be shorter than the server "
                "certificate validity. Nothing was changed."
            ),
            action=gettext(
                "Enter fewer days before expiration, or increase the server certificate validity."
            ),
            field="renewal_days",
        )
    least = SHORTEST_GRACE_IN_REFRESHES * after["refresh_seconds"]
    if changed.keys() & {"grace_seconds", "refresh_seconds"} and after["grace_seconds"] < least:
        raise Invalid(
            gettext(
                "The grace period must be at least twice the refresh interval. "
                "Otherwise devices might lose contact. Nothing was changed."
            ),
            action=gettext("Increase the grace period or shorten the refresh interval."),
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
        raise NotFound(gettext("%s is not a content server. Nothing was changed.") % row.name)
    if row.role == "primary" and not order.replicates:
        raise Invalid(
            gettext(
                "Primary Servers cannot be excluded because they provide the "
                "content of every update. Nothing was changed."
            ),
            action=gettext(
                "To exclude it from a single update, use the replication status of that update."
            ),
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
