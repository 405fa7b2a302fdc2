"""The settings of the zone and of content servers: labels, ranges, and validation.

See: D-34; D-48
"""

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
    """A setting of the zone. `unit` is seconds, number, switch, or zone (a time zone).

    `old_name` is its name in the REST API of the previous release.
    """

    name: str
    label: str | Promise
    help: str | Promise
    unit: str = "seconds"
    old_name: str = ""

    @property
    def field(self) -> Any:
        """Return the model field of the setting."""
        return Zone._meta.get_field(self.name)

    @property
    def default(self) -> Any:
        """Return the value of a new zone."""
        return self.field.default

    @property
    def range(self) -> tuple[int, int]:
        """Return the minimum and the maximum value."""
        values = {type(limit).__name__: limit.limit_value for limit in self.field.validators}
        return values["MinValueValidator"], values["MaxValueValidator"]


SETTINGS = (
    Setting(
        "refresh_seconds",
        _("Refresh interval"),
        _(
            "How often a device contacts the console. Changes reach a device within "
            "this time. A device uses a new interval after its next contact."
        ),
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
        "lead_time_seconds",
        _("Minimum lead time"),
        _("The minimum time between starting an operation and its activation."),
        old_name="lead_seconds",
    ),
    Setting(
        "freeze_seconds",
        _("Freeze period before activation"),
        _(
            "How long before the activation you can no longer cancel or "
            "reschedule it. Must be shorter than the minimum lead time."
        ),
        old_name="lockout_seconds",
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
        "automatic_renewal",
        _("Renew internal CA server certificates automatically"),
        _("If this is off, the console only warns you about expiring certificates."),
        "switch",
        old_name="renews_by_itself",
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
        "system_trust",
        _("Install the roots in the operating systems of devices"),
        _(
            "All programs of a device trust roots in the trust store of its operating system, "
            "for all names. Only devices on which an administrator has run zac system-trust "
            "allow install them. Retired roots are removed."
        ),
        "switch",
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
# The settings as the page groups them.
GROUPS: tuple[tuple[str | Promise, tuple[str, ...]], ...] = (
    (
        _("Contact and Replication"),
        (
            *("refresh_seconds", "primary_replication_seconds"),
            *("satellite_replication_seconds", "bandwidth_kib"),
        ),
    ),
    (
        _("Operations"),
        ("stage_timeout_seconds", "lead_time_seconds", "freeze_seconds", "grace_seconds"),
    ),
    (
        _("Server Certificates"),
        ("server_certificate_days", "renewal_days", "automatic_renewal"),
    ),
    (_("Readiness Policy"), ("ready_servers", "ready_percent", "ready_days")),
    (_("Other Programs on Devices"), ("system_trust",)),
    (_("Display"), ("time_zone",)),
)
MIN_GRACE_REFRESHES = 2


@transaction.atomic
def save_zone_settings(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Save all settings, or none if one is invalid. Return the old and new values of changes."""
    zone = Zone.objects.lock()
    before = {setting.name: getattr(zone, setting.name) for setting in SETTINGS}
    after = {**before, **values}
    changed = {
        name: {"before": before[name], "after": after[name]}
        for name in before
        if before[name] != after[name]
    }
    if not changed:
        return {}
    _check(after, changed)
    # The new revision invalidates the cached part of the refresh responses.
    Zone.objects.filter(pk=zone.pk).update(**{name: after[name] for name in changed})
    Zone.objects.advance_revision()
    Entry.objects.record("zone-settings", f"devices.Zone:{zone.pk}", note=zone.name, detail=changed)
    return changed


def _check(after: dict[str, Any], changed: dict[str, Any]) -> None:
    """Raise Invalid if changed values contradict each other. Unchanged settings are not checked."""
    if changed.keys() & {"lead_time_seconds", "freeze_seconds"} and (
        after["freeze_seconds"] >= after["lead_time_seconds"]
    ):
        raise Invalid(
            gettext(
                "The freeze period must be shorter than the minimum lead time. Nothing was changed."
            ),
            action=gettext("Shorten the freeze period or increase the minimum lead time."),
            field="freeze_seconds",
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
    minimum = MIN_GRACE_REFRESHES * after["refresh_seconds"]
    if changed.keys() & {"grace_seconds", "refresh_seconds"} and after["grace_seconds"] < minimum:
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
    """The replication settings of a content server. None means the zone setting."""

    replication_seconds: int | None
    bandwidth_kib: int | None
    replicates: bool = True


@transaction.atomic
def save_content_settings(server: Device, settings: ContentSettings) -> bool:
    """Save the replication settings of a content server. Return True if they changed."""
    checkpoint = Entry.objects.lock_checkpoint()
    row = Device.objects.select_for_update().get(pk=server.pk)
    if not row.is_content_server:
        raise NotFound(gettext("%s is not a content server. Nothing was changed.") % row.name)
    if row.role == "primary" and not settings.replicates:
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
    before = {name: getattr(row, name) for name in vars(settings)}
    changed = {
        name: {"before": before[name], "after": value}
        for name, value in vars(settings).items()
        if before[name] != value
    }
    if changed:
        Device.objects.filter(pk=row.pk).update(**vars(settings))
        Entry.objects.append(
            checkpoint,
            "device-settings",
            f"devices.Device:{row.pk}",
            note=row.name,
            detail=changed,
        )
    return bool(changed)
