"""The entries of the manual's Appendix A, with the behavior of this product.

See: D-43
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


@dataclass(frozen=True)
class KnownIssue:
    """An issue from the manual's appendix, its documented solution, and the behavior here."""

    anchor: str
    title: Text
    documented_solution: Text
    behavior: Text


APPENDIX = (
    KnownIssue(
        "a-1",
        _("A Windows agent is not able to launch the CertificateActivator executable"),
        _(
            "At activation, the agent starts a separate program "
            "(CertificateActivator.exe), which Windows might block."
        ),
        _(
            "Does not apply. The agent activates the certificate itself at the "
            "scheduled time, without a separate program, and retries "
            "automatically. Agents run on Linux."
        ),
    ),
    KnownIssue(
        "a-2",
        _(
            "When the Certificate Remint Tool is downloaded, the update packages are treated as "
            "malicious software"
        ),
        _("Exclude the tool's packages from antivirus scanning."),
        _(
            "The tool is a single Python archive that is identical on every "
            "server. The /zenworks-setup page lists its SHA-256 digest and "
            "zone key signature, so you can verify it and add it to an allow "
            "list by digest. The tool does not execute anything it downloads."
        ),
    ),
    KnownIssue(
        "a-3",
        _(
            "Managed device that was re-imaged during remint is not communicating with the "
            "Primary Server"
        ),
        _("Unregister and re-register the device, or run the Certificate Remint Tool on it."),
        _(
            "No action is required. Each registration and each refresh "
            "delivers the current and future trusted roots and the update, so "
            "a re-imaged device is up to date as soon as it registers."
        ),
    ),
    KnownIssue(
        "a-4",
        _(
            "The activator for a failed certificate activation will only be triggered after an "
            "agent refresh"
        ),
        _("To trigger it immediately, run zac refresh."),
        _(
            "If activation fails, the server returns to its old certificate, "
            "reports the reason, and retries at increasing intervals. To retry "
            "immediately, run zac refresh on the server or use Redeploy in the "
            "console."
        ),
    ),
    KnownIssue(
        "a-5",
        _(
            "The Certificate Remint Tool fails on a device when the Primary Server to which it is "
            "registered, has a certificate chain"
        ),
        _("Download the tool from the server that has the longest certificate chain."),
        _(
            "You can download the tool from any server. It contains the roots "
            "and cross-certificates of the update and verifies them with the "
            "zone key, not with the chain of the server it came from. The "
            "message in the manual still appears if a chain does not match."
        ),
    ),
    KnownIssue(
        "a-6",
        _("The Certificate Remint Tool is not created on Primary Servers"),
        _("The tool might be missing on servers that do not have the content."),
        _(
            "The tool is available immediately on the CA server (or on the "
            "initiating server if the current or new CA is external), and on "
            "every other Primary Server once the update is assigned and the "
            "server has the content. To see which servers have it, open the "
            "content replication status."
        ),
    ),
    KnownIssue(
        "a-7",
        _("After a Server Remint the managed device is not able to communicate with the server"),
        _("Run zac unr, then zac reg https://<server_IP>:<port>."),
        _(
            "No action is required. Devices store nothing that a server remint "
            "changes, and the new certificate is issued by a CA they already "
            "trust. Both commands still work, and a device that has previously "
            "been registered in this zone does not need a registration key."
        ),
    ),
    KnownIssue(
        "a-8",
        _("Certificate Remint Tool fails on the CA Server"),
        _(
            "If the CA has expired, run the tool manually: "
            "ZENworks_Certificate_Update_Linux.bin -p "
            "/etc/opt/novell/zenworks/security/ca.cert"
        ),
        _(
            "The agent on the CA server performs these steps automatically as "
            "soon as the update is assigned. The tool verifies its content "
            "with the zone key, so it also works with an expired CA. To trust "
            "a specific CA certificate for a single run, use -p FILE."
        ),
    ),
    KnownIssue(
        "a-9",
        _(
            "The Agent Version is not getting displayed in the ZENworks Server SSL Certificates "
            "panel"
        ),
        _("The column is empty until the agent has registered."),
        _("Same behavior. The agent reports its version when it registers and at each refresh."),
    ),
    KnownIssue(
        "a-10",
        _("After a remint, security policy versions are incremented"),
        _("Published security policies are re-signed and their versions incremented."),
        _("Does not apply. This product does not manage security policies."),
    ),
)
