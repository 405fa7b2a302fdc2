"""Forms for Change CA (manual, 1.2.4)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.future_ca import external
from certificates.monitoring import workers
from certificates.name_constraints.forms import NameConstraintsForm
from certificates.operations.activation_time import ActivationLimits
from certificates.operations.presentation.forms import (
    ActivationInput,
    ActivationTimeForm,
    key_lengths,
)
from certificates.operations.requests import DEFAULT_YEARS, YEARS, check_subject
from console.pages.forms import LocalTimeField, set_choices
from devices.models import Device, Zone
from faults import Fault
from pki.chains import chains
from pki.formats import bundles
from pki.keys import DEFAULT_KEY_LENGTH

INTERNAL, SUBORDINATE, EXTERNAL = "internal", "subordinate", "external"
MIB = 1024 * 1024
MAX_CERTIFICATE_SIZE, MAX_BACKUP_SIZE = 256 * 1024, 10 * MIB
# The suffixes of the manual (1.2.4). The content of a file determines its format (D-14).
SUFFIXES = ".der,.cer,.crt,.p7b,.pem,.cert"
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
            (SUBORDINATE, _("Change to subordinate certificate authority")),
            (EXTERNAL, _("Change to external certificate authority")),
        ),
        help_text=_(
            "Internal: a Primary Server signs certificates. Subordinate: a Primary Server signs "
            "certificates, and a CA outside the zone has certified its key. External: a CA outside "
            "the zone signs certificates."
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
            hosts = external.list_server_names()
            root, intermediates = chains.split_root(found, at=self.now, hosts=hosts)
            external.check_new_root(root, now=self.now)
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
        elif "change_to" in self.cleaned_data:
            self._clean_internal()

    def _clean_internal(self) -> None:
        self.clean_name_constraints()
        required = ["certificate_server", "subject", "key_length", "years"]
        if self.cleaned_data["change_to"] == SUBORDINATE:
            # The issuer decides about the validity.
            self.errors.pop(required.pop(), None)
        for name in required:
            if name not in self.errors and self.cleaned_data.get(name) in (None, ""):
                self.add_error(name, REQUIRED)
        if "years" in required and "years" not in self.errors:
            self._clean_years()
        if "subject" not in self.errors:
            try:
                check_subject(self.cleaned_data["subject"], field="subject")
            except Fault as fault:
                self.add_error("subject", str(fault))

    def _clean_years(self) -> None:
        if self.cleaned_data["years"] not in YEARS:
            self.add_error("years", _("Enter a whole number from 1 to 10."))


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
