"""Send a notification by email to the configured mail server."""

from __future__ import annotations

import smtplib
from contextlib import suppress
from email.utils import make_msgid

from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.utils.translation import gettext_noop

from faults import Fault
from notifications.mail_server.settings import connect, is_configured
from notifications.models import Delivery, Target

CA_RIGHT = "certificates.certificate_authority"
MAX_RECIPIENTS = 50
# Responses are stored in English, and translated when they are shown.
NO_RECIPIENTS = gettext_noop(
    "There are no recipients because no CA administrator has an email address."
)
NO_SERVER = gettext_noop("No mail server is configured.")


def list_recipients(target: Target) -> list[str]:
    """Return the addresses of a target, by default those of all CA administrators."""
    if target.recipients:
        return target.recipients.split()
    users = User.objects.filter(is_active=True).exclude(email="")
    return [user.email for user in users if user.has_perm(CA_RIGHT)]


def parse_addresses(text: str) -> list[str]:
    """Return the email addresses in a text; raise ValidationError if one is not valid."""
    addresses = text.replace(",", " ").replace(";", " ").split()
    for address in addresses:
        validate_email(address)
    return addresses


def send(delivery: Delivery) -> tuple[bool, str]:
    """Send a notification; return True if the server accepted it, and its response."""
    to = list_recipients(delivery.target)
    if not to:
        return False, NO_RECIPIENTS
    return send_message(delivery.title, delivery.text, to, key=str(delivery.pk))


def send_message(title: str, text: str, to: list[str], *, key: str = "") -> tuple[bool, str]:
    """Send a message; return True if the server accepted it, and its response.

    `key` is part of the ID of the message, so that a repeated message can be recognized.
    """
    if not is_configured():
        return False, NO_SERVER
    try:
        connection, sender = connect()
    except Fault as fault:
        return False, str(fault)
    domain = sender.rpartition("@")[2] or "zcc.invalid"
    message = EmailMessage(
        subject=" ".join(f"[ZCC] {title}".split()),
        body=text,
        from_email=sender,
        bcc=to if len(to) > 1 else [],
        to=to if len(to) == 1 else [],
        headers={
            "Message-ID": make_msgid(key or None, domain),
            "Auto-Submitted": "auto-generated",
        },
        connection=connection,
    )
    try:
        message.send()
    except (smtplib.SMTPException, OSError) as error:
        with suppress(smtplib.SMTPException, OSError):
            # Django closes it only if it was established completely.
            connection.close()
        return False, " ".join(str(error).split())[:300] or type(error).__name__
    return True, f"Accepted by the mail server for {len(to)} recipients"
