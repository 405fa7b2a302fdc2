"""The Settings tab of a device (R039), the zone's settings (D-48), registration keys (S-50)."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console.pages import formatting
from console.pages.formatting import DurationField
from console.pages.forms import PasswordAgain, zone_choices
from devices.models import Role
from devices.zone.settings import SETTINGS, ContentSettings, Setting
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


class ContentForm(forms.Form):
    """How a content server replicates; an empty field follows the zone (D-34)."""

    replication_seconds = DurationField(
        label=_("Replicate every"), required=False, least=1, most=7 * 86_400
    )
    bandwidth_kib = forms.IntegerField(
        label=_("Bandwidth limit (KiB per second)"), required=False, min_value=0, max_value=10485760
    )
    replicates = forms.BooleanField(
        label=_("Takes part in content replication"),
        required=False,
        help_text=_(
            "A satellite that is left out gets no content of new updates; its devices fetch from "
            "another server. A Primary Server is never left out."
        ),
    )

    def __init__(self, *args: Any, primary: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if primary:
            del self.fields["replicates"]

    def order(self) -> ContentSettings:
        """Return what was asked for, in the words of the domain."""
        return ContentSettings(**self.cleaned_data)


class ZoneSettingsForm(forms.Form):
    """Every setting of the zone, each with its range and its default in the help."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for setting in SETTINGS:
            self.fields[setting.name] = _field_of(setting)


def _field_of(setting: Setting) -> forms.Field:
    label, words = cast("Any", setting.label), cast("Any", setting.help)
    if setting.unit == "switch":
        return forms.BooleanField(label=label, required=False, help_text=words)
    if setting.unit == "zone":
        choices = [(name, name) for name, _label in zone_choices() if name]
        return forms.ChoiceField(label=label, choices=choices, help_text=words)
    least, most = setting.range
    if setting.unit == "number":
        told = gettext("From %(least)d to %(most)d. Default: %(default)d.") % {
            "least": least, "most": most, "default": setting.default,
        }  # fmt: skip
        help_text = f"{words} {told}"
        return forms.IntegerField(label=label, min_value=least, max_value=most, help_text=help_text)
    usual = gettext("Default: %s.") % formatting.words(setting.default)
    told = f"{formatting.between(least, most)} {usual}"
    return DurationField(label=label, least=least, most=most, help_text=f"{words} {told}")


DAYS = ((1, _("1 day")), (7, _("7 days")), (30, _("30 days")), (365, _("1 year")))


class KeyForm(PasswordAgain):
    """A new registration key: whom it lets in, how often, for how long (S-50)."""

    label = forms.CharField(
        label=_("Name"), max_length=64, help_text=_("What it is for, such as branch-lyon.")
    )
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.MANAGED)
    uses = forms.IntegerField(
        label=_("How many devices may register with it"),
        min_value=1,
        max_value=1_000_000,
        initial=1,
    )
    days = forms.TypedChoiceField(label=_("Valid for"), coerce=int, choices=DAYS, initial=7)
    approves = forms.BooleanField(
        label=_("Servers that register with it need no approval"),
        required=False,
        help_text=_(
            "Without it a server waits here until an administrator lets it in. Managed devices "
            "never wait. A Primary Server gets the keys of the zone: let it wait if you can."
        ),
    )

    field_order = ("label", "role", "uses", "days", "approves", "password")
