"""Help topics for pages outside Certificates."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from certificates.help.topics import Topic

TITLE = _("Pages")
TOPICS = (
    Topic(
        ("certificates:home",),
        _("Home"),
        (
            _(
                "Home shows what needs your attention: operations in progress, "
                "certificates that expire soon, requests that are waiting for "
                "approval, and devices that have failed or have no recent "
                "contact. Each item links to the page where you can resolve it."
            ),
            _(
                "Servers Waiting lists each server that is waiting for the "
                "content of an update, for contact with the zone, or for "
                "approval by an administrator."
            ),
            _(
                "Needs Attention also lists the findings of the health checks. "
                "Home says that there is no problem only if all of them passed."
            ),
        ),
    ),
    Topic(
        ("certificates:search",),
        _("Search"),
        (
            _(
                "Search finds pages, devices, server certificates, roots, "
                "operations, system updates, administrators, registration keys, "
                "and help topics by name, address, fingerprint, or serial number. "
                "Press / or Ctrl+K on any page to open it."
            ),
            _(
                "Fingerprints can be entered with or without colons, and only "
                "their beginning is needed. You find only what your roles let you "
                "see. The / key can be turned off in Preferences."
            ),
        ),
    ),
    Topic(
        ("certificates:checks",),
        _("Health Checks"),
        (
            _(
                "Health checks find what would make a failure worse: a zone CA "
                "without a backup, a single Primary Server or Super "
                "Administrator, administrators without two-factor "
                "authentication, missing notifications, failed updates, wrong "
                "clocks, and registration keys that never expire."
            ),
            _(
                "If a finding does not apply to your zone, accept it with a "
                "reason. The acceptance is recorded in the audit log and "
                "applies to this finding only: a new zone CA needs a new "
                "backup. You can withdraw an acceptance."
            ),
        ),
    ),
    Topic(
        ("devices:list", "devices:device", "devices:settings"),
        _("Devices"),
        (
            _(
                "The Devices page lists Primary Servers, satellites, and "
                "managed devices with the time of their last contact."
            ),
            _(
                "Select devices to unregister or retire them together. Export "
                "Selected contains the selected devices, and Export as CSV all "
                "devices that match the filter. Columns for which the window is "
                "too narrow are hidden, and their number is shown on the Columns "
                "button."
            ),
            _(
                "To add DNS names to the certificate of a server, open the "
                "server and enter them on its Settings tab. They are included "
                "the next time a certificate is issued, if Include any "
                "additional DNS names for each server is selected."
            ),
        ),
    ),
    Topic(
        ("certificates:add_devices", "certificates:added_devices"),
        _("Add Devices"),
        (
            _(
                "Add Devices shows the commands that install the agent on a new "
                "device and register it. Select the role and the system, create "
                "a registration key or use one that you have, and enter the "
                "commands on the device."
            ),
            _(
                "The first commands download the roots of the zone and the agent "
                "and compare them with the SHA-256 digests on the page. Copy the "
                "commands from the page again after the agent or the zone CA has "
                "changed."
            ),
            _(
                "A device appears on the page when it has registered. A server "
                "that is waiting for approval can be approved there. The first "
                "contact shows that its agent is running."
            ),
        ),
    ),
    Topic(
        (
            "certificates:agent_upgrades",
            "certificates:agent_upgrade",
            "certificates:pause_agent_upgrade",
            "certificates:resume_agent_upgrade",
        ),
        _("Agent Upgrades"),
        (
            _(
                "Upgrade Agents replaces agents that are older than the console. "
                "Select devices or roles, how many devices are upgraded first "
                "(the pilot), and when. The other devices follow when the whole "
                "pilot has contacted the console with the new version. If a "
                "device of the pilot fails, the upgrade is paused."
            ),
            _(
                "An agent checks that the zone has signed the new version, and "
                "that it is later than the installed one. If the new version "
                "does not contact the console in time, the agent returns to the "
                "previous version and reports why. While a certificate update is "
                "open on a device, its agent is not upgraded."
            ),
            _(
                "Agents that were installed by a package are upgraded with apt "
                "or dnf, and Primary Servers with their console. With "
                "two-administrator approval, a second administrator approves an "
                "upgrade."
            ),
        ),
    ),
    Topic(
        ("systemupdates:list", "systemupdates:devices", "systemupdates:bulk_updates"),
        _("System Updates"),
        (
            _(
                "Every operation is delivered to devices as a system update. "
                "To exclude a device, use Ignore Device. To retry a failed "
                "device, use Redeploy. You can select several devices."
            ),
            _(
                "You can also select several updates: redeploy them to the devices on which they "
                "failed, baseline completed ones, and delete baselined and canceled ones."
            ),
            _(
                "A device that can no longer connect recovers automatically. "
                "To recover it immediately, run the Certificate Remint Tool on "
                "it. Paths and Addresses on this page lists the addresses from "
                "which you can download the tool."
            ),
        ),
    ),
    Topic(
        ("zone:keys",),
        _("Registration Keys"),
        (
            _(
                "A device needs a registration key to join the zone. Each key "
                "is for one role. The key is shown only once, when you create "
                "it."
            ),
            _(
                "A key that approves servers automatically contains their "
                "domains and networks. A server with another name or address "
                "is waiting for approval, and its page shows what the key does "
                "not approve. A key for one device can replace this device, "
                "even if it is in contact."
            ),
            _(
                "Names that are new in the certificate of a server are shown "
                "before you approve it. To add names, you need the Certificate "
                "Authority right."
            ),
        ),
    ),
    Topic(
        ("audit:audit", "audit:entry", "audit:forwarding", "administrators:tokens"),
        _("Audit and Messages, API Tokens"),
        (
            _(
                "Every change is recorded in the audit log. Each entry "
                "contains the hash of the previous entry, so changes to the "
                "log can be detected. To verify the log, run verify_audit."
            ),
            _(
                "An entry keeps the names that objects had when it was recorded. "
                "The pages of devices, the zone CA, and administrators show "
                "their last entries. Export Selected contains the selected entries, "
                "and the other exports all entries that match the filter."
            ),
            _(
                "Servers and devices keep the digest of the last entry that they "
                "know, so removed entries are detected, too. The Home page and a "
                "notification report them. If you have restored an older "
                'database, run verify_audit --accept "REASON".'
            ),
            _(
                "A device or an address adds at most 20 entries of one kind in a "
                "day. When the day is over, one entry contains the number of "
                "further events."
            ),
            _(
                "Audit Log Forwarding sends each entry to a syslog server over "
                "TLS. While the server is not available, entries are kept and "
                "sent later. Send Test Message shows whether the server can "
                "receive entries."
            ),
            _(
                "Scripts and monitoring systems use API tokens. A token cannot "
                "have more rights than its owner."
            ),
        ),
    ),
    Topic(
        ("console:preferences",),
        _("Preferences"),
        (
            _(
                "Choose the time zone in which the console shows dates. Dates "
                "that you enter are in the same time zone."
            ),
        ),
    ),
    Topic(
        (
            "administrators:list",
            "administrators:administrator",
            "administrators:security",
            "administrators:password",
            "administrators:second_factor",
            "administrators:add_passkey",
            "administrators:remove_passkey",
            "administrators:recovery_codes",
        ),
        _("Administrators and Security"),
        (
            _(
                "Each administrator has an individual account. Roles grant "
                "the rights of the account. Account rules apply to all "
                "administrators."
            ),
            _(
                "To change your password, two-factor authentication, or "
                "recovery codes, or to end other sessions, open Security in "
                "your account menu."
            ),
            _(
                "The second factor is a code of an authenticator app, or a passkey: a "
                "security key, or the screen lock of a computer or phone. A passkey belongs "
                "to the host name with which you opened the console. If the console has "
                "several names, add a passkey for each one that you use. Keep the recovery "
                "codes for the case that you lose both."
            ),
        ),
    ),
    Topic(
        ("notifications:list", "notifications:delivery"),
        _("Notifications"),
        (
            _(
                "Notifications inform you by email, signed webhook, Slack, Microsoft Teams, "
                "Mattermost, ntfy, or PagerDuty about certificates that expire and about "
                "operations that are blocked, failed, or complete. Failed deliveries are retried. "
                "The page shows the status of recent deliveries."
            ),
            _(
                "The mail server that is set here is used by all Primary Servers. Send Test Email "
                "sends a message to your own address and shows the response of the server."
            ),
        ),
    ),
)
