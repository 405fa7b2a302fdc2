"""What an operation goes through, and what can be done about it."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from certificates.help.topics import Topic

TOPICS = (
    Topic(
        ("certificates:assign",),
        _("Assign Now"),
        (
            _(
                "Assigns the update before all content servers have its content. Devices that "
                "find none try the next content server, and can be redeployed."
            ),
        ),
    ),
    Topic(
        (
            "certificates:cancel",
            "certificates:clear",
        ),
        _("Cancel"),
        (
            _(
                "Ends an operation before its activation and drops what was prepared on every "
                "server. It works until the lock-out, ten minutes before the activation time; "
                "after that single devices can be left out with Ignore Device."
            ),
        ),
    ),
    Topic(
        (
            "certificates:replication",
            "certificates:replicate_now",
            "certificates:exclude",
        ),
        _("Replication status"),
        (
            _(
                "Lists which content servers have the update's content. A server that is away "
                "can be excluded, so that the update is assigned without it."
            ),
        ),
    ),
    Topic(
        ("certificates:why", "certificates:ask_again"),
        _("Why it failed"),
        (_("Shows the last attempt of a device with its reason, and offers to redeploy."),),
    ),
    Topic(
        (
            "certificates:operations",
            "certificates:operation",
            "certificates:operation_live",
            "certificates:report",
        ),
        _("Page of an operation"),
        (
            _(
                "Shows its stages by what devices reported, who would lose contact if it were "
                "activated now and why, how far devices and first contacts are. The report can be "
                "downloaded, signed by the zone key."
            ),
        ),
    ),
    Topic(
        ("certificates:change_activation",),
        _("Change activation time"),
        (
            _(
                "Moves the activation to another time before the lock-out begins, or frees a "
                "blocked operation. The new time is signed and travels to every device."
            ),
        ),
    ),
    Topic(
        (
            "certificates:force",
            "certificates:without_bridge",
            "certificates:try_again",
            "certificates:readiness_policy",
        ),
        _("What holds an operation up"),
        (
            _(
                "At the lock-out every server must have its new certificate, and the readiness "
                "policy must be met; else nothing is activated and the page names what is missing."
            ),
            _(
                "You can change the activation time, ignore a device, or force the activation: "
                "servers without a new certificate keep the old one, and devices that are not "
                "ready need recovery. A lost certificate server can be given up with its bridge; a "
                "preparation that failed can be tried again."
            ),
        ),
    ),
    Topic(
        ("certificates:roll_back",),
        _("Roll back"),
        (
            _(
                "Goes back to the CA and the certificates from before the activation, as long as "
                "the old root is still trusted everywhere. Devices trust both, so none loses "
                "contact."
            ),
        ),
    ),
    Topic(
        ("certificates:confirm", "certificates:confirm_job", "certificates:confirm_act"),
        _("Confirm as a second administrator"),
        (
            _(
                "Where the rule of two administrators is on, an act on the CA does nothing until "
                "another one has confirmed it within a day. Its limits are checked again then."
            ),
        ),
    ),
    Topic(
        ("certificates:trust", "certificates:not_refreshed"),
        _("Roots and bridges"),
        (
            _(
                "Shows which roots the zone trusts, who still uses an old one, and when that one "
                "is retired. A device that missed an update reaches the servers through the "
                "bridge until the old root expires, and takes over at its next refresh."
            ),
            _(
                "A root is retired once no registered device needs it any more. Start the devices "
                "that stand in the way, or retire on its page what will never come back."
            ),
        ),
    ),
)
