"""Help: what each page and dialog is for.

A topic is found by the names of the addresses that it explains: those are its anchors.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


@dataclass(frozen=True)
class Topic:
    """One topic: the addresses it explains, its title, its paragraphs."""

    addresses: tuple[str, ...]
    title: Text
    text: tuple[Text, ...]

    def anchors(self) -> list[str]:
        """Return what links to this topic name."""
        return [anchor(address) for address in self.addresses]


def anchor(address: str) -> str:
    """Return the anchor of an address, as the frame of every page links to it."""
    return address.replace(":", "-")


TOPICS = (
    Topic(
        ("certificates:home",),
        _("Home"),
        (
            _(
                "Shows what needs attention: operations under way, certificates that end soon, "
                "devices that are silent or failed. Each line leads to where it can be mended."
            ),
        ),
    ),
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
        ("certificates:restore_ca",),
        _("Restore CA"),
        (
            _(
                "Takes the CA out of a backup and gives its role to the server that you choose, "
                "for instance when the certificate server is lost. The backup of another CA is "
                "refused: use Change CA, which carries such a change to every device."
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
    Topic(
        ("certificates:why",),
        _("Why it failed"),
        (_("Shows the last attempt of a device with its reason, and offers to redeploy."),),
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
        ("ledger:audit", "ledger:entry", "ledger:tokens"),
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
)
