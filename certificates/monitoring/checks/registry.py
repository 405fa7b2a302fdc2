"""The health checks, and their results for a zone."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_lazy as _

from certificates.models import HealthAcceptance
from certificates.monitoring.checks import access_checks, zone_checks
from certificates.monitoring.checks.findings import Check, Result
from devices.models import Zone
from faults import NotFound

CHECKS = (
    Check("disk", _("Disk space of this server"), zone_checks.check_disk, acceptable=False),
    Check("failed-updates", _("Updates on devices"), zone_checks.check_failed_updates),
    Check("ca-backup", _("Backup of the zone CA"), zone_checks.check_backup),
    Check("primary-servers", _("Number of Primary Servers"), zone_checks.check_primary_servers),
    Check("clocks", _("Clocks of devices"), zone_checks.check_clocks),
    Check("notifications", _("Notification targets"), access_checks.check_notifications),
    Check("deliveries", _("Delivery of notifications"), access_checks.check_deliveries),
    Check(
        "super-administrators",
        _("Number of Super Administrators"),
        access_checks.check_super_administrators,
    ),
    Check("second-factors", _("Two-factor authentication"), access_checks.check_second_factors),
    Check(
        "registration-keys",
        _("Expiration of registration keys"),
        access_checks.check_registration_keys,
    ),
)


def get_check(key: str) -> Check:
    """Return a check by its key, or raise NotFound."""
    for check in CHECKS:
        if check.key == key:
            return check
    raise NotFound("The health check was not found.")


def run_checks(zone: Zone, now: datetime) -> list[Result]:
    """Run all checks and return their results in the order of CHECKS."""
    accepted = {(one.check_key, one.subject): one for one in HealthAcceptance.objects.all()}
    return [_run(check, zone, now, accepted) for check in CHECKS]


def _run(
    check: Check,
    zone: Zone,
    now: datetime,
    accepted: dict[tuple[str, str], HealthAcceptance],
) -> Result:
    result = Result(check, [], [])
    for finding in check.run(zone, now):
        acceptance = accepted.get((check.key, finding.subject)) if check.acceptable else None
        if acceptance is None:
            result.findings.append(finding)
        else:
            result.accepted.append((finding, acceptance))
    return result
