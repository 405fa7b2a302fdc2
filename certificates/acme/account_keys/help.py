"""Help topic of the page ACME Accounts."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from certificates.help.topics import Topic

TOPICS = (
    Topic(
        ("certificates:acme_accounts", "certificates:disable_acme_account"),
        _("ACME Accounts"),
        (
            _(
                "Hosts without an agent can get certificates of the zone CA with an ACME client, "
                "for example certbot, or with an EST client. Create an account key with the names "
                "that the hosts may have, and give the client the key ID, the HMAC key, and the "
                "address of the directory. Without an account key, the ACME and EST servers are "
                "off."
            ),
            _(
                "If you select Allow EST, EST clients (RFC 7030) can use the key, too. The key ID "
                "is the user name, and the HMAC key is the password. The names of EST clients are "
                "not validated, so create a key of its own for them, with few names."
            ),
            _(
                "The client proves that it controls each name. Primary Servers connect to port 80 "
                "or 443 of the host for this, or read a TXT record in the DNS. Certificates with "
                "a wildcard are not issued."
            ),
            _(
                "While Change CA or Remint CA prepares a new CA, clients that support renewal "
                "information (RFC 9773) renew before the activation. The page of the operation "
                "names the hosts that do not have a certificate of the new CA yet."
            ),
        ),
    ),
)
