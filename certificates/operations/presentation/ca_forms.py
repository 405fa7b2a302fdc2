"""Forms for Change CA (manual, 1.2.4)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.monitoring import workers
from certificates.name_constraints.forms import NameConstraintsForm
from certificates.operations import requests
from certificates.operations.activation_time import ActivationLimits
from certificates.operations.presentation.forms import (
    DEFAULT_YEARS,
    ActivationInput,
    ActivationTimeForm,
    key_lengths,
    list_remint_repositories,
)
from certificates.operations.requests import YEARS, SubjectFields, check_key_length, check_subject
from console.pages.forms import LocalTimeField, set_choices
from devices.models import Device, Zone
from faults import Fault
from pki.chains import chains
from pki.formats import bundles
from pki.keys import DEFAULT_KEY_LENGTH

INTERNAL, EXTERNAL = "internal", "external"
BY_HAND, BY_SERVERS = "manual", "automatic"
MIB = 1024 * 1024
MAX_CERTIFICATE_SIZE, MAX_BACKUP_SIZE = 256 * 1024, 10 * MIB
# The suffixes of the manual (1.2.4). The content of a file determines its format (D-14).
SUFFIXES = ".der,.cer,.crt,.p7b,.pem,.cert"
CSR_CHOICES = (
    (BY_SERVERS, _("Let ZENworks generate a CSR automatically for each server")),
    (BY_HAND, _("I will generate a CSR for each server manually")),
)
INCLUDE_DNS = _("Include any additional DNS names for each server")
INCLUDE_DNS_HELP = _("To configure additional DNS names, use the Settings tab of each device.")
REQUIRED = _("This field is required.")


def primary_server_choices(now: datetime, *, exclude: UUID | None = None) -> list[tuple[str, str]]:
    """Return the Primary Servers whose worker responds as choices (D-21)."""
    return [
        (str(server.pk), f"{server.name} ({server.fqdn})" if server.fqdn else server.name)
        for server in Device.objects.primaries().order_by("name")
        if server.pk != exclude and workers.is_available(server, now)
    ]


def read_upload(given: Any, most: int) -> bytes:
    """Return the content of an uploaded file, or raise ValidationError if it is too large."""
    if given.size > most:
        size = f"{most // MIB} MiB" if most >= MIB else f"{most // 1024} KiB"
        raise forms.ValidationError(
            _("The file exceeds the %(size)s limit. Nothing was stored."), params={"size": size}
        )
    data: bytes = given.read()
    return data


def get_entered_values(form: forms.BaseForm) -> dict[str, Any]:
    """Return the entered values as JSON, without files and passwords."""
    values = {}
    for name, field in form.fields.items():
        if not isinstance(field, forms.FileField) and not isinstance(
            field.widget, forms.PasswordInput
        ):
            values[name] = form[name].value()
    return values


class AuthorityStep(NameConstraintsForm):
    """The first page of Change CA: the type of the new CA and its settings."""

    confirm = forms.BooleanField(
        label=_("Yes, I want to change the certificate authority"),
        error_messages={"required": _("To change the CA, select this checkbox.")},
        widget=forms.CheckboxInput(attrs={"data-activates": "change-fields", "autofocus": True}),
    )
    change_to = forms.ChoiceField(
        label=_("New CA type"),
        choices=(
            (INTERNAL, _("Change to internal certificate authority")),
            (EXTERNAL, _("Change to external certificate authority")),
        ),
        help_text=_(
            "Internal: a Primary Server signs certificates. External: "
            "a CA outside the zone signs certificates."
        ),
    )
    certificate_server = forms.ChoiceField(
        label=_("Certificate server"),
        required=False,
        help_text=_(
            "The Primary Server that becomes the new CA. Only servers whose "
            "worker responds are listed."
        ),
    )
    subject = forms.CharField(
        label=_("Subject"),
        required=False,
        max_length=500,
        help_text=_("A common name or a complete subject, for example CN=Zone CA,O=Acme,C=US."),
    )
    key_length = forms.TypedChoiceField(
        label=_("Key Length"),
        required=False,
        coerce=int,
        choices=key_lengths,
        initial=DEFAULT_KEY_LENGTH,
        help_text=_("Length of the new CA's key."),
    )
    years = forms.IntegerField(
        label=_("Valid for (years)"),
        required=False,
        initial=DEFAULT_YEARS,
        widget=forms.NumberInput(attrs={"min": YEARS.start, "max": YEARS.stop - 1}),
        help_text=_("Enter 1 to 10."),
    )
    include_dns = forms.BooleanField(label=INCLUDE_DNS, required=False, help_text=INCLUDE_DNS_HELP)
    file = forms.FileField(
        label=_("Trusted root certificate"),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": SUFFIXES}),
        help_text=_(
            "PEM, DER, or PKCS #7 file (.der, .cer, .crt, .p7b, .pem, .cert). "
            "For an intermediate CA, provide the complete chain. The root of "
            "the chain becomes the zone CA."
        ),
    )

    def __init__(self, zone: Zone, now: datetime, *, stored_root: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.zone, self.now, self.stored_root = zone, now, stored_root
        self.found: tuple[str, list[str]] | None = None
        set_choices(self, "certificate_server", primary_server_choices(now))
        self.fields["subject"].initial = zone.name
        self.propose_name_constraints()

    @property
    def is_external(self) -> bool:
        """Return True if the external CA type was selected."""
        return self.cleaned_data.get("change_to") == EXTERNAL

    def clean_file(self) -> None:
        """Parse the uploaded root and its chain, or raise ValidationError (D-13, D-14)."""
        given = self.cleaned_data["file"]
        if not given or not self.is_external:
            return
        data = read_upload(given, MAX_CERTIFICATE_SIZE)
        try:
            found = bundles.parse_certificates(data)
            hosts = requests.list_server_names()
            root, intermediates = chains.split_root(found, at=self.now, hosts=hosts)
            requests.check_new_root(root, now=self.now)
        except Fault as fault:
            raise forms.ValidationError(str(fault)) from fault
        self.found = root, intermediates

    def clean(self) -> None:
        """Require the fields of the selected CA type, and ignore errors of the others."""
        if self.is_external:
            missing = not self.stored_root and self.found is None
            if missing and "file" not in self.errors:
                self.add_error(
                    "file", _("Select the file that contains the trusted root certificate.")
                )
            for name in ("certificate_server", "subject", "key_length", "years"):
                self.errors.pop(name, None)
        elif self.cleaned_data.get("change_to") == INTERNAL:
            self._clean_internal()

    def _clean_internal(self) -> None:
        self.clean_name_constraints()
        for name in ("certificate_server", "subject", "key_length", "years"):
            if name not in self.errors and self.cleaned_data.get(name) in (None, ""):
                self.add_error(name, REQUIRED)
        if "years" not in self.errors and self.cleaned_data["years"] not in YEARS:
            self.add_error("years", _("Enter a whole number from 1 to 10."))
        if "subject" not in self.errors:
            try:
                check_subject(self.cleaned_data["subject"], field="subject")
            except Fault as fault:
                self.add_error("subject", str(fault))


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


class ActivationStep(ActivationTimeForm):
    """Certificate activation date and time, or Immediate."""

    activates_at = LocalTimeField(
        label=_("Certificate activation date and time"),
        widget=ActivationInput,
        help_text=_(
            "At this time, the new certificates take effect and the "
            "old certificates are no longer used."
        ),
    )

    field_order: Any = ("activates_at", "window_override", "soon", "password")

    def __init__(self, request: Any, limits: ActivationLimits, **kwargs: Any) -> None:
        initial = {"activates_at": limits.suggestion, **kwargs.pop("initial", {})}
        super().__init__(request, initial=initial, **kwargs)
        self.limits = limits
        if limits.immediate:
            del self.fields["activates_at"]
