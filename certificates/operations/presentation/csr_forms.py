"""Forms for the CSRs of servers: who generates them, and their subject (manual, 1.2.4)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.operations.presentation.ca_forms import INCLUDE_DNS, INCLUDE_DNS_HELP
from certificates.operations.presentation.forms import key_lengths, list_remint_repositories
from certificates.operations.requests import SubjectFields, check_key_length
from faults import Fault
from pki.keys import DEFAULT_KEY_LENGTH

BY_HAND, BY_SERVERS = "manual", "automatic"
CSR_CHOICES = (
    (BY_SERVERS, _("Let ZENworks generate a CSR automatically for each server")),
    (BY_HAND, _("I will generate a CSR for each server manually")),
)


class SubjectForm(forms.Form):
    """The subject of a server certificate without its common name."""

    organization = forms.CharField(
        label=_("Organization"), required=False, help_text=_("Example: Acme Corporation")
    )
    organizational_unit = forms.CharField(
        label=_("Organization Unit"),
        required=False,
        help_text=_("Department or division"),
    )
    locality = forms.CharField(
        label=_("City/Locality"), required=False, help_text=_("Example: Boston")
    )
    state = forms.CharField(
        label=_("State/Province"),
        required=False,
        help_text=_("Full name, for example Massachusetts"),
    )
    country = forms.CharField(
        label=_("Country/region"), required=False, help_text=_("Two-letter code, for example US")
    )
    key_length = forms.TypedChoiceField(
        label=_("Key Length"),
        coerce=int,
        choices=key_lengths,
        initial=DEFAULT_KEY_LENGTH,
        required=False,
        help_text=_("Length of each server's new key."),
    )

    PARTS = ("organization", "organizational_unit", "locality", "state", "country")

    def subject(self) -> SubjectFields:
        """Return the validated input as SubjectFields."""
        given = {name: self.cleaned_data.get(name, "").strip() for name in self.PARTS}
        given["country"] = given["country"].upper()
        return SubjectFields(**given)

    def clean(self) -> None:
        """Add an error to each field whose value X.520 does not allow (D-3)."""
        try:
            self.subject().check()
            check_key_length(self.cleaned_data.get("key_length") or DEFAULT_KEY_LENGTH)
        except Fault as fault:
            self.add_error(fault.field or None, str(fault))


class CsrStep(SubjectForm):
    """Generate CSR: who generates the CSRs, and their subject."""

    manual_csr = forms.ChoiceField(
        label=_("How do you want to generate the CSR for each server?"),
        choices=CSR_CHOICES,
        initial=BY_SERVERS,
        widget=forms.RadioSelect,
    )
    include_dns = forms.BooleanField(label=INCLUDE_DNS, required=False, help_text=INCLUDE_DNS_HELP)
    repositories = staticmethod(list_remint_repositories)

    def clean(self) -> None:
        """Validate the subject unless the administrator generates the CSRs."""
        if not self.is_manual_csr:
            super().clean()

    @property
    def is_manual_csr(self) -> bool:
        """Return True if the administrator generates the CSRs."""
        return self.cleaned_data.get("manual_csr") == BY_HAND

    def values(self) -> dict[str, Any]:
        """Return the values of this page for an OperationRequest."""
        if self.is_manual_csr:
            return {"manual_csr": True, "key_length": DEFAULT_KEY_LENGTH, "include_dns": False}
        return {
            "manual_csr": False,
            "key_length": self.cleaned_data["key_length"] or DEFAULT_KEY_LENGTH,
            "include_dns": self.cleaned_data["include_dns"],
            "subject": self.subject(),
        }
