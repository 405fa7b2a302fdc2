"""The form of the mail server, and that of its test."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from console.pages.forms import ReauthenticationForm
from notifications.mail_server.settings import PORTS, MailServerSettings
from notifications.models import MailServer


class MailServerForm(ReauthenticationForm):
    """The settings of the mail server."""

    host = forms.CharField(label=_("Host"), max_length=253)
    port = forms.TypedChoiceField(
        label=_("Port"), coerce=int, choices=[(port, str(port)) for port in PORTS], initial=587
    )
    security = forms.ChoiceField(
        label=_("Security"),
        choices=MailServer.Security.choices,
        initial=MailServer.Security.STARTTLS,
    )
    sender = forms.EmailField(label=_("Sender"))
    username = forms.CharField(
        label=_("User name"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    secret = forms.CharField(
        label=_("Password of the mail server"),
        required=False,
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_(
            "Stored encrypted, and not shown again. Leave empty to keep the current password. To "
            "change host, port, security, or user name, enter it again."
        ),
    )
    field_order = ("host", "port", "security", "sender", "username", "secret", "password")

    def to_settings(self) -> MailServerSettings:
        """Return the valid form as settings."""
        values = self.cleaned_data
        return MailServerSettings(
            host=values["host"].strip(),
            port=values["port"],
            security=values["security"],
            sender=values["sender"],
            username=values["username"],
            secret=values["secret"],
        )
