"""Labels of the actions in the audit log.

An entry stores a slug, which is part of its hash and never changes. The console shows the label.
"""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

LABELS: dict[str, str | Promise] = {
    "accept-finding": _("Finding of a health check accepted"),
    "accept-loss": _("Loss of audit entries accepted"),
    "accept-row": _("Altered row accepted"),
    "activate-administrator": _("Administrator reactivated"),
    "api-token": _("API token created"),
    "approve-change": _("Change of a server approved"),
    "back-up-zone": _("Backup of the zone created"),
    "backup-failed": _("Backup of the zone failed"),
    "backup-not-proven": _("Backup cannot be restored"),
    "backup-proven": _("Backup restored in a drill"),
    "bridge": _("Cross-certificate created"),
    "ca-role": _("CA role moved"),
    "change-activation": _("Activation time changed"),
    "change-password": _("Password changed"),
    "change-rules": _("Account rules changed"),
    "change-syslog": _("Audit log forwarding changed"),
    "change-target": _("Notification target changed"),
    "confirm-rules": _("Two-administrator approval turned off"),
    "create-administrator": _("Administrator created"),
    "create-target": _("Notification target created"),
    "cut-off": _("Devices need Certificate Remint Tool"),
    "deactivate-administrator": _("Administrator deactivated"),
    "delete-update": _("Update deleted"),
    "denied": _("Access denied"),
    "deployment-stage": _("Deployment stage saved"),
    "destroy-ca-key": _("CA key destroyed"),
    "device-settings": _("Device settings changed"),
    "distrusted": _("Signed document rejected"),
    "entries-missing": _("Audit entries missing or replaced"),
    "end-other-sessions": _("Other sessions ended"),
    "end-sessions": _("Sessions ended"),
    "codes-blocked": _("Authenticator codes blocked after failures"),
    "login-delayed": _("Logins delayed after failures"),
    "first-password": _("Password set with setup link"),
    "force": _("Activation forced"),
    "found": _("Zone created"),
    "future-ca": _("New CA created"),
    "certificate-names": _("Names of a certificate approved"),
    "generate-csr": _("CSR requested"),
    "identity-copied": _("Identity of a device used by another host"),
    "import": _("Certificate imported"),
    "remove-mail-server": _("Mail server removed"),
    "second-key": _("Second zone key introduced"),
    "issue": _("Certificates issued"),
    "login": _("Logged in"),
    "login-failed": _("Login failed"),
    "logout": _("Logged out"),
    "move": _("State changed"),
    "new-recovery-codes": _("Recovery codes replaced"),
    "new-webhook-secret": _("Webhook secret replaced"),
    "omitted": _("More events that were not recorded one by one"),
    "order-deployment-stages": _("Deployment stages reordered"),
    "passkey-added": _("Passkey added"),
    "passkey-copied": _("Passkey might have been copied"),
    "passkey-removed": _("Passkey removed"),
    "passkey-used": _("Passkey used"),
    "postpone": _("Activation postponed"),
    "recovery-code-used": _("Recovery code used"),
    "redeploy-failed": _("Failed devices redeployed"),
    "refresh-device": _("Device refresh requested"),
    "register": _("Device registered"),
    "registration-key": _("Registration key created"),
    "registered-again": _("Device registered a second time"),
    "reject-change": _("Change of a server rejected"),
    "release": _("Device released for re-imaging"),
    "remove-deployment-stage": _("Deployment stage removed"),
    "remove-row": _("Altered row deleted"),
    "remove-syslog": _("Audit log forwarding stopped"),
    "remove-target": _("Notification target removed"),
    "replicate-now": _("Replication requested"),
    "request-change": _("Change of a server requested"),
    "reset-second-factor": _("Second factor reset"),
    "revoke-api-token": _("API token revoked"),
    "revoke-api-tokens": _("API tokens revoked"),
    "revoke-certificate": _("Certificate revoked"),
    "revoke-registration-key": _("Registration key revoked"),
    "rotate-vault-keys": _("Vault keys rotated"),
    "row-altered": _("Row changed in the database"),
    "set-mail-server": _("Mail server set"),
    "stamp-rows": _("MACs of database rows created"),
    "stamp-second-factors": _("MACs of second factors created"),
    "second-factor-off": _("Second factor removed"),
    "second-factor-on": _("Second factor set up"),
    "set-roles": _("Roles changed"),
    "set-up-link": _("Setup link created"),
    "sign": _("Document signed"),
    "start": _("Operation started"),
    "start-agent-upgrade": _("Upgrade of agents started"),
    "temporary-password": _("Temporary password created"),
    "test-mail-server": _("Mail server tested"),
    "test-syslog": _("Test of audit log forwarding"),
    "test-target": _("Test notification requested"),
    "try-again": _("CSR generation retried"),
    "undo": _("Update rolled back on devices"),
    "unlock-administrator": _("Account unlocked"),
    "withdraw": _("Update canceled on devices"),
    "withdraw-acceptance": _("Acceptance of a finding withdrawn"),
    "without-bridge": _("Continued without cross-certificate"),
    "zone-settings": _("Zone settings changed"),
}
# Actions that can require a second administrator, and what happened to the request.
APPROVAL_ACTIONS: dict[str, str | Promise] = {
    "agent-upgrade": _("Upgrade Agents"),
    "backup": _("Backup CA"),
    "force": _("Force Activation"),
    "move": _("Move CA Role"),
    "restore": _("Restore CA"),
    "roles": _("Roles of an administrator"),
    "roll-back": _("Roll Back"),
    "rules": _("Turn Off Two-Administrator Approval"),
}
APPROVAL_EVENTS: dict[str, str | Promise] = {
    "ask": _("%(action)s requested"),
    "confirm": _("%(action)s approved"),
    "refuse": _("%(action)s rejected"),
    "withdraw": _("%(action)s request withdrawn"),
    "drop": _("%(action)s request expired"),
}


def get_label(slug: str) -> str:
    """Return the label of an action; one without a label is its slug in sentence case."""
    if slug in LABELS:
        return str(LABELS[slug])
    event, _separator, action = slug.partition("-")
    if event in APPROVAL_EVENTS and action in APPROVAL_ACTIONS:
        return str(APPROVAL_EVENTS[event]) % {"action": APPROVAL_ACTIONS[action]}
    return slug.replace("-", " ").capitalize()
