"""Help topics for the dialogs and pages of devices, system updates, and administration."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from certificates.help.topics import Topic

DEVICES_TITLE = _("Actions on Devices")
DEVICES = (
    Topic(
        ("devices:unregister",),
        _("Unregister Device"),
        (
            _(
                "Removes the device from all system updates. It receives no more changes, and "
                "keeps the certificates that it has. It can join the zone again under the "
                "same name with zac reg."
            ),
        ),
    ),
    Topic(
        ("devices:retire",),
        _("Retire Device"),
        (
            _(
                "Removes the device from the zone permanently: its requests are rejected, and "
                "its name can be used by another device. To join the zone again, it needs a "
                "registration key."
            ),
            _(
                "The certificates of a retired server are revoked: devices reject them at their "
                "next contact. Agents of earlier versions do not know revocations. For them, use "
                "Remint CA."
            ),
        ),
    ),
)
UPDATES_TITLE = _("Actions on System Updates")
UPDATES = (
    Topic(
        ("systemupdates:content",),
        _("Content and Certificate Remint Tool"),
        (
            _(
                "Lists the content servers that have the content of the update, and the "
                "addresses of the Certificate Remint Tool with the commands that download, "
                "verify, and run it. Compare the file with the SHA-256 digest on this page, "
                "because the digest next to the file was downloaded over the same connection."
            ),
            _(
                "Paths and Addresses on this help page lists the addresses of all Primary "
                "Servers. The HTTP address works when a device cannot verify TLS."
            ),
        ),
    ),
    Topic(
        ("systemupdates:details", "systemupdates:rollout"),
        _("Release Details"),
        (
            _(
                "Shows who created the update, when it was assigned and activated, the root "
                "after activation, and the files that it contains."
            ),
        ),
    ),
    Topic(
        ("systemupdates:ignore",),
        _("Ignore Device"),
        (
            _(
                "The update is continued without the device, and is not offered to it. "
                "Use it for a device that will not return in time. To include the device "
                "again, use Redeploy."
            ),
            _(
                "A server that is ignored keeps its current certificate. Remint this "
                "certificate before the old root is retired."
            ),
        ),
    ),
    Topic(
        ("systemupdates:redeploy_failed",),
        _("Redeploy"),
        (
            _(
                "Devices on which the update has failed try again at their next contact. Fix "
                "the cause first. Status by Device shows the reason for each device."
            ),
        ),
    ),
    Topic(
        ("systemupdates:exclude",),
        _("Exclude Server"),
        (
            _(
                "The content of an update is not replicated to an excluded server, so that a "
                "server that is offline does not delay the assignment. Devices get the "
                "content from other servers. You can include the server again."
            ),
        ),
    ),
    Topic(
        ("systemupdates:baseline",),
        _("Baseline"),
        (
            _(
                "Closes an update: it is no longer offered to devices. Devices that register "
                "later receive the current roots when they register. The Certificate Remint "
                "Tool stays available until the update is deleted."
            ),
        ),
    ),
    Topic(
        ("systemupdates:delete",),
        _("Delete"),
        (
            _(
                "Removes an update from the console, and its Certificate Remint Tool from "
                "every server. Devices that have not been in contact can still recover with "
                "the signed trust notice."
            ),
        ),
    ),
    Topic(
        ("systemupdates:stages",),
        _("Deployment Stages"),
        (
            _(
                "Stages are groups of devices to which an update is offered one after the "
                "other. Certificate updates and Assign Now go to all devices at the same "
                "time, because a device that receives a new CA too late would lose contact."
            ),
        ),
    ),
    Topic(
        ("systemupdates:new_stage", "systemupdates:stage"),
        _("Add or Change a Stage"),
        (
            _(
                "Enter one device name in each line. A device can be in only one stage. The "
                "next stage starts when all devices of the stage have applied the update or "
                "failed, or when the timeout is reached."
            ),
        ),
    ),
)
ADMINISTRATION_TITLE = _("Administration")
ADMINISTRATION = (
    Topic(
        ("zone:settings",),
        _("Zone Settings"),
        (
            _(
                "The zone settings control the refresh intervals, the minimum lead time, the "
                "freeze period, and the grace period. The allowed range is shown next to each "
                "setting."
            ),
        ),
    ),
    Topic(
        ("administrators:create",),
        _("Create Administrator"),
        (
            _(
                "Creates an account with one or more roles. The setup link is shown once, can "
                "be used once, and expires after 24 hours. Send it through a secure channel."
            ),
        ),
    ),
    Topic(
        ("administrators:roles", "administrators:approve_roles", "administrators:reject_roles"),
        _("Roles of an Administrator"),
        (
            _(
                "Roles grant rights. An administrator can grant only rights of the own "
                "account, and the last Super Administrator cannot be removed. If two- "
                "administrator approval is on, roles that can approve CA operations need a "
                "second administrator."
            ),
        ),
    ),
    Topic(
        ("administrators:setup_link",),
        _("New Setup Link"),
        (
            _(
                "Creates another setup link for an administrator who cannot log in. The link "
                "sets a password and can be used once in 24 hours."
            ),
        ),
    ),
    Topic(
        ("administrators:temporary_password",),
        _("Temporary Password"),
        (
            _(
                "Replaces the password of an administrator with one that can be used for one "
                "login. A new password must be chosen there. A setup link is safer, because "
                "no one else knows the password."
            ),
        ),
    ),
    Topic(
        ("administrators:action",),
        _("Actions on an Administrator"),
        (
            _(
                "Deactivate or reactivate an account, unlock it after failed logins, reset "
                "its second factor, end its sessions, or revoke its API tokens. Deactivating "
                "an account also ends its sessions and API tokens immediately. Each action is "
                "recorded in the audit log."
            ),
        ),
    ),
    Topic(
        ("administrators:policies", "administrators:approve_turn_off"),
        _("Account Rules"),
        (
            _(
                "The rules apply to all administrators: whether two-factor authentication is "
                "required, and whether a second administrator must approve CA operations. To "
                "turn approval off, a second administrator must approve, too."
            ),
        ),
    ),
    Topic(
        ("notifications:create", "notifications:change"),
        _("Notification Target"),
        (
            _(
                "A target is an email address or a webhook, and the events that are sent to "
                "it. Send a test after each change: History shows the result."
            ),
        ),
    ),
    Topic(
        ("notifications:new_secret",),
        _("New Secret"),
        (
            _(
                "Creates another secret with which a webhook is signed. It is shown once. "
                "Store it at the receiver, which rejects notifications until then."
            ),
        ),
    ),
    Topic(
        ("notifications:remove",),
        _("Remove Target"),
        (_("The target receives no more notifications, and its history is deleted."),),
    ),
    Topic(
        ("audit:stop_forwarding",),
        _("Stop Forwarding"),
        (_("Entries are no longer sent to the syslog server. They stay in the audit log."),),
    ),
    Topic(
        ("certificates:accept_finding",),
        _("Accept Finding"),
        (
            _(
                "Accepts a finding that does not apply to your zone, with a reason that is "
                "recorded in the audit log. The finding is open again when it applies to "
                "something else, for example to a new zone CA."
            ),
        ),
    ),
    Topic(
        ("notifications:mail_server",),
        _("Mail Server"),
        (_("The server that sends mail of the console. Send a test mail after each change."),),
    ),
    Topic(
        ("notifications:remove_mail_server",),
        _("Remove Mail Server"),
        (_("Mail is sent with the server in the settings of the console, or not at all."),),
    ),
    Topic(
        ("certificates:start_agent_upgrade",),
        _("Upgrade Agents"),
        (_("Only devices that allow upgrades by the console are upgraded, the pilot first."),),
    ),
    Topic(
        ("certificates:approve_agent_upgrade",),
        _("Approve Upgrade of Agents"),
        (_("Another administrator requested the upgrade. Compare version and devices first."),),
    ),
    Topic(
        ("certificates:cancel_agent_upgrade",),
        _("Cancel Upgrade of Agents"),
        (_("Devices that have been upgraded keep the new version. The others are not upgraded."),),
    ),
    Topic(
        ("certificates:withdraw_acceptance",),
        _("Withdraw Acceptance"),
        (_("The finding is listed on Home again until its cause is corrected."),),
    ),
)
