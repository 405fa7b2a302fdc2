"""The forms of a maintenance window and of a change freeze."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.models import ChangeFreeze, MaintenanceWindow
from certificates.windows.rules import MAX_TEXT
from certificates.windows.settings import MAX_NAME, MAX_REASON, FreezeSettings
from certificates.windows.weekly import WEEKDAYS, build_weekly_rule, parse_weekly_rule
from console.pages.forms import LocalTimeField, ReauthenticationForm

CLOCK = "%H:%M"


class ClockField(forms.TimeField):
    """A time of the day."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TimeInput(format=CLOCK, attrs={"type": "time"})
        super().__init__(input_formats=[CLOCK, "%H:%M:%S"], widget=widget, **kwargs)


class WindowForm(ReauthenticationForm):
    """A window on some days of the week, or any rule of RFC 5545."""

    name = forms.CharField(label=_("Name"), max_length=MAX_NAME)
    days = forms.MultipleChoiceField(
        label=_("Days"), required=False, choices=WEEKDAYS, widget=forms.CheckboxSelectMultiple
    )
    opens = ClockField(label=_("Opens"), required=False)
    closes = ClockField(
        label=_("Closes"),
        required=False,
        help_text=_("A time that is not later than the opening is on the next day."),
    )
    rule = forms.CharField(
        label=_("Rule (RFC 5545)"),
        required=False,
        max_length=MAX_TEXT,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=_(
            "Only for windows that do not recur weekly. Lines DTSTART, DURATION, and RRULE, for "
            "example RRULE:FREQ=MONTHLY;BYDAY=1SA."
        ),
    )
    field_order = ("name", "days", "opens", "closes", "rule", "password")

    def __init__(self, request: Any, today: datetime, **kwargs: Any) -> None:
        super().__init__(request, **kwargs)
        self.today = today

    def clean(self) -> None:
        """Require either days with both times, or a rule."""
        data = self.cleaned_data
        if self.errors:
            return
        weekly = [name for name in ("days", "opens", "closes") if data[name] not in (None, [])]
        if data["rule"] and weekly:
            self.add_error("rule", _("Enter either days and times, or a rule."))
        elif not data["rule"]:
            for name in ("days", "opens", "closes"):
                if name not in weekly:
                    self.add_error(name, _("This field is required without a rule."))

    def get_rule(self) -> str:
        """Return the rule that was entered, or that of the days and times."""
        data = self.cleaned_data
        if data["rule"]:
            return str(data["rule"])
        opens = datetime.combine(self.today, data["opens"])
        closes = datetime.combine(self.today, data["closes"])
        length = (closes - opens) % timedelta(days=1) or timedelta(days=1)
        return build_weekly_rule(data["days"], opens, int(length.total_seconds() // 60))


def get_window_values(window: MaintenanceWindow) -> dict[str, Any]:
    """Return the initial values of the form for a window."""
    weekly = parse_weekly_rule(window.name, window.rule)
    if weekly is None:
        return {"name": window.name, "rule": window.rule}
    days, opens, closes = weekly
    return {"name": window.name, "days": days, "opens": opens, "closes": closes}


class FreezeForm(ReauthenticationForm):
    """The period of a change freeze, and its reason."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=MAX_REASON,
        help_text=_("Shown wherever the change freeze delays an activation."),
    )
    begins_at = LocalTimeField(label=_("Begin"))
    ends_at = LocalTimeField(label=_("End"))
    field_order = ("reason", "begins_at", "ends_at", "password")

    def to_settings(self) -> FreezeSettings:
        """Return the valid form as settings."""
        data = self.cleaned_data
        return FreezeSettings(data["begins_at"], data["ends_at"], data["reason"])


def get_freeze_values(freeze: ChangeFreeze) -> dict[str, Any]:
    """Return the initial values of the form for a change freeze."""
    return {name: getattr(freeze, name) for name in ("reason", "begins_at", "ends_at")}
