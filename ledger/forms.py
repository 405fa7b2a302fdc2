"""The filter of the audit page and the fields of a new API token."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from console.forms import LocalTimeField, PasswordAgain
from console.tokens import RIGHTS
from ledger.table import Filter

DAYS = ((30, _("30 days")), (90, _("90 days")), (365, _("1 year")), (1, _("1 day")))


class AuditFilter(forms.Form):
    """Which entries to show."""

    q = forms.CharField(label=_("Text"), required=False, max_length=200)
    actor = forms.CharField(label=_("Who"), required=False, max_length=200)
    action = forms.ChoiceField(label=_("Action"), required=False)
    subject = forms.CharField(label=_("Subject"), required=False, max_length=200)
    since = LocalTimeField(label=_("From"), required=False)
    until = LocalTimeField(label=_("Until"), required=False)

    def __init__(self, actions: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        field: Any = self.fields["action"]
        field.choices = [("", _("Every action")), *((action, action) for action in actions)]

    def wanted(self) -> Filter:
        """Return what was asked for, in the words of the ledger."""
        return Filter(**self.cleaned_data)


class TokenForm(PasswordAgain):
    """A new API token: its name, what it may do, for how long."""

    name = forms.CharField(
        label=_("Name"), max_length=50, help_text=_("What will use it, such as nightly-report.")
    )
    rights = forms.MultipleChoiceField(
        label=_("Rights"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Without any right it can read what every user can read."),
    )
    days = forms.TypedChoiceField(label=_("Valid for"), coerce=int, choices=DAYS)

    field_order = ("name", "rights", "days", "password")

    def __init__(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        field: Any = self.fields["rights"]
        field.choices = [(r, words) for r, words in RIGHTS.items() if request.user.has_perm(r)]

    def expires_at(self) -> datetime:
        """Return when the token ends."""
        return timezone.now() + timedelta(days=self.cleaned_data["days"])
