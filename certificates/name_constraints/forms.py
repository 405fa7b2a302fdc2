"""The fields for name constraints in Remint CA and Change CA."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.name_constraints import proposal
from devices.inventory.forms import LinesField
from faults import Fault
from pki.certificates.constraints import NameConstraints

FIELDS = ("constrain", "domains", "networks", "excluded")
MAX_LENGTH = 20_000


class NameConstraintsForm(forms.Form):
    """Domains and networks that the new CA is limited to. They apply if `constrain` is selected."""

    constrain = forms.BooleanField(
        label=_("Limit the new CA to these domains and networks"),
        required=False,
        help_text=_(
            "Devices reject all other certificates of the CA, even if its key is stolen. To change "
            "the limits later, remint the CA."
        ),
    )
    domains = LinesField(
        label=_("Permitted domains"),
        required=False,
        max_length=MAX_LENGTH,
        help_text=_("One per line. A domain includes all names below it."),
    )
    networks = LinesField(
        label=_("Permitted networks"),
        required=False,
        max_length=MAX_LENGTH,
        help_text=_(
            "One per line, for example 10.1.0.0/16. Without networks, certificates cannot contain "
            "IP addresses."
        ),
    )
    excluded = LinesField(
        label=_("Excluded domains and networks"),
        required=False,
        max_length=MAX_LENGTH,
        help_text=_("Optional. Parts of the permitted domains and networks, one per line."),
    )

    def propose_name_constraints(self) -> None:
        """Fill the fields of a form that is shown for the first time.

        If the zone CA has constraints, the new one has the same unless the administrator changes
        them.
        """
        if self.is_bound or self.initial.get("domains"):
            return
        found = proposal.propose()
        for name, texts in found.serialize().items():
            self.initial[name] = "\n".join(texts)
        self.initial["constrain"] = proposal.has_current()

    @property
    def shows_name_constraints(self) -> bool:
        """Return True if the fields are shown, because they apply or have errors."""
        return bool(self["constrain"].value()) or any(name in self.errors for name in FIELDS)

    def clean(self) -> Any:
        """Check the fields if they apply."""
        self.clean_name_constraints()
        return super().clean()

    def clean_name_constraints(self) -> None:
        """Add an error to the first field with an entry that is not valid."""
        try:
            self.get_name_constraints()
        except Fault as fault:
            self.add_error(fault.field or None, str(fault))

    def get_name_constraints(self) -> NameConstraints | None:
        """Return the entered constraints, None if they do not apply. Raises BadName."""
        entered = self.cleaned_data
        if not entered.get("constrain") or any(name in self.errors for name in FIELDS):
            return None
        return NameConstraints.parse(*(entered.get(name) or () for name in FIELDS[1:]))
