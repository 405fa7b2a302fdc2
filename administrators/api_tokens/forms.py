"""The form of a new API token."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from console.access.api_tokens import RIGHTS
from console.pages.forms import ReauthenticationForm

DAYS = ((30, _("30 days")), (90, _("90 days")), (365, _("1 year")), (1, _("1 day")))


class TokenForm(ReauthenticationForm):
    """The name, rights, and lifetime of a new API token."""

    name = forms.CharField(
        label=_("Name"),
        max_length=50,
        help_text=_("A name that shows what the token is for, for example nightly-report."),
    )
    rights = forms.MultipleChoiceField(
        label=_("Rights"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("A token without rights has read-only access to what every user can view."),
    )
    days = forms.TypedChoiceField(label=_("Valid for"), coerce=int, choices=DAYS)

    field_order = ("name", "rights", "days", "password")

    def __init__(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        field: Any = self.fields["rights"]
        field.choices = [(r, words) for r, words in RIGHTS.items() if request.user.has_perm(r)]

    def expires_at(self) -> datetime:
        """Return the expiration date."""
        return timezone.now() + timedelta(days=self.cleaned_data["days"])
