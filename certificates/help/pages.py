"""What each page is for."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from certificates.help.topics import Topic

TOPICS = (
    Topic(
        ("certificates:home",),
        _("Home"),
        (
            _(
                "Shows what needs attention: operations in progress, "
                "certificates that expire soon, and devices that are offline "
                "or have failed. Each item links to the page where you can fix "
                "it."
            ),
            _(
                "Servers Waiting lists each server and what it is waiting for: "
                "the content of an update, contact with the zone, or approval "
                "by an administrator."
            ),
        ),
    ),
    Topic(
        (
            "devices:list",
            "devices:device",
            "devices:settings",
            "devices:unregister",
            "devices:retire",
        ),
        _("Devices"),
        (
            _(
                "Lists servers, satellites, and managed devices with the time "
                "of their last contact. Additional DNS names are configured on "
                "the Settings tab of a device. They are included in a server "
                "certificate if Include any additional DNS names for each "
                "server is selected."
            ),
        ),
    ),
    Topic(
        ("systemupdates:list", "systemupdates:devices"),
        _("System Updates"),
        (
            _(
                "Every operation is delivered to devices as a system update. "
                "To exclude a device, use Ignore Device. To retry a failed "
                "device, use Redeploy. A device that can no longer connect "
                "recovers automatically, or with the Certificate Remint Tool, "
                "which you can download from /zenworks-setup on any Primary "
                "Server."
            ),
        ),
    ),
    Topic(
        ("zone:keys", "zone:settings"),
        _("Registration Keys and Zone Settings"),
        (
            _(
                "A registration key allows devices of one role to join the "
                "zone. The key is shown only once. The zone settings control "
                "the intervals, the minimum lead time, the freeze period, and "
                "the grace period. Each setting shows its allowed range."
            ),
        ),
    ),
    Topic(
        ("audit:audit", "audit:entry", "administrators:tokens"),
        _("Audit and Messages, API tokens"),
        (
            _(
                "Every state change creates an entry that cannot be modified. "
                "Each entry contains the hash of the previous entry. To verify "
                "the chain, run verify_audit, optionally against a checkpoint "
                "stored elsewhere. API tokens cannot have more rights than "
                "their owner."
            ),
        ),
    ),
    Topic(
        ("console:preferences",),
        _("Preferences"),
        (_("Choose the time zone for dates that the console displays and dates that you enter."),),
    ),
    Topic(
        (
            "administrators:list",
            "administrators:administrator",
            "administrators:create",
            "administrators:roles",
            "administrators:rules",
            "administrators:security",
            "administrators:password",
            "administrators:second_factor",
            "administrators:recovery_codes",
        ),
        _("Administrators and security"),
        (
            _(
                "Each administrator has an individual account with one or more "
                "roles, which grant rights. Use the Security page of your "
                "account to manage your password, two-factor authentication, "
                "recovery codes, and sessions. Account rules apply to all "
                "administrators."
            ),
        ),
    ),
    Topic(
        (
            "notifications:list",
            "notifications:create",
            "notifications:change",
            "notifications:delivery",
        ),
        _("Notifications"),
        (
            _(
                "Email and signed webhooks notify you about certificate "
                "expiration and about operations that are blocked, failed, or "
                "complete. Failed deliveries are retried, and a history is "
                "kept."
            ),
        ),
    ),
)
