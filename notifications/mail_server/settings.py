"""The mail server that administrators set in the console. It takes precedence over ZCC_SMTP_URL.

See: D-233
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from devices.identity import zone_keys
from faults import Invalid, NotFound
from notifications.models import MailServer

SUBJECT = "notifications.MailServer:1"
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?")
PORTS = (25, 465, 587, 2525)
"""Only ports of mail: a test must not report which other ports of internal hosts are open."""
Security = MailServer.Security


@dataclass(frozen=True)
class MailServerSettings:
    """The settings of a mail server. `secret` is its password, and "" keeps the current one.

    A password is sent only to the server with which it was entered: another host, port, security,
    or user name requires it again.
    """

    host: str
    port: int
    security: str
    sender: str
    username: str = ""
    secret: str = ""

    def check(self) -> None:
        """Raise Invalid for the first value that is not valid."""
        if not HOST.fullmatch(self.host):
            raise _invalid(_("The host is not a host name or IP address."), "host")
        if self.port not in PORTS:
            ports = ", ".join(map(str, PORTS))
            raise _invalid(_("The port is not one of %s.") % ports, "port")
        if self.security not in Security.values:
            raise _invalid(_("The security is not known."), "security")
        try:
            validate_email(self.sender)
        except ValidationError as error:
            raise _invalid(_("The sender is not an email address."), "sender") from error
        if not self.username.isprintable():
            raise _invalid(_("The user name contains control characters."), "username")
        if not self.secret.isprintable():
            raise _invalid(_("The password contains control characters."), "secret")
        if self.username and self.security == Security.NONE:
            raise _invalid(_("Without TLS, a password could be read by others."), "security")


def _invalid(explanation: str, field: str) -> Invalid:
    return Invalid(f"{explanation} {_('Nothing was changed.')}", field=field)


def get_mail_server() -> MailServer | None:
    """Return the mail server that is set in the console."""
    return MailServer.objects.first()


def is_configured() -> bool:
    """Return True if a mail server is set in the console or by ZCC_SMTP_URL."""
    return bool(settings.EMAIL_HOST) or MailServer.objects.exists()


def connect() -> tuple[BaseEmailBackend, str]:
    """Return a connection to the mail server, which is not open yet, and the sender."""
    server = get_mail_server()
    if server is None:
        return get_connection(), settings.DEFAULT_FROM_EMAIL
    connection = get_connection(
        host=server.host,
        port=server.port,
        username=server.username,
        password=_decrypt(server),
        use_tls=server.security == Security.STARTTLS,
        use_ssl=server.security == Security.TLS,
        timeout=settings.EMAIL_TIMEOUT,
    )
    return connection, server.sender


@transaction.atomic
def save_mail_server(values: MailServerSettings) -> MailServer:
    """Set the mail server of the zone."""
    values.check()
    checkpoint = Entry.objects.lock_checkpoint()
    server = get_mail_server() or MailServer(pk=1)
    before = _as_dict(server) if server.host else {}
    secret = values.secret
    place = (values.host, values.port, values.security, values.username)
    if values.username and not secret:
        if (server.host, server.port, server.security, server.username) != place:
            raise _invalid(_("The password is missing."), "secret")
        secret = _decrypt(server)
    server.host, server.port, server.security, server.username = place
    server.sender = values.sender
    server.encrypted = _encrypt(server, secret if values.username else "")
    server.save()
    detail = {"before": before, "after": _as_dict(server)}
    Entry.objects.append(checkpoint, "set-mail-server", SUBJECT, note=server.host, detail=detail)
    return server


@transaction.atomic
def delete_mail_server() -> None:
    """Delete the mail server of the console. ZCC_SMTP_URL is used again, if it is set."""
    checkpoint = Entry.objects.lock_checkpoint()
    server = get_mail_server()
    if server is None:
        raise NotFound(_("No mail server is set in the console. Nothing was changed."))
    detail = {"before": _as_dict(server), "after": {}}
    Entry.objects.append(checkpoint, "remove-mail-server", SUBJECT, note=server.host, detail=detail)
    server.delete()


def _encrypt(server: MailServer, password: str) -> str:
    plain = json.dumps({"password": password}).encode()
    return zone_keys.get_keyring().encrypt_for_servers(plain, binding=_binding(server))


def _decrypt(server: MailServer) -> str:
    plain = zone_keys.get_keyring().decrypt_for_servers(server.encrypted, binding=_binding(server))
    return str(json.loads(plain)["password"])


def _binding(server: MailServer) -> str:
    """Return what the password belongs to: a row that leads elsewhere does not decrypt it."""
    return f"mail-server|{server.host}|{server.port}|{server.security}|{server.username}"


def _as_dict(server: MailServer) -> dict[str, Any]:
    names = ("host", "port", "security", "username", "sender")
    return {name: getattr(server, name) for name in names}
