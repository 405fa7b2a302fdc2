"""The fields of the certificate dialogs; they check form, the operations check sense.

The fields of the acts on an operation: Roll back, Readiness policy (B-3, B-5).
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from certificates.operations.activation_time import Limits, stamp, would_miss
from certificates.operations.requests import YEARS, RemintCA
from console.pages.forms import LocalTimeField, LocalTimeInput, PasswordAgain
from faults import Fault
from pki.keys import DEFAULT_KEY_LENGTH, KEY_LABELS, KEY_LENGTHS

DEFAULT_YEARS = 10
EARLY = _(
    "This is earlier than suggested: the update may not have reached every server and device by "
    "then."
)


def key_lengths() -> list[tuple[int, str]]:
    """Return the key lengths to choose from, with what each means (D-9)."""
    return [(length, f"{length} ({KEY_LABELS[length]})") for length in KEY_LENGTHS]


def validate_years(years: int) -> None:
    """Refuse a validity outside 1 to 10 years (D-7)."""
    if years not in YEARS:
        raise forms.ValidationError(_("Enter a whole number from 1 to 10."))


class ActivationInput(LocalTimeInput):
    """A time beside which the dialog warns while it is earlier than the suggested one."""

    def __init__(self) -> None:
        super().__init__()
        self.attrs["data-early"] = "early-activation"


class Timed(PasswordAgain):
    """A form with an activation time. One that many devices would miss is asked about first."""

    soon = forms.BooleanField(
        label=_("Activate then all the same"),
        required=False,
        help_text=_("Devices that miss the update rely on the bridge, or recover later."),
    )

    EARLY = EARLY
    limits: Limits
    is_early = False
    """The time was entered, and is earlier than the suggested one."""
    asks_soon = False
    """The time was entered, and so many devices would miss it that it must be confirmed."""

    def clean_activates_at(self) -> datetime:
        """Say at once, beside other errors, that the time lies outside its limits."""
        moment: datetime = self.cleaned_data["activates_at"]
        self.is_early = self.limits.is_early(moment)
        try:
            self.limits.check(moment)
        except Fault as fault:
            raise forms.ValidationError(str(fault)) from fault
        self._ask_about(moment)
        return moment

    def early_note(self) -> str:
        """Return a warning where the time is allowed, and earlier than the suggested one."""
        if not self.is_early:
            return ""
        return _("%(early)s Suggested was %(at)s.") % {
            "early": EARLY,
            "at": stamp(self.limits.suggestion),
        }

    def _ask_about(self, moment: datetime) -> None:
        zone = self.request.zone
        if not self.is_early:
            return
        now = self.limits.earliest - zone.lead
        missing = would_miss(zone, moment, now, self.limits.servers)
        if not missing:
            return
        self.asks_soon = True
        if self["soon"].data:
            return
        raise forms.ValidationError(
            ngettext(
                "%(n)d device would miss the update: its next refresh is later, or it is silent.",
                "%(n)d devices would miss the update: their next refresh is later, or they are "
                "silent.",
                missing,
            ),
            params={"n": missing},
        )


class RemintCAForm(Timed):
    """Remint CA (manual, 1.2.9)."""

    confirm = forms.BooleanField(
        label=_("Yes, I want to remint the certificate authority"),
        error_messages={"required": _("Tick this box if you want to remint the CA.")},
        widget=forms.CheckboxInput(attrs={"data-activates": "remint-fields"}),
    )
    common_name = forms.CharField(label=_("Common name"), max_length=500)
    key_length = forms.TypedChoiceField(
        label=_("Key length"), coerce=int, choices=key_lengths, initial=DEFAULT_KEY_LENGTH
    )
    years = forms.IntegerField(
        label=_("Valid for (years)"),
        initial=DEFAULT_YEARS,
        validators=[validate_years],
        widget=forms.NumberInput(attrs={"min": YEARS.start, "max": YEARS.stop - 1}),
    )
    include_dns = forms.BooleanField(
        label=_("Include any additional DNS names for each server"), required=False
    )
    activates_at = LocalTimeField(
        label=_("Certificate activation date and time"), widget=ActivationInput
    )
    key = forms.UUIDField(widget=forms.HiddenInput)

    field_order = (
        "confirm",
        "common_name",
        "key_length",
        "years",
        "include_dns",
        "activates_at",
        "soon",
    )

    def __init__(self, request: Any, limits: Limits, zone_name: str, **kwargs: Any) -> None:
        initial = {
            "common_name": zone_name,
            "activates_at": limits.suggestion,
            "key": uuid.uuid4(),
        }
        super().__init__(request, initial=initial, **kwargs)
        self.limits = limits
        if not self.is_bound:
            # A form shown again has its focus on the first error instead.
            self.fields["confirm"].widget.attrs["autofocus"] = True
        if limits.immediate:
            del self.fields["activates_at"]

    def order(self) -> RemintCA:
        """Return what was asked for, in the words of the domain."""
        given = self.cleaned_data
        return RemintCA(
            common_name=given["common_name"].strip(),
            key_length=given["key_length"],
            years=given["years"],
            include_dns=given["include_dns"],
            activates_at=given.get("activates_at"),
        )


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
