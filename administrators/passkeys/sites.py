"""The host name of the console to which passkeys belong, as the browser sees it.

See: Web Authentication Level 3, 5.1.3 (RP ID) and 13.4.9 (origin); D-253
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from console.access.reauthentication import get_host_name
from faults import Refused


@dataclass(frozen=True)
class Site:
    """The name and the origins of the console in a request."""

    rp_id: str
    """The host name without the port: the RP ID of passkeys that are added here."""
    origins: list[str]
    """The origins that a browser can report for this page."""

    @property
    def is_address(self) -> bool:
        """True if the page was opened with an IP address, to which no passkey can belong."""
        try:
            ipaddress.ip_address(self.rp_id)
        except ValueError:
            return False
        return True

    def check(self) -> None:
        """Raise a fault if no passkey can belong to this site."""
        if self.is_address:
            raise Refused(
                _("A passkey belongs to a host name, and this page was opened with an IP address."),
                action=_("Open the console with its host name, then try again."),
            )


def get_site(request: Any) -> Site:
    """Return the site of a request. Django has compared the host with ZCC_ALLOWED_HOSTS.

    A proxy can send the host without the port that the browser uses. Then the origin is one of
    ZCC_TRUSTED_ORIGINS, which forms need as well.
    """
    rp_id = get_host_name(request)
    trusted = [one for one in settings.CSRF_TRUSTED_ORIGINS if urlsplit(one).hostname == rp_id]
    return Site(rp_id, [f"{request.scheme}://{request.get_host().lower()}", *trusted])
