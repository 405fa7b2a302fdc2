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
                "Shows what needs attention: operations under way, certificates that end soon, "
                "devices that are silent or failed. Each line leads to where it can be mended."
            ),
            _(
                "Servers that wait are named with what they wait for: the content of an update, "
                "contact with the zone, or the approval of an administrator."
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
                "Lists servers, satellites and managed devices with their last contact. A device's "
                "Settings tab holds its additional DNS names; a server certificate carries them "
                "where the box “Include any additional DNS names” is ticked."
            ),
        ),
    ),
    Topic(
        ("systemupdates:list", "systemupdates:devices"),
        _("System Updates"),
        (
            _(
                "Every operation travels to the devices as a system update. Ignore Device leaves "
                "one out of it, Redeploy offers it again to one that failed. A device that cannot "
                "connect any more finds back by itself, or with the Certificate Remint Tool from "
                "/zenworks-setup of any Primary Server."
            ),
        ),
    ),
    Topic(
        ("zone:keys", "zone:settings"),
        _("Registration Keys and Zone Settings"),
        (
            _(
                "A registration key lets devices of one role into the zone; it is shown once. The "
                "zone settings hold the intervals, the least lead time, the lock-out and the grace "
                "time, each with its range."
            ),
        ),
    ),
    Topic(
        ("audit:audit", "audit:entry", "administrators:tokens"),
        _("Audit and Messages, API tokens"),
        (
            _(
                "Every change of state leaves a line that cannot be changed; each line is chained "
                "to the one before. The command verify_audit checks the chain, also against a head "
                "that was kept elsewhere. API tokens act with at most the rights of their owner."
            ),
        ),
    ),
    Topic(
        ("console:preferences",),
        _("Preferences"),
        (_("Choose the time zone in which dates are shown, and in which yours are read."),),
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
                "Each administrator has an account of their own, with a role that gives rights. "
                "The security page of an account holds password, second factor with its recovery "
                "codes, and the other sessions. The rules apply to everybody."
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
                "Mail and signed webhooks tell of expiry and of operations that are blocked, "
                "failed or completed. A delivery that failed is tried again; its history is kept."
            ),
        ),
    ),
)
