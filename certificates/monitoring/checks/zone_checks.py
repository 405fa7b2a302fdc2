"""Health checks of the zone CA, the servers, and the devices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from certificates.models import Authority, VaultJob
from certificates.monitoring import health
from certificates.monitoring.checks.findings import BAD, WARNING, Finding
from certificates.operations.states import AuthorityState
from devices.models import Device, Zone
from systemupdates.models import Assignment
from systemupdates.updates.states import UPDATE_CLOSED, AssignmentState

MAX_CLOCK_SKEW_SECONDS = 60
"""A device whose clock differs more may activate noticeably early or late."""


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
        % {"ca": authority.subject, "fingerprint": authority.sha256[:16]},
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
    limit = MAX_CLOCK_SKEW_SECONDS
    wrong = Q(clock_skew_seconds__gt=limit) | Q(clock_skew_seconds__lt=-limit)
    devices = Device.objects.registered().filter(wrong)
    count = devices.count()
    if not count:
        return
    text = ngettext(
        "The clock of %(count)s device differs by more than a minute, for example %(name)s.",
        "The clocks of %(count)s devices differ by more than a minute, for example %(name)s.",
        count,
    )
    first = devices.order_by("name")[0]
    yield Finding(
        WARNING,
        text % {"count": intcomma(count), "name": first.name},
        _("Synchronize the clocks with NTP. Devices activate at the time of their own clock."),
        reverse("devices:device", args=[first.pk]),
    )


def check_failed_updates(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find devices on which the newest update that is still offered has failed."""
    failed = Assignment.objects.filter(
        state__in=(AssignmentState.FAILED, AssignmentState.NEEDS_CRT),
        device__state="registered",
        update__deleted_at=None,
    ).exclude(update__state__in=UPDATE_CLOSED)
    first = failed.select_related("device", "update").order_by("-update__created_at", "pk").first()
    if first is None:
        return
    count = failed.values("device").distinct().count()
    text = ngettext(
        "An update has failed on %(count)s device, for example %(update)s on %(name)s.",
        "Updates have failed on %(count)s devices, for example %(update)s on %(name)s.",
        count,
    )
    yield Finding(
        BAD,
        text
        % {
            "count": intcomma(count),
            "update": first.update.name,
            "name": first.device.name,
        },
        _("Open the device, read the reason, and use Redeploy after you have corrected it."),
        reverse("devices:device", args=[first.device_id]),
        subject=str(first.update_id),
    )
