"""The form of the dialog Upgrade Agents."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.agent_upgrades.selection import PERCENT, ROLES, Choice
from certificates.agent_upgrades.upgrades import UpgradeSettings
from console.pages.forms import LocalTimeField, ReauthenticationForm

DEVICES, SHARE = "devices", "percent"
MAX_PILOT = 10_000
DEFAULT_PERCENT = 5


class UpgradeForm(ReauthenticationForm):
    """Which agents to upgrade, how many first, and when."""

    devices = forms.CharField(
        label=_("Devices"),
        required=False,
        max_length=80_000,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text=_("Device names, one per line. Leave empty for all devices."),
    )
    roles = forms.MultipleChoiceField(
        label=_("Roles"),
        required=False,
        choices=[(role.value, role.label) for role in ROLES],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Only devices with these roles. Select none for all roles."),
    )
    pilot = forms.IntegerField(
        label=_("Pilot"),
        min_value=0,
        max_value=MAX_PILOT,
        initial=DEFAULT_PERCENT,
        help_text=_(
            "These devices are upgraded first. The others follow when all of them have contacted "
            "the console with the new version. If one fails, the upgrade is paused. 0 means no "
            "pilot."
        ),
    )
    unit = forms.ChoiceField(
        label=_("Unit of the pilot"),
        choices=[(SHARE, _("Percent of the devices")), (DEVICES, _("Devices"))],
    )
    starts_at = LocalTimeField(
        label=_("Start"),
        required=False,
        help_text=_("Leave empty to start now. Agents are upgraded at their next contact."),
    )
    field_order = ("devices", "roles", "pilot", "unit", "starts_at", "password")

    def clean(self) -> None:
        """Reject more than 100 percent."""
        data = self.cleaned_data
        if data.get("unit") == SHARE and (data.get("pilot") or 0) > PERCENT:
            self.add_error("pilot", _("Enter at most 100 percent."))

    def get_settings(self) -> UpgradeSettings:
        """Return the settings that were entered."""
        data = self.cleaned_data
        names = tuple(dict.fromkeys(filter(None, map(str.strip, data["devices"].splitlines()))))
        is_share = data["unit"] == SHARE
        return UpgradeSettings(
            choice=Choice(names=names, roles=tuple(data["roles"])),
            pilot=0 if is_share else data["pilot"],
            pilot_percent=data["pilot"] if is_share else 0,
            starts_at=data["starts_at"],
        )
