"""Help topic of the page Host Certificates."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from certificates.help.topics import Topic

TOPICS = (
    Topic(
        ("certificates:host_certificates", "certificates:revoke_host"),
        _("Host Certificates"),
        (
            _(
                "Lists the certificates that hosts without an agent have received with an ACME or "
                "EST client, also those that have expired or were replaced."
            ),
            _(
                "Revoke a certificate if its private key might be known to others, or if the host "
                "is no longer in operation. Programs that read the revocation list (CRL) or OCSP "
                "responses reject it until it expires, and clients that support renewal "
                "information renew immediately. You cannot undo this."
            ),
            _(
                "The host can request another certificate until its account key is disabled. No "
                "host can renew with a disabled key. If other hosts use the key, register them "
                "with another account key first. The dialog shows their number."
            ),
        ),
    ),
)
