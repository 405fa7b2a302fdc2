"""The forms of the pilot group, and of the action Continue."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.pilot.settings import (
    MAX_MEMBERS,
    MAX_PERCENT,
    MAX_TIMEOUT_SECONDS,
    MIN_TIMEOUT_SECONDS,
    ROLES,
    PilotGroup,
)
from console.pages.formatting import DurationField
from console.pages.forms import ReauthenticationForm


class PilotForm(ReauthenticationForm):
    """Which devices receive a new root first, and how many of them must pass."""

    is_on = forms.BooleanField(
        label=_("Send the update of a new CA to a pilot group first"),
        required=False,
        widget=forms.CheckboxInput(attrs={"autofocus": True}),
    )
    devices = forms.CharField(
        label=_("Devices"),
        required=False,
        max_length=80_000,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text=_(
            "Device names, one per line. Leave empty to select devices by role or by contact."
        ),
    )
    roles = forms.MultipleChoiceField(
        label=_("Roles"),
        required=False,
        choices=[(role.value, role.label) for role in ROLES],
        widget=forms.CheckboxSelectMultiple,
    )
    count = forms.IntegerField(
        label=_("Number of devices"),
        min_value=0,
        max_value=MAX_MEMBERS,
        help_text=_(
            "The devices with the most recent contact. 0 means all devices with the selected roles."
        ),
    )
    percent = forms.IntegerField(
        label=_("Devices that must pass the preflight check (%)"),
        min_value=1,
        max_value=MAX_PERCENT,
        help_text=_("If one fails, the operation is paused in any case."),
    )
    timeout_seconds = DurationField(
        label=_("Time limit"),
        least=MIN_TIMEOUT_SECONDS,
        most=MAX_TIMEOUT_SECONDS,
        help_text=_("If too few have passed by then, the operation is paused."),
    )
    field_order = (
        *("is_on", "devices", "roles", "count", "percent", "timeout_seconds", "password"),
    )

    def to_group(self) -> PilotGroup:
        """Return the valid form as settings."""
        data = self.cleaned_data
        names = tuple(dict.fromkeys(filter(None, map(str.strip, data["devices"].splitlines()))))
        return PilotGroup(
            is_on=data["is_on"],
            names=names,
            roles=tuple(data["roles"]),
            count=data["count"],
            percent=data["percent"],
            timeout_seconds=data["timeout_seconds"],
        )


def get_group_values(group: PilotGroup) -> dict[str, Any]:
    """Return the initial values of the form."""
    return {
        "is_on": group.is_on,
        "devices": "\n".join(group.names),
        "roles": list(group.roles),
        "count": group.count,
        "percent": group.percent,
        "timeout_seconds": group.timeout_seconds,
    }


class ContinueForm(ReauthenticationForm):
    """Continue: the confirmation checkbox."""

    confirm = forms.BooleanField(
        label=_("Yes, I want all devices to receive the update"),
        error_messages={"required": _("To continue, select this checkbox.")},
        widget=forms.CheckboxInput(attrs={"autofocus": True}),
    )
    field_order = ("confirm", "password")
