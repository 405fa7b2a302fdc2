"""Help topics of the Certificates page and its dialogs."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from certificates.help.topics import Topic

TITLE = _("Zone CA and Server Certificates")
TOPICS = (
    Topic(
        (
            "certificates:page",
            "certificates:zone_ca",
            "certificates:server_operations",
            "certificates:ca_pem",
        ),
        _("Certificates"),
        (
            _(
                "The upper pane shows the zone CA: its issuer, the server that "
                "holds its key, and its expiration date. The lower pane lists "
                "the certificates of all Primary Servers and Authentication "
                "Satellite Servers."
            ),
            _(
                "An operation moves through these states: Preparing, "
                "Replicating content, Assigned, Activating, Activated, "
                "Completed. Devices trust both the old and the new CA from the "
                "time they apply the update until the grace period ends, so "
                "they stay connected. To see why a button is unavailable, "
                "point to it."
            ),
        ),
    ),
    Topic(
        (
            "certificates:change_ca",
            "certificates:change_ca_step",
        ),
        _("Change CA"),
        (
            _(
                "Replaces the zone CA with an internal or subordinate CA on any online "
                "Primary Server, or with an external CA. Your corporate CA must sign the CSR of "
                "a subordinate CA: the operation waits until you import its certificate. For an "
                "external CA, "
                "upload its root certificate and all intermediate "
                "certificates, in any order and in any of the six supported "
                "file types. The root becomes the zone CA."
            ),
            _(
                "Each server then generates a key and a CSR. Download the "
                "CSRs, have them signed, and import the certificates with "
                "Import Certificate. If a server does not have its certificate "
                "when the freeze period begins, the operation is blocked so "
                "that the zone is not split between two CAs."
            ),
        ),
    ),
    Topic(
        ("certificates:remint_ca",),
        _("Remint CA"),
        (
            _(
                "Creates a new zone CA with a new key on the same server, then "
                "new certificates for all servers. Remint the CA well before "
                "it expires, because the activation time must be before the "
                "expiration date. An expired CA is replaced immediately "
                "(Immediate)."
            ),
            _(
                "Name constraints limit the new CA to domains and networks. Devices reject its "
                "certificates for other names, even if its key is stolen. They are optional, and "
                "can be changed only with another Remint CA."
            ),
        ),
    ),
    Topic(
        ("certificates:move_ca_role",),
        _("Move CA Role"),
        (
            _(
                "Moves the CA key and the CA role to another online Primary "
                "Server. No certificates are reissued and devices are not "
                "affected. If the current certificate server is lost, use "
                "Restore CA instead."
            ),
        ),
    ),
    Topic(
        (
            "certificates:backup_ca",
            "certificates:backup_file",
            "certificates:download_again",
            "certificates:key_job",
        ),
        _("Backup CA"),
        (
            _(
                "Downloads the CA certificate and private key, encrypted with "
                "your passphrase. Store the file and the passphrase "
                "separately, and not on the servers. If you lose the "
                "certificate server and have no backup, you must change to a "
                "new CA. Create a new backup after every Change CA and Remint "
                "CA."
            ),
        ),
    ),
    Topic(
        ("certificates:restore_ca", "certificates:adopt_ca"),
        _("Restore CA"),
        (
            _(
                "Restores the CA from a backup to the server you select, for "
                "example when the certificate server is lost. A backup of a "
                "different CA cannot be restored directly. The console offers "
                "Change CA instead, so that every device receives the change."
            ),
        ),
    ),
    Topic(
        (
            "certificates:view_certificate",
            "certificates:server",
            "certificates:server_pem",
            "certificates:future",
            "certificates:future_pem",
            "certificates:previous_certificate",
            "certificates:previous_certificate_pem",
        ),
        _("View Certificate"),
        (
            _(
                "Shows the subject, issuer, validity dates, key length, and "
                "fingerprints. To verify a certificate, compare the SHA-256 "
                "fingerprint. MD5 and SHA-1 are shown for compatibility and "
                "must not be used for verification."
            ),
        ),
    ),
    Topic(
        ("certificates:revoke",),
        _("Revoke Certificate"),
        (
            _(
                "Revokes a current or previous certificate of a server, for example "
                "because its private key might be known to others. Devices reject a "
                "revoked certificate at their next contact. A server that uses it gets a "
                "new key and certificate at its next refresh. A revocation cannot be undone."
            ),
            _(
                "To replace a certificate without an interruption, use Remint Certificate "
                "first, and revoke the previous certificate afterward. Agents of earlier "
                "versions do not know revocations. For them, use Remint CA."
            ),
        ),
    ),
    Topic(
        (
            "certificates:open_action",
            "certificates:server_actions",
            "certificates:remint_servers",
        ),
        _("Remint Certificate"),
        (
            _(
                "Issues new keys and certificates from the current CA to the "
                "selected servers. With an external CA, each server generates "
                "a CSR that the CA must sign, or you place the certificate with "
                "its chain (server.pem) and its key (key.der) in the remint "
                "repository of the server. Paths and Addresses on this page lists "
                "the folders that the agents read."
            ),
        ),
    ),
    Topic(
        (
            "certificates:generate_csr",
            "certificates:csr",
            "certificates:csr_zip",
        ),
        _("Generate and Download CSRs"),
        (
            _(
                "The private key is generated on the server and never leaves "
                "it. Only the CSR is transferred. If you generate a CSR again, "
                "the earlier key and CSR are deleted."
            ),
        ),
    ),
    Topic(
        ("certificates:import_certificate",),
        _("Import Certificate"),
        (
            _(
                "Imports the certificates issued by the external CA, from one "
                "file, several files, or a zip file. Each certificate is "
                "matched to its server by its key. A certificate is rejected, "
                "with a reason, if its key, names, validity dates, or chain "
                "are wrong."
            ),
        ),
    ),
)
