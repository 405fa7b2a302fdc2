"""Help topics for operations."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from certificates.help.topics import Topic

TITLE = _("Operations")
TOPICS = (
    Topic(
        (
            "certificates:import_ca",
            "certificates:ca_csr",
        ),
        _("Import CA Certificate"),
        (
            _(
                "Imports the certificate of a new subordinate CA. Have its CSR signed by your "
                "corporate CA, with the extensions of a CA, and import the certificate with all "
                "intermediate CAs and the root. Its key must be that of the CSR, and its name "
                "constraints must allow all names of the servers."
            ),
            _(
                "Devices trust only the new zone CA. Servers send the imported chain, so that "
                "browsers and other clients that trust the corporate root accept them, too."
            ),
        ),
    ),
    Topic(
        ("certificates:assign",),
        _("Assign Now"),
        (
            _(
                "Assigns the update before all content servers have the "
                "content. A device that cannot get the content tries the next "
                "content server. If the update fails on a device, redeploy it."
            ),
        ),
    ),
    Topic(
        (
            "certificates:cancel",
            "certificates:clear_failure",
            "certificates:bulk_operations",
        ),
        _("Cancel"),
        (
            _(
                "Stops an operation before activation and deletes everything "
                "that was prepared on the servers. You can cancel until the "
                "freeze period begins, ten minutes before the activation time "
                "by default. After that, you can exclude individual devices "
                "with Ignore Device."
            ),
            _("On the page Operations, you can select and cancel several operations."),
        ),
    ),
    Topic(
        (
            "certificates:replication",
            "certificates:replicate_now",
        ),
        _("Replication status"),
        (
            _(
                "Lists the content servers that have the content of the "
                "update. If a server is offline, exclude it so that the update "
                "can be assigned without it."
            ),
        ),
    ),
    Topic(
        ("certificates:exclude",),
        _("Exclude Server From an Operation"),
        (
            _(
                "The operation no longer waits until this content server has "
                "the content. Devices get the content from other servers. You "
                "can include the server again in the replication status."
            ),
        ),
    ),
    Topic(
        ("certificates:failure_details", "certificates:retry_request"),
        _("Failure Details"),
        (_("Shows the last attempt on a device and why it failed, and lets you redeploy."),),
    ),
    Topic(
        (
            "certificates:operations",
            "certificates:operation",
            "certificates:operation_live",
            "certificates:report",
        ),
        _("Operation Details"),
        (
            _(
                "Shows the progress of each stage as reported by devices, the "
                "devices that would lose contact if the certificates were "
                "activated now and why, and the first contacts after "
                "activation. You can download a report signed with the zone "
                "key."
            ),
        ),
    ),
    Topic(
        ("certificates:change_activation",),
        _("Change Activation Time"),
        (
            _(
                "Changes the activation time before the freeze period begins, "
                "or unblocks a blocked operation. The new time is signed and "
                "sent to every device."
            ),
        ),
    ),
    Topic(
        ("certificates:force", "certificates:try_again"),
        _("Blocked Operations and Force Activation"),
        (
            _(
                "When the freeze period begins, every server must have its new "
                "certificate and the readiness policy must be met. Otherwise "
                "no server uses its new certificate, and the page shows what is "
                "missing. Devices without a server certificate use the new root at "
                "the activation time, and still trust the old one."
            ),
            _(
                "You can change the activation time, ignore a device, or force "
                "the activation. If you force it, servers without a new "
                "certificate keep the old one, and devices that are not ready "
                "must be recovered. If preparation failed, you can try again."
            ),
        ),
    ),
    Topic(
        ("certificates:continue_without_cross_certificate",),
        _("Continue Without Cross-Certificate"),
        (
            _(
                "If the certificate server of the current CA is lost, it cannot "
                "sign the cross-certificate. A device that misses the update "
                "then cannot connect after activation, and must recover with "
                "the signed trust notice or the Certificate Remint Tool."
            ),
        ),
    ),
    Topic(
        ("certificates:readiness_policy",),
        _("Readiness Policy"),
        (
            _(
                "The policy is checked when the freeze period begins. If it is "
                "not met, the activation is postponed, and the reason is "
                "recorded in the audit log. An administrator can force the "
                "activation."
            ),
        ),
    ),
    Topic(
        ("certificates:roll_back",),
        _("Roll Back"),
        (
            _(
                "Returns to the previous CA and certificates. You can roll "
                "back until the old root is retired. Devices trust both CAs "
                "during this time, so they stay connected."
            ),
        ),
    ),
    Topic(
        ("certificates:approve_operation", "certificates:decide_job", "certificates:decide_action"),
        _("Second-Administrator Approval"),
        (
            _(
                "When two-administrator approval is on, CA operations do not "
                "start until another administrator approves them. Requests "
                "expire after 24 hours. All limits are checked again at "
                "approval."
            ),
        ),
    ),
    Topic(
        ("certificates:trust", "certificates:key_record"),
        _("Roots and Cross-Certificates"),
        (
            _(
                "Shows which roots the zone trusts, which devices still use an "
                "old root, and when each old root is retired. A device that "
                "missed an update can connect through the cross-certificate "
                "until the old root expires, and switches to the new root at "
                "its next refresh."
            ),
            _(
                "A root is retired when no registered device needs it. Start "
                "the devices that still use it. If a device will not return, "
                "retire it on its device page."
            ),
            _(
                "Key Record shows who created, backed up, moved, restored, and "
                "destroyed the key of a CA, and who approved it. It is signed "
                "with the zone key."
            ),
        ),
    ),
    Topic(
        ("certificates:not_refreshed",),
        _("Devices That Have Not Refreshed"),
        (
            _(
                "Lists the devices without a refresh since the last new server "
                "certificate of the operation was stored. Start them before "
                "the activation time, so that they can check the new "
                "certificates."
            ),
        ),
    ),
    Topic(
        ("certificates:banner",),
        _("Operations in Progress"),
        (
            _(
                "Every page shows the operations that are running or blocked, "
                "with the time that remains until the activation. The end of an "
                "operation is reported on every open page within a few seconds."
            ),
        ),
    ),
)
