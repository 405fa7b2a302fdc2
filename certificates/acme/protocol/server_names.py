"""The names at which ACME clients reach the server: those of Primary Servers and of the console.

A client signs the URL that it uses, and the server compares it with that of the request. This finds
a relay under another name only if the server does not accept every name. Ports are not compared
with the record: a proxy can use another one, and the URL in the signature contains it.

See: RFC 8555 6.4, 10.2; D-304
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host
from django.urls import reverse
from django.utils.translation import gettext as _

from certificates.acme.problems import AccountUnauthorized
from devices.models import Device
from devices.registration.keys import get_primary_server_url
from devices.registration.server_names import get_console_names, normalize


def check_host(request: HttpRequest) -> None:
    """Raise AccountUnauthorized if the host of a request is not a name of this zone."""
    if is_server_name(request):
        return
    host = split_domain_port(request.get_host())[0]
    raise AccountUnauthorized(
        _("%s is not a name of a Primary Server. Nothing was changed.") % host[:253],
        action=_(
            "Use the address on the page ACME Accounts, or add the name to ZCC_ALLOWED_HOSTS."
        ),
    )


def is_server_name(request: HttpRequest) -> bool:
    """Return True if the host of a request is one of a Primary Server, or one of the settings."""
    host = split_domain_port(request.get_host())[0]
    # Without ZCC_ALLOWED_HOSTS, the setting permits every host.
    allowed = [name for name in settings.ALLOWED_HOSTS if name.strip("*")]
    name = normalize(host)
    return validate_host(host, allowed) or name in get_console_names() or name in _list_names()


def _list_names() -> set[str]:
    """Return the names and addresses in the records of the Primary Servers."""
    rows = Device.objects.primaries().only("fqdn", "addresses", "dns_names")
    texts = (text for one in rows for text in (one.fqdn, *one.addresses, *one.dns_names) if text)
    return {normalize(text) for text in texts}


def build_directory_url(request: HttpRequest) -> str:
    """Return the URL of the directory, at the host of a request if clients can use it."""
    return build_url(request, reverse("acme:directory"))


def build_url(request: HttpRequest, path: str) -> str:
    """Return the URL of a path, at the host of a request if clients can use it."""
    if is_server_name(request):
        return request.build_absolute_uri(path)
    address = settings.CONSOLE_URL or get_primary_server_url()
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}{path}"
