"""Forms for Remint CA, Roll Back, and the readiness policy.

They validate the format of the input. The operations validate everything else.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from certificates.name_constraints import forms as constraint_forms
from certificates.name_constraints.forms import NameConstraintsForm
from certificates.operations.activation_time import (
    ActivationLimits,
    format_time,
)
from certificates.operations.requests import DEFAULT_YEARS, YEARS, RemintCARequest
from certificates.trust.readiness import format_names
from certificates.windows.settings import MAX_REASON
from certificates.windows.settings import RIGHT as OVERRIDE_RIGHT
from console.pages.forms import LOCAL, LocalTimeField, LocalTimeInput, ReauthenticationForm
from devices.inventory.tables import count_devices_missing
from devices.models import Device
from faults import Fault
from pki.keys import DEFAULT_KEY_LENGTH, KEY_LABELS, KEY_LENGTHS

# The suggestion moves on while a dialog is open. It does not count as early for this long (D-319).
SUGGESTION_KEPT = timedelta(minutes=15)
EARLY = _(
    "This time is earlier than suggested. The update might not reach every "
    "server and device by then."
)


def key_lengths() -> list[tuple[int, str]]:
    """Return the supported key lengths as choices (D-9)."""
    return [(length, f"{length} ({KEY_LABELS[length]})") for length in KEY_LENGTHS]


def list_remint_repositories() -> list[tuple[str, str]]:
    """Return the remint repositories that agents have reported, with the names of their servers."""
    found: dict[str, list[str]] = {}
    for server in Device.objects.certified().exclude(remint_repository="").order_by("name"):
        found.setdefault(server.remint_repository, []).append(server.name)
    return [(folder, format_names(names)) for folder, names in found.items()]


def validate_years(years: int) -> None:
    """Raise ValidationError for a validity period outside 1 to 10 years (D-7)."""
    if years not in YEARS:
        raise forms.ValidationError(_("Enter a whole number from 1 to 10."))


class ActivationInput(LocalTimeInput):
    """A time input that shows its time in words, and a warning if it is earlier than suggested."""

    def __init__(self) -> None:
        super().__init__()
        self.attrs["data-early"] = "early-activation"
        self.attrs["data-echo"] = "activation-words"


class ActivationTimeForm(ReauthenticationForm):
    """A form with an activation time.

    A time that some devices would miss must be confirmed with the `soon` checkbox.
    """

    soon = forms.BooleanField(
        label=_("Activate at this time anyway"),
        required=False,
        help_text=_(
            "Devices that miss the update rely on the cross-certificate or must recover later."
        ),
    )

    window_override = forms.CharField(
        label=_("Reason for an activation outside the maintenance windows"),
        required=False,
        max_length=MAX_REASON,
        help_text=_("It is recorded in the audit log. Leave empty to enter another time."),
    )

    EARLY = EARLY
    limits: ActivationLimits
    is_early = False
    """The entered time is earlier than the suggested one."""
    asks_soon = False
    """Devices would miss the entered time, so it must be confirmed."""
    asks_override = False
    """The entered time is not in a maintenance window, and the user may give a reason for it."""

    def clean_activates_at(self) -> datetime:
        """Return the activation time, or raise ValidationError if it is outside its limits."""
        moment: datetime = self.cleaned_data["activates_at"]
        self.is_early = self.limits.is_early(moment) and not self._is_suggested(moment)
        may_override = self.request.user.has_perm(OVERRIDE_RIGHT)
        self.asks_override = may_override and not self.limits.schedule.is_open(moment)
        override = str(self["window_override"].data or "").strip() if may_override else ""
        try:
            self.limits.check(moment)
            self.limits.check_window(moment, override=override)
        except Fault as fault:
            raise forms.ValidationError(str(fault)) from fault
        self._require_confirmation(moment)
        return moment

    def clean_window_override(self) -> str:
        """Return the reason for a time outside the windows, "" if the user may not give one."""
        reason: str = self.cleaned_data["window_override"].strip()
        return reason if self.request.user.has_perm(OVERRIDE_RIGHT) else ""

    @property
    def suggested(self) -> str:
        """Return the time that the dialog suggested when it was opened, for a hidden field."""
        posted = str(self.data.get("suggested") or "")
        return posted or localtime(self.limits.suggestion).strftime(LOCAL)

    def _is_suggested(self, moment: datetime) -> bool:
        """Return True if a time is the one that the dialog suggested a short time ago."""
        is_unchanged = self["activates_at"].data == self.data.get("suggested")
        return is_unchanged and self.limits.early_before - moment <= SUGGESTION_KEPT

    def early_note(self) -> str:
        """Return a warning if the time is earlier than the suggested one, otherwise ""."""
        if not self.is_early:
            return ""
        return _("%(early)s The suggested time is %(at)s.") % {
            "early": EARLY,
            "at": format_time(self.limits.early_before),
        }

    def _require_confirmation(self, moment: datetime) -> None:
        zone = self.request.zone
        if not self.is_early:
            return
        now = self.limits.earliest - zone.lead_time
        missing = count_devices_missing(zone, moment, now, self.limits.servers)
        if not missing:
            return
        self.asks_soon = True
        if self["soon"].data:
            return
        raise forms.ValidationError(
            ngettext(
                "%(n)s device would miss the update because it is offline or "
                "its next refresh is after the activation.",
                "%(n)s devices would miss the update because they are offline "
                "or their next refresh is after the activation.",
                missing,
            ),
            params={"n": intcomma(missing)},
        )


class RemintCAForm(NameConstraintsForm, ActivationTimeForm):
    """Remint CA (manual, 1.2.9)."""

    confirm = forms.BooleanField(
        label=_("Yes, I want to remint the certificate authority"),
        error_messages={"required": _("To remint the CA, select this checkbox.")},
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
        *constraint_forms.FIELDS,
        "activates_at",
        "window_override",
        "soon",
    )

    def __init__(
        self, request: Any, limits: ActivationLimits, zone_name: str, **kwargs: Any
    ) -> None:
        initial = {
            "common_name": zone_name,
            "activates_at": limits.suggestion,
            "key": uuid.uuid4(),
        }
        super().__init__(request, initial=initial, **kwargs)
        self.limits = limits
        self.propose_name_constraints()
        if not self.is_bound:
            # A form with errors has its focus on the first error instead.
            self.fields["confirm"].widget.attrs["autofocus"] = True
        if limits.immediate:
            del self.fields["activates_at"]

    def leave_out_years(self) -> None:
        """Remove the validity, about which the issuer of a subordinate CA decides."""
        del self.fields["years"]

    def build_request(self) -> RemintCARequest:
        """Return the validated input as a RemintCARequest."""
        values = {"years": DEFAULT_YEARS, **self.cleaned_data}
        return RemintCARequest(
            common_name=values["common_name"].strip(),
            key_length=values["key_length"],
            years=values["years"],
            include_dns=values["include_dns"],
            activates_at=values.get("activates_at"),
            window_override=values["window_override"],
            name_constraints=self.get_name_constraints(),
        )


MAX_DAYS = 365


class RollBackForm(ReauthenticationForm):
    """Roll Back: the confirmation checkbox."""

    confirm = forms.BooleanField(
        label=_("Yes, I want to roll back to the previous certificate authority"),
        error_messages={"required": _("To roll back, select this checkbox.")},
        widget=forms.CheckboxInput(attrs={"autofocus": True}),
    )

    field_order = ("confirm", "password")


class ForceForm(ReauthenticationForm):
    """Force Activation: the confirmation checkbox."""

    confirm = forms.BooleanField(
        label=_("Yes, I want to force the activation"),
        error_messages={"required": _("To force the activation, select this checkbox.")},
        widget=forms.CheckboxInput(attrs={"autofocus": True}),
    )

    field_order = ("confirm", "password")


class ReadinessForm(ReauthenticationForm):
    """The readiness policy, which is checked when the freeze period begins."""

    servers = forms.BooleanField(
        label=_("Require all Primary Servers to have applied the update"),
        required=False,
        widget=forms.CheckboxInput(attrs={"autofocus": True}),
    )
    percent = forms.IntegerField(
        label=_("Devices that must pass the preflight check (%)"),
        min_value=0,
        max_value=100,
        help_text=_("0 turns this check off. 100 requires every device."),
    )
    days = forms.IntegerField(
        label=_("Count devices seen in the last (days)"),
        min_value=1,
        max_value=MAX_DAYS,
        help_text=_("Devices that have been offline for longer are not counted."),
    )

    field_order = ("servers", "percent", "days", "password")
