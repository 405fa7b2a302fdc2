"""The fields of Remint Certificate, Generate CSR and Import Certificate (manual, 1.3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.issuance.imports import ZIP_AT_MOST
from certificates.operations.activation_time import Limits
from certificates.operations.presentation.ca_forms import (
    INCLUDE_DNS,
    INCLUDE_DNS_HELP,
    SUFFIXES,
    ActivationStep,
    CsrStep,
    SubjectForm,
    read_upload,
)
from certificates.operations.presentation.forms import key_lengths
from certificates.operations.requests import NAME_AT_MOST
from console.pages.forms import offer
from devices.models import Device
from pki.keys import DEFAULT_KEY_LENGTH

FILES_AT_MOST = 200
NAMED = 10


class NamedUpdate(ActivationStep):
    """The activation, and the name of the system update that is made for it (R175, R176)."""

    name = forms.CharField(
        label=_("Name of the system update"),
        max_length=NAME_AT_MOST,
        help_text=_("Shown on the System Updates page."),
    )

    field_order: Any = ("activates_at", "soon", "name", "password")


class ServerFields(forms.Form):
    """What depends on the selected servers: the common name and the additional DNS names."""

    def fit(self, servers: list[Device], along: Sequence[Device] = ()) -> None:
        """Drop or shut what does not apply to these servers (R172, R174, R188).

        A server that satellites belong to keeps its FQDN: they know it by that.
        """
        if len(servers) == 1 and not along and not servers[0].has_satellites():
            self.fields["common_name"].initial = servers[0].fqdn
        else:
            del self.fields["common_name"]
        if "include_dns" in self.fields:
            named = [server for server in (*servers, *along) if server.dns_names]
            self.fields["include_dns"].disabled = not named
            self.fields["include_dns"].help_text = _additional(named, len(servers) + len(along))


def _additional(named: list[Device], of: int) -> str:
    """Return which additional DNS names are configured, for the few that fit below a field."""
    if not named:
        none = _("None are configured for this server."), _("None are configured.")
        return str(none[0] if of == 1 else none[1])
    if of == 1:
        return ", ".join(named[0].dns_names)
    few = "; ".join(f"{server.name}: {', '.join(server.dns_names)}" for server in named[:NAMED])
    return few + ("; …" if len(named) > NAMED else "")


class SatelliteFields(ServerFields):
    """The satellites that belong to the selected servers: reminted along, or left out."""

    satellites = forms.MultipleChoiceField(
        label=_("Associated satellites"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Reminted along. Take the mark off those that are to be left out."),
    )

    def fit(self, servers: list[Device], along: Sequence[Device] = ()) -> None:
        """List the satellites."""
        super().fit(servers, along)
        if not along:
            del self.fields["satellites"]
            return
        offer(self, "satellites", [(str(one.pk), f"{one.name} ({one.fqdn})") for one in along])
        self.fields["satellites"].initial = [str(one.pk) for one in along]


class RemintInternalForm(NamedUpdate, SatelliteFields):
    """Remint Certificate under an internal CA: one page (R171 to R177)."""

    confirm = forms.BooleanField(
        label=_("Yes, I want to remint the certificate for this server"),
        error_messages={"required": _("Tick this box if you want to remint the certificate.")},
        widget=forms.CheckboxInput(attrs={"data-activates": "remint-fields", "autofocus": True}),
    )
    common_name = forms.CharField(
        label=_("Common name"), max_length=253, help_text=_("A DNS name of the server.")
    )
    key_length = forms.TypedChoiceField(
        label=_("Key length"),
        coerce=int,
        choices=key_lengths,
        initial=DEFAULT_KEY_LENGTH,
        help_text=_("Of the server's new key."),
    )
    include_dns = forms.BooleanField(label=INCLUDE_DNS, required=False, help_text=INCLUDE_DNS_HELP)

    field_order = (
        *("confirm", "satellites", "common_name", "key_length", "include_dns", "activates_at"),
        *("name", "password"),
    )

    def __init__(
        self,
        request: Any,
        limits: Limits,
        servers: list[Device],
        along: Sequence[Device] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(request, limits, **kwargs)
        self.fit(servers, along)


class RemintCsrStep(CsrStep, SatelliteFields):
    """Generate CSR of a remint under an external CA (R187 to R190)."""

    common_name = forms.CharField(
        label=_("Common name"),
        max_length=253,
        required=False,
        help_text=_("A DNS name of the server."),
    )

    def __init__(self, servers: list[Device], along: Sequence[Device] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fields["organizational_unit"].label = _("Organization unit")
        self.fit(servers, along)


class GenerateCsrForm(SubjectForm, ServerFields):
    """Generate CSR of the menu Actions, with the labels of its own dialog (R200 to R206)."""

    common_name = forms.CharField(
        label=_("Common Name (CN)"), max_length=253, help_text=_("Such as mail.acme.example.")
    )
    replaces = forms.BooleanField(
        label=_("Yes, replace the certificates that were imported already"),
        error_messages={"required": _("Tick this box to drop the imported certificates.")},
    )

    LABELS: ClassVar = {
        "organization": _("Organization (O)"),
        "organizational_unit": _("Organizational Unit (OU)"),
        "locality": _("City or Locality (L)"),
        "state": _("State or Province (ST)"),
        "country": _("Country or Region"),
        "key_length": _("Key length"),
    }

    def __init__(self, servers: list[Device], *, replaces: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, label in self.LABELS.items():
            self.fields[name].label = label
        self.fit(servers)
        if not replaces:
            del self.fields["replaces"]


class SeveralFiles(forms.FileInput):
    """A file input that takes several files."""

    allow_multiple_selected = True


class SeveralFilesField(forms.FileField):
    """One file or several, each as its name and its bytes."""

    widget = SeveralFiles

    def clean(self, data: Any, initial: Any = None) -> list[tuple[str, bytes]]:
        """Read the files; each is limited, and so is their number."""
        given = data if isinstance(data, list | tuple) else [data]
        if len(given) > FILES_AT_MOST:
            raise forms.ValidationError(_("At most %d files at once.") % FILES_AT_MOST)
        found = [super(SeveralFilesField, self).clean(one, initial) for one in given or [None]]
        return [(one.name, read_upload(one, ZIP_AT_MOST)) for one in found]


class ImportForm(forms.Form):
    """Import Certificate: Browse and OK (R207, R208)."""

    file = SeveralFilesField(
        label=_("Certificate"),
        allow_empty_file=True,
        widget=SeveralFiles(attrs={"accept": f"{SUFFIXES},.zip", "autofocus": True}),
        help_text=_(
            "The certificate with its complete chain: .pem .der .p7b .cer .crt .cert. "
            "Several files or a zip are matched to the selected servers by their keys."
        ),
    )
