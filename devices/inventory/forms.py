"""Forms of the device settings, the zone settings, and registration keys."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console.pages import formatting
from console.pages.formatting import DurationField
from console.pages.forms import ReauthenticationForm, zone_choices
from devices.models import Device, Role
from devices.registration.certificate_names import find_added
from devices.registration.key_limits import KeyLimits
from devices.zone.settings import GROUPS, SETTINGS, ContentSettings, Setting
from faults import Fault
from pki.names import check_dns_name

MAX_DNS_NAMES = 50


class DnsNamesField(forms.CharField):
    """DNS names, one per line. Empty lines and duplicates are removed."""

    widget = forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "autocapitalize": "none"})

    def prepare_value(self, value: Any) -> str:
        """Return the text for a list of names."""
        return "\n".join(value) if isinstance(value, list) else value or ""

    def clean(self, value: Any) -> list[str]:
        """Return the normalized names. Raise ValidationError for the first invalid name."""
        names: list[str] = []
        for line in filter(None, (line.strip() for line in super().clean(value).splitlines())):
            try:
                names.append(check_dns_name(line))
            except Fault as fault:
                raise forms.ValidationError(str(fault)) from fault
        unique = list(dict.fromkeys(names))
        if len(unique) > MAX_DNS_NAMES:
            raise forms.ValidationError(_("You can enter up to %d names.") % MAX_DNS_NAMES)
        return unique


class LinesField(forms.CharField):
    """Texts, one per line or separated by commas. Empty lines are removed."""

    widget = forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "autocapitalize": "none"})

    def clean(self, value: Any) -> list[str]:
        """Return the texts. The service checks what they mean."""
        lines = super().clean(value).replace(",", "\n").splitlines()
        return [line.strip() for line in lines if line.strip()]


class SettingsForm(forms.Form):
    """Additional DNS names of a server."""

    dns_names = DnsNamesField(
        label=_("Additional DNS names"),
        required=False,
        max_length=20_000,
        help_text=_(
            "Enter one name per line. The names are included in the server "
            "certificate the next time it is reminted with “Include any "
            "additional DNS names for each server” selected. The current "
            "certificate does not change. Names that the certificate does not "
            "have can be added only with the Certificate Authority right."
        ),
    )
    confirmed = forms.CharField(required=False, max_length=20_000, widget=forms.HiddenInput)

    new_names: tuple[str, ...] = ()
    """The new names that the administrator must confirm."""

    def is_confirmed(self, device: Device, *, may_add_names: bool) -> bool:
        """Return False if the page must first show the new names of the certificate.

        An administrator who must not add names gets an error of the service instead.
        """
        added = find_added(device, self.cleaned_data["dns_names"])
        confirmed = self.cleaned_data["confirmed"].split()
        if not may_add_names or set(added) <= set(confirmed):
            return True
        self.new_names = tuple(added)
        self.data = {**cast("QueryDict", self.data).dict(), "confirmed": " ".join(added)}
        return False


class ContentForm(forms.Form):
    """Replication settings of a content server. An empty field means the zone setting."""

    replication_seconds = DurationField(
        label=_("Replication interval"), required=False, least=1, most=7 * 86_400
    )
    bandwidth_kib = forms.IntegerField(
        label=_("Bandwidth limit (KiB/s)"), required=False, min_value=0, max_value=10485760
    )
    replicates = forms.BooleanField(
        label=_("Participates in content replication"),
        required=False,
        help_text=_(
            "If this is off, the satellite does not receive the content of new "
            "updates and its devices use another content server. Primary "
            "Servers always participate."
        ),
    )

    def __init__(self, *args: Any, primary: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if primary:
            del self.fields["replicates"]

    def get_settings(self) -> ContentSettings:
        """Return the settings that were entered."""
        return ContentSettings(**self.cleaned_data)


class ZoneSettingsForm(forms.Form):
    """All settings of the zone, with their range and default in the help text."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for setting in SETTINGS:
            self.fields[setting.name] = _build_field(setting)

    def groups(self) -> list[tuple[str, list[tuple[forms.BoundField, str]]]]:
        """Return the fields by group, each with a note if its value is not the default."""
        changed = {s.name for s in SETTINGS if self.initial.get(s.name) != s.default}
        note = gettext("Changed from the default.")
        return [
            (str(label), [(self[name], note if name in changed else "") for name in names])
            for label, names in GROUPS
        ]


def _build_field(setting: Setting) -> forms.Field:
    label, description = cast("Any", setting.label), cast("Any", setting.help)
    if setting.unit == "switch":
        return forms.BooleanField(label=label, required=False, help_text=description)
    if setting.unit == "zone":
        choices = [(name, name) for name, _label in zone_choices() if name]
        return forms.ChoiceField(label=label, choices=choices, help_text=description)
    low, high = setting.range
    if setting.unit == "number":
        text = gettext("Enter a number from %(least)s to %(most)s. Default: %(default)s.")
        values = {"least": low, "most": high, "default": setting.default}
        limits = text % {name: intcomma(value) for name, value in values.items()}
        help_text = f"{description} {limits}"
        return forms.IntegerField(label=label, min_value=low, max_value=high, help_text=help_text)
    default = gettext("Default: %s.") % formatting.format_duration(setting.default)
    limits = f"{formatting.range_message(low, high)} {default}"
    return DurationField(label=label, least=low, most=high, help_text=f"{description} {limits}")


DAYS = ((1, _("1 day")), (7, _("7 days")), (30, _("30 days")), (365, _("1 year")))


class KeyForm(ReauthenticationForm):
    """A new registration key: its role, number of uses, and validity."""

    label = forms.CharField(
        label=_("Name"),
        max_length=64,
        help_text=_("A name that shows what the key is for, for example branch-lyon."),
    )
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.MANAGED)
    uses = forms.IntegerField(
        label=_("Maximum number of devices"),
        min_value=1,
        max_value=1_000_000,
        initial=1,
    )
    days = forms.TypedChoiceField(label=_("Valid for"), coerce=int, choices=DAYS, initial=7)
    approves = forms.BooleanField(
        label=_("Approve servers automatically"),
        required=False,
        help_text=_(
            "If this is off, a server that registers with this key must be "
            "approved by an administrator. If it is on, servers with other "
            "names or addresses than those below are still waiting for approval. "
            "Managed devices do not need approval. We recommend approving "
            "Primary Servers manually, because a Primary Server receives the "
            "zone keys."
        ),
    )

    domains = LinesField(
        label=_("Approved domains"),
        required=False,
        max_length=6000,
        help_text=_(
            "Required if the key approves servers. The FQDN of a server must be "
            "one of these domains or below it. Enter one per line, for example "
            "branch.example.com."
        ),
    )
    networks = LinesField(
        label=_("Approved networks"),
        required=False,
        max_length=2000,
        help_text=_(
            "Required if the key approves servers, optional for managed devices. "
            "All addresses of the device must be in these networks. Enter one "
            "per line, for example 10.1.0.0/16 or 2001:db8::/48."
        ),
    )
    device = forms.CharField(
        label=_("Only for device"),
        max_length=64,
        required=False,
        help_text=_(
            "If you enter a device name, only a device with this name can use "
            "the key. It can then replace the device that has this name, even "
            "if that device is in contact."
        ),
    )

    field_order = (
        *("label", "role", "uses", "days", "device"),
        *("approves", "domains", "networks", "password"),
    )

    def get_limits(self) -> KeyLimits:
        """Return what the key approves."""
        values = self.cleaned_data
        return KeyLimits(
            domains=tuple(values["domains"]),
            networks=tuple(values["networks"]),
            device=values["device"],
        )
