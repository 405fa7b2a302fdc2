"""The fields of a new API token."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from console.access.api_tokens import RIGHTS
from console.pages.forms import PasswordAgain

DAYS = ((30, _("30 days")), (90, _("90 days")), (365, _("1 year")), (1, _("1 day")))


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
