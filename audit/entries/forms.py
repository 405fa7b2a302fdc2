"""The filter form of the audit page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from audit.chain.action_labels import get_label
from audit.chain.kinds import KINDS, POLICIES
from audit.entries.tables import Filter
from console.pages.forms import LocalTimeField, set_choices


class AuditFilter(forms.Form):
    """The conditions that listed entries must meet. The page of an entry shows its subject ID."""

    q = forms.CharField(
        label=_("Search text"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"placeholder": _("Name or note")}),
    )
    actor = forms.CharField(label=_("User"), required=False, max_length=200)
    action = forms.ChoiceField(label=_("Action"), required=False)
    kind = forms.ChoiceField(label=_("Kind of object"), required=False)
    subject = forms.CharField(label=_("Subject ID"), required=False, max_length=200)
    since = LocalTimeField(label=_("From"), required=False)
    until = LocalTimeField(label=_("Until"), required=False)

    def __init__(self, actions: Iterable[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        labels = sorted(
            ((action, get_label(action)) for action in actions), key=lambda pair: pair[1]
        )
        set_choices(self, "action", [("", str(_("All actions"))), *labels])
        set_choices(self, "kind", [("", str(_("All kinds"))), *_list_kinds()])

    def to_filter(self) -> Filter:
        """Return the valid form as a filter."""
        return Filter(**self.cleaned_data)


def _list_kinds() -> list[tuple[str, str]]:
    """Return the kinds of objects by their labels."""
    kinds = [(key, str(kind.label)) for key, kind in KINDS.items() if key != POLICIES]
    return sorted(kinds, key=lambda pair: pair[1])
