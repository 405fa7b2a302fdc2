"""The Settings tab of a device (R039)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from faults import Fault
from pki.names import check_dns_name

MOST_NAMES = 50


class DnsNamesField(forms.CharField):
    """DNS names, one per line; empty lines and repetitions are dropped."""

    widget = forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "autocapitalize": "none"})

    def prepare_value(self, value: Any) -> str:
        """Return a list of names as the field shows it."""
        return "\n".join(value) if isinstance(value, list) else value or ""

    def clean(self, value: Any) -> list[str]:
        """Return the names, normalised; the error says which one is wrong."""
        names: list[str] = []
        for line in filter(None, (line.strip() for line in super().clean(value).splitlines())):
            try:
                names.append(check_dns_name(line))
            except Fault as fault:
                raise forms.ValidationError(str(fault)) from fault
        unique = list(dict.fromkeys(names))
        if len(unique) > MOST_NAMES:
            raise forms.ValidationError(_("At most %d names are possible.") % MOST_NAMES)
        return unique


class SettingsForm(forms.Form):
    """Additional DNS names of a server."""

    dns_names = DnsNamesField(
        label=_("Additional DNS names"),
        required=False,
        max_length=20_000,
        help_text=_(
            "One per line. They join the server's certificate when it is reminted with “Include "
            "any additional DNS names for each server”; the present certificate does not change."
        ),
    )
