"""The form of the syslog server."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from audit.forwarding.forwarding import ForwardingSettings
from audit.models import SyslogServer
from console.pages.forms import ReauthenticationForm


class ForwardingForm(ReauthenticationForm):
    """Host, port, and roots of the syslog server."""

    host = forms.CharField(
        label=_("Host"),
        max_length=253,
        help_text=_("The certificate of the server must contain this name."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    port = forms.IntegerField(label=_("Port"), min_value=1, max_value=65535, initial=6514)
    roots_pem = forms.CharField(
        label=_("Root certificates (PEM)"),
        required=False,
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        help_text=_("Leave empty to use the trusted roots of the Primary Server."),
    )
    with_existing = forms.BooleanField(
        label=_("Also send existing entries"),
        required=False,
        help_text=_("Otherwise, forwarding starts with the next entry, or continues."),
    )
    field_order: tuple[str, ...] = ("host", "port", "roots_pem", "with_existing", "password")

    def to_settings(self) -> ForwardingSettings:
        """Return the valid form as settings."""
        values = self.cleaned_data
        return ForwardingSettings(
            host=values["host"].strip(),
            port=values["port"],
            roots_pem=values["roots_pem"].strip(),
            with_existing=values["with_existing"],
        )


def get_initial(server: SyslogServer | None) -> dict[str, Any]:
    """Return the initial values of the form."""
    if server is None:
        return {}
    return {"host": server.host, "port": server.port, "roots_pem": server.roots_pem}
