"""The filter of the audit page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from audit.entries.tables import Filter
from console.pages.forms import LocalTimeField


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
