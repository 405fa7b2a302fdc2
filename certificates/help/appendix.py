"""The manual's Appendix A, and what this product does about each entry today (D-43)."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise


@dataclass(frozen=True)
class Trouble:
    """One entry of the manual's appendix: what it says, and what this product does about it."""

    anchor: str
    title: Text
    manual: Text
    today: Text


APPENDIX = (
    Trouble(
        "a-1",
        _("A Windows agent is not able to launch the CertificateActivator executable"),
        _("The agent starts a program of its own at the activation, which Windows may block."),
        _(
            "There is no such program. The agent itself activates at the given time, in a thread "
            "that waits for nothing else, and tries again by itself. Agents run on Linux."
        ),
    ),
    Trouble(
        "a-2",
        _(
            "When the Certificate Remint Tool is downloaded, the update packages are treated as "
            "malicious software"
        ),
        _("The tool's packages are to be excluded from the anti-virus software."),
        _(
            "The tool is one readable Python archive, the same bytes on every server. Its SHA-256 "
            "and the signature of the zone key stand beside it at /zenworks-setup, so it can be "
            "checked and allowed by digest. It runs nothing that it downloads."
        ),
    ),
    Trouble(
        "a-3",
        _(
            "Managed device that was re-imaged during remint is not communicating with the "
            "Primary Server"
        ),
        _("The device has to be unregistered and registered again, or needs the tool."),
        _(
            "Every registration and every refresh delivers present and future trust and the "
            "update. A re-imaged device is right as soon as it registers."
        ),
    ),
    Trouble(
        "a-4",
        _(
            "The activator for a failed certificate activation will only be triggered after an "
            "agent refresh"
        ),
        _("Run zac refresh to trigger it at once."),
        _(
            "A failed activation goes back to the old certificate, tells the reason and is tried "
            "again ever less often. zac refresh still tries at once; Redeploy does so from here."
        ),
    ),
    Trouble(
        "a-5",
        _(
            "The Certificate Remint Tool fails on a device when the Primary Server to which it is "
            "registered, has a certificate chain"
        ),
        _("Download the tool from the server with the longest chain."),
        _(
            "The tool carries the roots and bridges of the update and trusts them by the zone "
            "key, not by the chain of the server it came from: any server will do. The manual's "
            "message is still given where a chain really does not match."
        ),
    ),
    Trouble(
        "a-6",
        _("The Certificate Remint Tool is not created on Primary Servers"),
        _("It may be missing where the content was not replicated."),
        _(
            "It is offered at once on the CA server (on the initiating server when the CA is or "
            "becomes external), and on every other Primary Server as soon as it has the content. "
            "The replication status lists them."
        ),
    ),
    Trouble(
        "a-7",
        _("After a Server Remint the managed device is not able to communicate with the server"),
        _("Run zac unr, then zac reg https://<server_IP>:<port>."),
        _(
            "A server remint changes nothing that devices store about the server; its new "
            "certificate comes from the CA they trust. Both commands still work: a device that "
            "holds the zone's pin returns without a key."
        ),
    ),
    Trouble(
        "a-8",
        _("Certificate Remint Tool fails on the CA Server"),
        _(
            "With an expired CA run it by hand: ZENworks_Certificate_Update_Linux.bin -p "
            "/etc/opt/novell/zenworks/security/ca.cert"
        ),
        _(
            "The agent of the CA server does the tool's work itself as soon as the update is "
            "assigned. The tool trusts its content by the zone key, so an expired CA does not "
            "stop it; -p FILE names a CA certificate for one run."
        ),
    ),
    Trouble(
        "a-9",
        _(
            "The Agent Version is not getting displayed in the ZENworks Server SSL Certificates "
            "panel"
        ),
        _("It is empty until the agent has registered."),
        _("The same here: an agent tells its version when it registers and at each refresh."),
    ),
    Trouble(
        "a-10",
        _("After a remint, security policy versions are incremented"),
        _("Published security policies are signed anew."),
        _("There are no security policies in this product: a remint touches nothing of the kind."),
    ),
)
