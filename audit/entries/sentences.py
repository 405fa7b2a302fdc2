"""Audit entries as sentences.

`{actor}` is the user, device, or process, `{subject}` is the object with its kind, and `{before}`
and `{after}` are states. A sentence is built from the stored names, so it stays as it was.
"""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.chain.action_labels import APPROVAL_ACTIONS, get_label

SENTENCES: dict[str, str | Promise] = {
    "accept-finding": _("{actor} accepted the finding of {subject}."),
    "accept-loss": _("{actor} accepted the loss of audit entries."),
    "accept-row": _("{actor} accepted the altered row of {subject}."),
    "acme-account": _("{actor} registered an ACME account with {subject}."),
    "acme-account-key": _("{actor} created {subject}."),
    "activate-administrator": _("{actor} reactivated {subject}."),
    "api-token": _("{actor} created {subject}."),
    "approve-change": _("{actor} approved the change of {subject}."),
    "back-up-zone": _("{actor} backed up the zone."),
    "backup-failed": _("A backup of the zone failed."),
    "backup-not-proven": _("The last backup of the zone could not be restored."),
    "backup-proven": _("{actor} restored the last backup of the zone in a drill."),
    "bridge": _("{actor} created a cross-certificate signed by {subject}."),
    "ca-role": _("{actor} moved the CA role of {subject} from {before} to {after}."),
    "certificate-names": _("{actor} approved the names in certificates of {subject}."),
    "change-acme-key": _("{actor} replaced the key of an ACME account of {subject}."),
    "change-activation": _("{actor} changed the activation time of {subject}."),
    "change-password": _("{actor} changed the password of {subject}."),
    "change-rules": _("{actor} changed {subject}."),
    "change-syslog": _("{actor} changed the forwarding of the audit log to {subject}."),
    "change-target": _("{actor} changed {subject}."),
    "codes-blocked": _("Authenticator codes of {subject} were blocked after failures."),
    "confirm-rules": _("{actor} turned off two-administrator approval."),
    "continue-after-pilot": _(
        "{actor} let all devices receive the update of {subject} without the pilot group."
    ),
    "create-administrator": _("{actor} created {subject}."),
    "create-target": _("{actor} created {subject}."),
    "cut-off": _("Devices of {subject} need the Certificate Remint Tool."),
    "deactivate-administrator": _("{actor} deactivated {subject}."),
    "delete-update": _("{actor} deleted {subject}."),
    "denied": _("{actor} was denied access: {subject}"),
    "deployment-stage": _("{actor} saved {subject}."),
    "destroy-ca-key": _("{actor} destroyed the key of {subject}."),
    "device-settings": _("{actor} changed the settings of {subject}."),
    "disable-acme-account-key": _("{actor} disabled {subject}."),
    "distrusted": _("A signed document was rejected on {subject}."),
    "end-acme-account": _("{actor} deactivated an ACME account of {subject}."),
    "end-other-sessions": _("{actor} ended the other sessions of {subject}."),
    "end-sessions": _("{actor} ended the sessions of {subject}."),
    "entries-missing": _("Audit entries are missing or were replaced."),
    "est-account": _("{actor} used {subject} with EST for the first time."),
    "first-password": _("{actor} set the password of {subject} with a setup link."),
    "force": _("{actor} forced the activation of {subject}."),
    "found": _("{actor} created {subject}."),
    "future-ca": _("{actor} created {subject}."),
    "import-ca": _("{actor} imported the certificate of {subject}."),
    "trusted-root": _("{actor} signed the trusted root of {subject}."),
    "generate-csr": _("{actor} requested a CSR for {subject}."),
    "hook-failed": _("A hook failed on {subject}."),
    "identity-copied": _("Another host used the identity of {subject}."),
    "import": _("{actor} imported {subject}."),
    "issue": _("{actor} issued certificates with {subject}."),
    "login": _("{subject} logged in."),
    "login-delayed": _("Logins of {subject} were delayed after failures."),
    "login-failed": _("A login as {subject} failed."),
    "logout": _("{subject} logged out."),
    "move": _("{actor} changed the status of {subject} from {before} to {after}."),
    "new-recovery-codes": _("{actor} replaced the recovery codes of {subject}."),
    "new-webhook-secret": _("{actor} replaced the secret of {subject}."),
    "omitted": _("More events of {subject} were counted and not recorded one by one."),
    "order-deployment-stages": _("{actor} reordered the deployment stages."),
    "override-window": _(
        "{actor} allowed the activation of {subject} outside the maintenance windows."
    ),
    "passkey-added": _("{actor} added a passkey of {subject}."),
    "passkey-copied": _("A passkey of {subject} was rejected. It might have been copied."),
    "passkey-removed": _("{actor} removed a passkey of {subject}."),
    "passkey-used": _("{actor} used a passkey of {subject}."),
    "pilot-passed": _("The pilot group of {subject} passed, and all devices receive the update."),
    "postpone": _("The activation of {subject} was postponed."),
    "recover-certificate": _("{actor} reported the certificate of {subject} again."),
    "recovery-code-used": _("{actor} used a recovery code of {subject}."),
    "redeploy-failed": _("{actor} redeployed {subject} on the failed devices."),
    "refresh-device": _("{actor} requested a refresh of {subject}."),
    "register": _("{subject} was registered."),
    "registered-again": _("A host registered as {subject} a second time."),
    "registration-key": _("{actor} created a registration key."),
    "reject-change": _("{actor} rejected the change of {subject}."),
    "release": _("{actor} released {subject} for re-imaging."),
    "remove-change-freeze": _("{actor} removed {subject}."),
    "remove-deployment-stage": _("{actor} removed {subject}."),
    "remove-mail-server": _("{actor} removed {subject}."),
    "remove-maintenance-window": _("{actor} removed {subject}."),
    "remove-row": _("{actor} deleted the altered row of {subject}."),
    "remove-syslog": _("{actor} ended the forwarding of the audit log to {subject}."),
    "remove-target": _("{actor} removed {subject}."),
    "replicate-now": _("{actor} requested the replication of {subject}."),
    "request-change": _("A change of {subject} was requested."),
    "reset-second-factor": _("{actor} reset the second factor of {subject}."),
    "revoke-api-token": _("{actor} revoked {subject}."),
    "revoke-api-tokens": _("{actor} revoked the API tokens of {subject}."),
    "revoke-certificate": _("{actor} revoked a certificate of {subject}."),
    "revoke-registration-key": _("{actor} revoked {subject}."),
    "rotate-vault-keys": _("{actor} rotated the vault keys of {subject}."),
    "row-altered": _("The row of {subject} was changed in the database, and not by ZCC."),
    "save-change-freeze": _("{actor} saved {subject}."),
    "save-maintenance-window": _("{actor} saved {subject}."),
    "save-pilot-group": _("{actor} saved {subject}."),
    "second-factor-off": _("{actor} removed the second factor of {subject}."),
    "second-factor-on": _("{actor} set up the second factor of {subject}."),
    "second-key": _("{actor} introduced the second zone key of {subject}."),
    "set-mail-server": _("{actor} set {subject}."),
    "set-roles": _("{actor} changed the roles of {subject}."),
    "set-up-link": _("{actor} created a setup link for {subject}."),
    "sign": _("{actor} signed a document: {subject}"),
    "sign-again": _("{actor} signed {subject} again."),
    "stamp-rows": _("{actor} created the MACs of database rows."),
    "stamp-second-factors": _("{actor} created the MACs of second factors."),
    "start": _("{actor} started {subject}."),
    "start-agent-upgrade": _("{actor} started {subject}."),
    "start-pilot": _("{actor} assigned the update of {subject} to the pilot group."),
    "temporary-password": _("{actor} created a temporary password for {subject}."),
    "test-mail-server": _("{actor} tested {subject}."),
    "test-syslog": _("{actor} sent a test message to {subject}."),
    "test-target": _("{actor} requested a test of {subject}."),
    "tls-library-rejected": _("A TLS library of {subject} rejected the new certificate."),
    "try-again": _("{actor} retried the CSR of {subject}."),
    "undo": _("{actor} rolled back {subject} on devices."),
    "unlock-administrator": _("{actor} unlocked {subject}."),
    "wait-for-pilot": _("{actor} moved the activation of {subject} because of the pilot group."),
    "wait-for-window": _("{actor} moved the activation of {subject} to a maintenance window."),
    "withdraw": _("{actor} canceled {subject} on devices."),
    "withdraw-acceptance": _("{actor} withdrew the acceptance of the finding of {subject}."),
    "without-bridge": _("{actor} continued {subject} without the cross-certificate."),
    "zone-settings": _("{actor} changed the settings of {subject}."),
}
FIRST_STATE = _("{actor} set the status of {subject} to {after}.")
# Requests that a second administrator approves.
APPROVALS = {
    "ask": _("{actor} requested {action}: {subject}"),
    "confirm": _("{actor} approved {action}: {subject}"),
    "refuse": _("{actor} rejected {action}: {subject}"),
    "withdraw": _("{actor} withdrew the request of {action}: {subject}"),
    "drop": _("The request of {action} expired: {subject}"),
}
OTHER = _("{actor}: {action} ({subject})")


def get_sentence(action: str, *, has_before: bool = True) -> str:
    """Return the sentence of an action, with the placeholders of this module."""
    if action == "move" and not has_before:
        return str(FIRST_STATE)
    if action in SENTENCES:
        return str(SENTENCES[action])
    event, _separator, approved = action.partition("-")
    if event in APPROVALS and approved in APPROVAL_ACTIONS:
        return str(APPROVALS[event]).replace("{action}", str(APPROVAL_ACTIONS[approved]))
    return str(OTHER).replace("{action}", get_label(action).replace("{", "").replace("}", ""))
