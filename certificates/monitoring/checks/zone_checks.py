"""Health checks of the zone CA, the servers, and the devices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from certificates.models import Authority, VaultJob
from certificates.monitoring import health
from certificates.monitoring.checks.findings import BAD, WARNING, Finding
from certificates.operations.states import AuthorityState
from certificates.summaries import zone as zone_summary
from console.pages import formatting
from devices.models import Device, Zone
from systemupdates.models import Assignment, SystemUpdate
from systemupdates.updates.states import ERRORS, UPDATE_CLOSED


def check_backup(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find a CA whose key exists on one server only and has no backup."""
    authority = Authority.objects.filter(state=AuthorityState.CURRENT).first()
    if authority is None or not authority.needs_backup:
        return
    if VaultJob.objects.backups(authority).exists():
        return
    yield Finding(
        WARNING,
        _("The zone CA %(ca)s (%(fingerprint)s) has no backup. Its key is on one server only.")
        % {
            "ca": authority.subject,
            "fingerprint": formatting.format_fingerprint(authority.sha256[:16]),
        },
        _("Use Backup CA, and keep the file and its passphrase in separate places."),
        reverse("certificates:backup_ca"),
        subject=authority.sha256,
    )


def check_primary_servers(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find a zone that one lost server would leave without a console."""
    if Device.objects.primaries().count() > 1:
        return
    yield Finding(
        WARNING,
        _("The zone has one Primary Server. If it fails, devices cannot get updates."),
        _("Register a second Primary Server."),
        reverse("devices:list"),
    )


def check_disk(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find a lack of disk space on this server."""
    free = health.get_free_bytes()
    if free >= health.MIN_FREE_BYTES:
        return
    yield Finding(
        BAD,
        _("Only %d MiB of disk space is free on this server.") % (free // 2**20),
        _("Free disk space. Without it, operations stop and no certificate can be stored."),
        "/healthz",
    )


def check_clocks(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find devices whose clock is wrong."""
    stored = zone_summary.find_of(zone, now)
    devices = Device.objects.registered().filter(zone_summary.with_wrong_clock())
    count = devices.count() if stored is None else stored.wrong_clocks
    if not count:
        return
    first = (
        zone_summary.find_device(stored.first_wrong_clock)
        if stored is not None
        else devices.order_by("name").first()
    )
    if first is None:
        return
    text = ngettext(
        "The clock of %(count)s device differs by more than a minute, for example %(name)s.",
        "The clocks of %(count)s devices differ by more than a minute, for example %(name)s.",
        count,
    )
    yield Finding(
        WARNING,
        text % {"count": intcomma(count), "name": first.name},
        _("Synchronize the clocks with NTP. Devices activate at the time of their own clock."),
        reverse("devices:device", args=[first.pk]),
    )


def check_agents(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find agents that are older than this console. Its next upgrade ends an acceptance."""
    older = zone_summary.count_older_agents(zone, now)
    if not older:
        return
    text = ngettext(
        "The agent of %s device is older than the console.",
        "The agents of %s devices are older than the console.",
        older,
    )
    yield Finding(
        WARNING,
        text % intcomma(older),
        _("Use Upgrade Agents. The page names the devices that you have to upgrade yourself."),
        reverse("certificates:agent_upgrades"),
        subject=settings.VERSION,
    )


def check_failed_updates(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find devices on which the newest update that is still offered has failed."""
    rows = Assignment.objects.filter(state__in=ERRORS)
    offered = SystemUpdate.objects.visible().exclude(state__in=UPDATE_CLOSED)
    failed = offered.filter(Exists(rows.filter(update=OuterRef("pk")))).defer("envelope", "files")
    for update in failed.order_by("-created_at"):
        found = rows.filter(update=update, device__state="registered").select_related("device")
        first = found.order_by("pk").first()
        if first is not None:
            yield _build_failure(update, first, zone_summary.find_of(zone, now))
            return


def _build_failure(
    update: SystemUpdate, first: Assignment, stored: zone_summary.ZoneSummary | None
) -> Finding:
    count = zone_summary.count_failed_updates() if stored is None else stored.failed_updates
    text = ngettext(
        "An update has failed on %(count)s device, for example %(update)s on %(name)s.",
        "Updates have failed on %(count)s devices, for example %(update)s on %(name)s.",
        count,
    )
    return Finding(
        BAD,
        text
        % {
            "count": intcomma(count),
            "update": update.name,
            "name": first.device.name,
        },
        _("Open the device, read the reason, and use Redeploy after you have corrected it."),
        reverse("devices:device", args=[first.device_id]),
        subject=str(update.pk),
    )
