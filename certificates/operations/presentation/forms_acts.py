"""The fields of the acts on an operation: Roll back, Readiness policy (B-3, B-5)."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from console.pages.forms import PasswordAgain

DAYS_AT_MOST = 365


class RollBackForm(PasswordAgain):
    """Roll back: the confirmation, as in the dialogs that lead there."""

    confirm = forms.BooleanField(
        label=_("Yes, I want to go back to the certificate authority from before"),
        error_messages={"required": _("Tick this box if you want to roll back.")},
        widget=forms.CheckboxInput(attrs={"autofocus": True}),
    )

    field_order = ("confirm", "password")


class ReadinessForm(PasswordAgain):
    """What must be ready at the lock-out, else the activation is put off."""

    servers = forms.BooleanField(
        label=_("Every Primary Server has applied the update"),
        required=False,
        widget=forms.CheckboxInput(attrs={"autofocus": True}),
    )
    percent = forms.IntegerField(
        label=_("Share of devices that have rehearsed (%)"),
        min_value=0,
        max_value=100,
        help_text=_("0 asks for none. 100 waits for the very last one."),
    )
    days = forms.IntegerField(
        label=_("Of the devices seen in the last (days)"),
        min_value=1,
        max_value=DAYS_AT_MOST,
        help_text=_("Devices that were silent for longer do not count."),
    )

    field_order = ("servers", "percent", "days", "password")
