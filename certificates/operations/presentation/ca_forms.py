"""The fields of Change CA, Move CA Role, Backup CA and Restore CA (manual, 1.2.4 to 1.2.8)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.operations import requests
from certificates.operations.activation_time import Limits
from certificates.operations.presentation.forms import (
    DEFAULT_YEARS,
    ActivationInput,
    Timed,
    key_lengths,
)
from certificates.operations.requests import YEARS, SubjectFields, check_key_length, check_subject
from console.pages.forms import LocalTimeField, offer
from devices.models import Device, Zone
from faults import Fault
from pki.certificates import details
from pki.chains import chains
from pki.formats import bundles
from pki.keys import DEFAULT_KEY_LENGTH

INTERNAL, EXTERNAL = "internal", "external"
BY_HAND, BY_SERVERS = "manual", "automatic"
MIB = 1024 * 1024
CERTIFICATE_AT_MOST = 256 * 1024
BACKUP_AT_MOST = 10 * MIB
# The manual's own suffixes (1.2.4); what a file is, is told by its content (D-14).
SUFFIXES = ".der,.cer,.crt,.p7b,.pem,.cert"
CSR_CHOICES = (
    (BY_SERVERS, _("Let ZENworks generate a CSR automatically for each server")),
    (BY_HAND, _("I will generate a CSR for each server manually")),
)
INCLUDE_DNS = _("Include any additional DNS names for each server")
INCLUDE_DNS_HELP = _("They are configured on the Settings tab of each device.")
REQUIRED = _("This field is required.")


def live_primaries(zone: Zone, now: datetime, *, but: UUID | None = None) -> list[tuple[str, str]]:
    """Return the Primary Servers that answer, as choices (D-21)."""
    return [
        (str(server.pk), f"{server.name} ({server.fqdn})" if server.fqdn else server.name)
        for server in Device.objects.primaries().order_by("name")
        if server.is_live(now, zone.refresh) and server.pk != but
    ]


def read_upload(given: Any, most: int) -> bytes:
    """Return an uploaded file; one that is too large is refused before it is read."""
    if given.size > most:
        size = f"{most // MIB} MiB" if most >= MIB else f"{most // 1024} KiB"
        raise forms.ValidationError(
            _("The file is larger than %(size)s. Nothing was stored."), params={"size": size}
        )
    data: bytes = given.read()
    return data


def plain(form: forms.BaseForm) -> dict[str, Any]:
    """Return what was entered as JSON, to be shown again: no file, no password."""
    kept = {}
    for name, field in form.fields.items():
        if not isinstance(field, forms.FileField) and not isinstance(
            field.widget, forms.PasswordInput
        ):
            kept[name] = form[name].value()
    return kept


class AuthorityStep(forms.Form):
    """The first page of Change CA: which kind of authority, and which one."""

    confirm = forms.BooleanField(
        label=_("Yes, I want to change the certificate authority"),
        error_messages={"required": _("Tick this box if you want to change the CA.")},
        widget=forms.CheckboxInput(attrs={"data-activates": "change-fields", "autofocus": True}),
    )
    change_to = forms.ChoiceField(
        label=_("Change to"),
        choices=(
            (INTERNAL, _("Change to internal certificate authority")),
            (EXTERNAL, _("Change to external certificate authority")),
        ),
        help_text=_("Internal: a Primary Server signs. External: a CA outside the zone signs."),
    )
    certificate_server = forms.ChoiceField(
        label=_("Certificate server"),
        required=False,
        help_text=_("The Primary Server that becomes the new CA. Only those that answer are here."),
    )
    subject = forms.CharField(
        label=_("Subject"),
        required=False,
        max_length=500,
        help_text=_("A name, or a whole subject such as CN=Zone CA,O=Acme,C=US."),
    )
    key_length = forms.TypedChoiceField(
        label=_("Key Length"),
        required=False,
        coerce=int,
        choices=key_lengths,
        initial=DEFAULT_KEY_LENGTH,
        help_text=_("Of the new CA's key."),
    )
    years = forms.IntegerField(
        label=_("Valid for (years)"),
        required=False,
        initial=DEFAULT_YEARS,
        widget=forms.NumberInput(attrs={"min": YEARS.start, "max": YEARS.stop - 1}),
        help_text=_("1 to 10."),
    )
    include_dns = forms.BooleanField(label=INCLUDE_DNS, required=False, help_text=INCLUDE_DNS_HELP)
    file = forms.FileField(
        label=_("Trusted root certificate"),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": SUFFIXES}),
        help_text=_(
            "PEM, DER or PKCS #7: .der .cer .crt .p7b .pem .cert. "
            "For an intermediate CA give the complete chain; its root becomes the zone CA."
        ),
    )

    def __init__(self, zone: Zone, now: datetime, *, stored_root: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.zone, self.now, self.stored_root = zone, now, stored_root
        self.found: tuple[str, list[str]] | None = None
        offer(self, "certificate_server", live_primaries(zone, now))
        self.fields["subject"].initial = zone.name

    @property
    def is_external(self) -> bool:
        """Tell whether the external authority was chosen."""
        return self.cleaned_data.get("change_to") == EXTERNAL

    def clean_file(self) -> None:
        """Read the uploaded root with its chain; nothing but certificates passes (D-13, D-14)."""
        given = self.cleaned_data["file"]
        if not given or not self.is_external:
            return
        data = read_upload(given, CERTIFICATE_AT_MOST)
        try:
            root, intermediates = chains.split_root(bundles.read_certificates(data))
            requests.check_new_root(root, now=self.now)
        except Fault as fault:
            raise forms.ValidationError(str(fault)) from fault
        self.found = root, intermediates

    def clean(self) -> None:
        """Ask for what the chosen kind of authority needs, and for nothing else."""
        if self.is_external:
            missing = not self.stored_root and self.found is None
            if missing and "file" not in self.errors:
                self.add_error("file", _("Choose the file with the trusted root certificate."))
            for name in ("certificate_server", "subject", "key_length", "years"):
                self.errors.pop(name, None)
        elif self.cleaned_data.get("change_to") == INTERNAL:
            self._clean_internal()

    def _clean_internal(self) -> None:
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
    """The parts of a server's subject besides its common name."""

    organization = forms.CharField(
        label=_("Organization"), required=False, help_text=_("Such as Acme Corporation.")
    )
    organizational_unit = forms.CharField(
        label=_("Organization Unit"),
        required=False,
        help_text=_("Such as a department or division."),
    )
    locality = forms.CharField(
        label=_("City/Locality"), required=False, help_text=_("Written out, such as Boston.")
    )
    state = forms.CharField(
        label=_("State/Province"), required=False, help_text=_("Written out, not abbreviated.")
    )
    country = forms.CharField(
        label=_("Country/region"), required=False, help_text=_("Two letters, such as US.")
    )
    key_length = forms.TypedChoiceField(
        label=_("Key Length"),
        coerce=int,
        choices=key_lengths,
        initial=DEFAULT_KEY_LENGTH,
        required=False,
        help_text=_("Of each server's new key."),
    )

    PARTS = ("organization", "organizational_unit", "locality", "state", "country")

    def subject(self) -> SubjectFields:
        """Return the parts in the words of the domain."""
        given = {name: self.cleaned_data.get(name, "").strip() for name in self.PARTS}
        given["country"] = given["country"].upper()
        return SubjectFields(**given)

    def clean(self) -> None:
        """Say beside the field what X.520 does not allow (D-3)."""
        try:
            self.subject().check()
            check_key_length(self.cleaned_data.get("key_length") or DEFAULT_KEY_LENGTH)
        except Fault as fault:
            self.add_error(fault.field or None, str(fault))


class CsrStep(SubjectForm):
    """Generate CSR: who makes the requests, and what their subjects say (R064 to R073)."""

    by_hand = forms.ChoiceField(
        label=_("How do you want to generate the CSR for each server?"),
        choices=CSR_CHOICES,
        initial=BY_SERVERS,
        widget=forms.RadioSelect,
    )
    include_dns = forms.BooleanField(label=INCLUDE_DNS, required=False, help_text=INCLUDE_DNS_HELP)

    def clean(self) -> None:
        """Check the subject, unless the administrator makes the requests."""
        if not self.is_by_hand:
            super().clean()

    @property
    def is_by_hand(self) -> bool:
        """Tell whether the administrator generates the requests (R065)."""
        return self.cleaned_data.get("by_hand") == BY_HAND

    def values(self) -> dict[str, Any]:
        """Return what an order takes from this page."""
        if self.is_by_hand:
            return {"by_hand": True, "key_length": DEFAULT_KEY_LENGTH, "include_dns": False}
        return {
            "by_hand": False,
            "key_length": self.cleaned_data["key_length"] or DEFAULT_KEY_LENGTH,
            "include_dns": self.cleaned_data["include_dns"],
            "subject": self.subject(),
        }


class ActivationStep(Timed):
    """Certificate activation date and time, or Immediate (R041 to R044)."""

    activates_at = LocalTimeField(
        label=_("Certificate activation date and time"),
        widget=ActivationInput,
        help_text=_("From then on the new certificates are used, and the old ones no more."),
    )

    field_order: Any = ("activates_at", "soon", "password")

    def __init__(self, request: Any, limits: Limits, **kwargs: Any) -> None:
        initial = {"activates_at": limits.suggestion, **kwargs.pop("initial", {})}
        super().__init__(request, initial=initial, **kwargs)
        self.limits = limits
        if limits.immediate:
            del self.fields["activates_at"]


def shown_root(pem: str, intermediates: list[str]) -> dict[str, Any]:
    """Return what was found in an uploaded file, as the dialog shows it."""
    return {
        "root": details.describe(pem),
        "intermediates": [details.describe(found) for found in intermediates],
    }
