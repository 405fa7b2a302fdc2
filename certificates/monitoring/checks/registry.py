"""The health checks, and their results for a zone."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.rows import alarms
from certificates.models import HealthAcceptance
from certificates.monitoring.checks import (
    access_checks,
    backup_checks,
    revocation_checks,
    trust_checks,
    zone_checks,
)
from certificates.monitoring.checks.findings import Check, Result
from devices.models import Zone
from faults import NotFound

CHECKS = (
    Check(
        "disk", gettext_lazy("Disk space of this server"), zone_checks.check_disk, acceptable=False
    ),
    Check("failed-updates", gettext_lazy("Updates on devices"), zone_checks.check_failed_updates),
    Check("old-roots", gettext_lazy("Old trusted roots"), trust_checks.check_old_roots),
    Check(
        "revocation-lists",
        gettext_lazy("Revocation lists (CRLs)"),
        revocation_checks.check_lists,
    ),
    Check("ocsp-responses", gettext_lazy("OCSP responses"), revocation_checks.check_responses),
    Check("ca-backup", gettext_lazy("Backup of the zone CA"), zone_checks.check_backup),
    Check("zone-backup", gettext_lazy("Backup of the zone"), backup_checks.check_backups),
    Check("restore", gettext_lazy("Proven restore"), backup_checks.check_proofs),
    Check(
        "primary-servers",
        gettext_lazy("Number of Primary Servers"),
        zone_checks.check_primary_servers,
    ),
    Check("clocks", gettext_lazy("Clocks of devices"), zone_checks.check_clocks),
    Check("agent-versions", gettext_lazy("Versions of agents"), zone_checks.check_agents),
    Check("notifications", gettext_lazy("Notification targets"), access_checks.check_notifications),
    Check("deliveries", gettext_lazy("Delivery of notifications"), access_checks.check_deliveries),
    Check(
        "audit-forwarding",
        gettext_lazy("Forwarding of the audit log"),
        access_checks.check_forwarding,
    ),
    Check(
        "super-administrators",
        gettext_lazy("Number of Super Administrators"),
        access_checks.check_super_administrators,
    ),
    Check(
        "second-factors",
        gettext_lazy("Two-factor authentication"),
        access_checks.check_second_factors,
    ),
    Check(
        "registration-keys",
        gettext_lazy("Expiration of registration keys"),
        access_checks.check_registration_keys,
    ),
    Check(
        "acme-account-keys",
        gettext_lazy("Expiration of ACME account keys"),
        access_checks.check_acme_account_keys,
    ),
)


def get_check(key: str) -> Check:
    """Return a check by its key, or raise NotFound."""
    for check in CHECKS:
        if check.key == key:
            return check
    raise NotFound(_("The health check was not found."))


def run_checks(zone: Zone, now: datetime) -> list[Result]:
    """Run all checks and return their results in the order of CHECKS."""
    authentic = filter(alarms.is_authentic, HealthAcceptance.objects.all())
    accepted = {(one.check_key, one.subject): one for one in authentic}
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
