"""Test of the mail server: a message to the user who requests it."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from audit.models import Entry
from console.requests.language import use_english
from console.requests.stored_texts import translate_stored
from faults import Refused
from notifications.channels import mail
from notifications.mail_server import settings


def send_test(user: User) -> str:
    """Send a test message to a user, and return the address. Raises a fault if it was not sent."""
    if not user.email:
        raise Refused(
            _("Your account has no email address. Nothing was sent."),
            action=_("Enter an email address for your account, or test an email target."),
        )
    with use_english():
        ok, response = mail.send_message(
            "Test of the mail server", "The mail server of the console works.", [user.email]
        )
    Entry.objects.record("test-mail-server", settings.SUBJECT, note=response)
    if not ok:
        raise Refused(
            _("The test message was not sent. %s") % translate_stored(response),
            action=_("Check the settings of the mail server."),
        )
    return user.email
