"""Send one notification by mail, to the mail server that the environment names."""

from __future__ import annotations

import smtplib
from email.utils import make_msgid

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage
from django.core.validators import validate_email

from notifications.models import Delivery, Target

CA_RIGHT = "certificates.certificate_authority"
RECIPIENTS_AT_MOST = 50


def is_on() -> bool:
    """Tell whether a mail server is set."""
    return bool(settings.EMAIL_HOST)


def recipients(target: Target) -> list[str]:
    """Return who gets the mail of a target: those named, or all who may act on the CA."""
    if target.recipients:
        return target.recipients.split()
    users = User.objects.filter(is_active=True).exclude(email="")
    return [user.email for user in users if user.has_perm(CA_RIGHT)]


def split(text: str) -> list[str]:
    """Return the addresses of a text; raises ValidationError for what is none."""
    found = text.replace(",", " ").replace(";", " ").split()
    for address in found:
        validate_email(address)
    return found


def send(delivery: Delivery) -> tuple[bool, str]:
    """Send one notification; returns whether the server took it, and its answer in words."""
    if not is_on():
        return False, "No mail server is set (ZCC_SMTP_URL)."
    to = recipients(delivery.target)
    if not to:
        return False, "Nobody to send to: no administrator of the CA has an e-mail address."
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2] or "zcc.invalid"
    message = EmailMessage(
        subject=" ".join(f"[ZCC] {delivery.title}".split()),
        body=delivery.text,
        bcc=to if len(to) > 1 else [],
        to=to if len(to) == 1 else [],
        headers={
            "Message-ID": make_msgid(str(delivery.pk), domain),
            "Auto-Submitted": "auto-generated",
        },
    )
    try:
        message.send()
    except (smtplib.SMTPException, OSError) as error:
        return False, " ".join(str(error).split())[:300] or type(error).__name__
    return True, f"Taken by the mail server for {len(to)}"
