"""What the page Certificates and its dialogs are for."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from certificates.help.topics import Topic

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
                "The upper pane shows the zone CA: who issued it, which server holds its key, when "
                "it ends. The lower pane shows the certificate of every Primary Server and "
                "Authentication Satellite."
            ),
            _(
                "An operation goes through: preparing, replicating content, assigned, activating, "
                "activated, completed. Devices trust the old and the new CA from the moment they "
                "apply the update until the grace time ends, so none loses contact. A button that "
                "is shut tells why when you point at it."
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
                "Replaces the zone CA by an internal one on any live Primary Server, or by an "
                "external one. For an external CA hand in its trusted root with all intermediates, "
                "in any order and any of the six file types; its root becomes the zone CA."
            ),
            _(
                "Each server then makes a key and a CSR. Download the CSRs, have them signed, and "
                "use Import Certificate. Without a certificate on every server the operation is "
                "blocked at the lock-out instead of splitting the zone."
            ),
        ),
    ),
    Topic(
        ("certificates:remint_ca",),
        _("Remint CA"),
        (
            _(
                "Makes a new zone CA with a new key on the same server, then new certificates for "
                "all servers. Do it well before the CA expires: the activation time must lie "
                "before the expiry. An expired CA is replaced at once (Immediate)."
            ),
        ),
    ),
    Topic(
        ("certificates:move_ca_role",),
        _("Move CA Role"),
        (
            _(
                "Gives the CA's key and role to another live Primary Server. Nothing is reminted "
                "and no device notices. If the present server is lost, use Restore CA."
            ),
        ),
    ),
    Topic(
        (
            "certificates:backup_ca",
            "certificates:backup_file",
            "certificates:download_again",
            "certificates:vault_job",
        ),
        _("Backup CA"),
        (
            _(
                "Downloads the CA with its key, encrypted under your passphrase. Keep file and "
                "passphrase apart, away from the servers. Without a backup a lost certificate "
                "server means a new CA. Back up again after every Change CA and Remint CA."
            ),
        ),
    ),
    Topic(
        ("certificates:restore_ca", "certificates:adopt_ca"),
        _("Restore CA"),
        (
            _(
                "Takes the CA out of a backup and gives its role to the server that you choose, "
                "for instance when the certificate server is lost. The backup of another CA is "
                "not restored: it leads into Change CA, which tells every device of such a change."
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
            "certificates:past",
            "certificates:past_pem",
        ),
        _("View Certificate"),
        (
            _(
                "Shows subject, issuer, dates, key and fingerprints. Compare the SHA256 "
                "fingerprint; MD5 and SHA1 are shown because the manual lists them and prove "
                "nothing."
            ),
        ),
    ),
    Topic(
        (
            "certificates:selected",
            "certificates:server_actions",
            "certificates:remint_servers",
        ),
        _("Remint Certificate"),
        (
            _(
                "Gives the selected servers new keys and certificates of the present CA. Under an "
                "external CA each server makes a CSR that the CA has to sign."
            ),
        ),
    ),
    Topic(
        (
            "certificates:generate_csr",
            "certificates:csr",
            "certificates:csr_zip",
        ),
        _("Generate CSR and download"),
        (
            _(
                "A server's private key is made on that server and never leaves it; only the CSR "
                "travels. Generating anew drops the key and CSR before."
            ),
        ),
    ),
    Topic(
        ("certificates:import_certificate",),
        _("Import Certificate"),
        (
            _(
                "Takes what the external CA answered: one file, several, or a zip. Each "
                "certificate is matched to its server by its key, and refused with the reason "
                "when key, names, dates or chain do not fit."
            ),
        ),
    ),
)
