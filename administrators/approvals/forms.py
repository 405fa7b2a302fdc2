"""The form in which a second administrator decides about a request."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from administrators.approvals import reasons
from console.pages.forms import ReauthenticationForm


class DecisionForm(ReauthenticationForm):
    """The confirmation of a decision, with an optional reason for a rejection."""

    # Enter adds a line here. In a field with one line, it would press the button Approve.
    reason = forms.CharField(
        label=_("Reason for a rejection"),
        required=False,
        max_length=reasons.MAX_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Optional. It is shown to the requester, and stored in the audit log."),
    )

    field_order = ("reason", "password")
