"""Forms of Remint Certificate, Generate CSR, and Import Certificate.

See: manual 1.3.2
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.issuance.imports import MAX_ZIP_SIZE
from certificates.operations.activation_time import ActivationLimits
from certificates.operations.presentation.ca_forms import (
    INCLUDE_DNS,
    INCLUDE_DNS_HELP,
    SUFFIXES,
    ActivationStep,
    read_upload,
)
from certificates.operations.presentation.csr_forms import CsrStep, SubjectForm
from certificates.operations.presentation.forms import key_lengths
from certificates.operations.requests import MAX_NAME_LENGTH
from console.pages.forms import set_choices
from devices.models import Device
from pki.keys import DEFAULT_KEY_LENGTH

MAX_FILES = 200
MAX_NAMED_SERVERS = 10


class NamedActivationForm(ActivationStep):
    """The activation time, and the name of the system update."""

    name = forms.CharField(
        label=_("System update name"),
        max_length=MAX_NAME_LENGTH,
        help_text=_("This name appears on the System Updates page."),
    )

    field_order: Any = ("activates_at", "window_override", "soon", "name", "password")


class ServerFields(forms.Form):
    """Fields that depend on the selected servers: common name and additional DNS names."""

    def adapt_to(self, servers: list[Device], satellites: Sequence[Device] = ()) -> None:
        """Remove or disable the fields that do not apply to the servers.

        A server with satellites keeps its FQDN, because they connect to it by that name.
        """
        if len(servers) == 1 and not satellites and not servers[0].has_satellites():
            self.fields["common_name"].initial = servers[0].fqdn
        else:
            del self.fields["common_name"]
        if "include_dns" in self.fields:
            servers_with_names = [server for server in (*servers, *satellites) if server.dns_names]
            self.fields["include_dns"].disabled = not servers_with_names
            self.fields["include_dns"].help_text = _describe_dns_names(
                servers_with_names, len(servers) + len(satellites)
            )


def _describe_dns_names(servers_with_names: list[Device], count: int) -> str:
    """Return a help text with the additional DNS names of the first servers."""
    if not servers_with_names:
        none = (
            _("No additional DNS names are configured for this server."),
            _("No additional DNS names are configured."),
        )
        return str(none[0] if count == 1 else none[1])
    if count == 1:
        return ", ".join(servers_with_names[0].dns_names)
    shown = "; ".join(
        f"{server.name}: {', '.join(server.dns_names)}"
        for server in servers_with_names[:MAX_NAMED_SERVERS]
    )
    return shown + ("; …" if len(servers_with_names) > MAX_NAMED_SERVERS else "")


class SatelliteFields(ServerFields):
    """The satellites of the selected servers, which can be included or excluded."""

    satellites = forms.MultipleChoiceField(
        label=_("Associated satellites"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "These satellites are reminted together with the server. "
            "To exclude one, clear its checkbox."
        ),
    )

    def adapt_to(self, servers: list[Device], satellites: Sequence[Device] = ()) -> None:
        """Add a checkbox for each satellite, or remove the field if there are none."""
        super().adapt_to(servers, satellites)
        if not satellites:
            del self.fields["satellites"]
            return
        set_choices(
            self,
            "satellites",
            [(str(device.pk), f"{device.name} ({device.fqdn})") for device in satellites],
        )
        self.fields["satellites"].initial = [str(device.pk) for device in satellites]


class RemintInternalForm(NamedActivationForm, SatelliteFields):
    """Remint Certificate with an internal CA."""

    confirm = forms.BooleanField(
        label=_("Yes, I want to remint the certificate for this server"),
        error_messages={"required": _("To remint the certificate, select this checkbox.")},
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
        help_text=_("Length of the server's new key."),
    )
    include_dns = forms.BooleanField(label=INCLUDE_DNS, required=False, help_text=INCLUDE_DNS_HELP)

    field_order = (
        *("confirm", "satellites", "common_name", "key_length", "include_dns", "activates_at"),
        *("name", "password"),
    )

    def __init__(
        self,
        request: Any,
        limits: ActivationLimits,
        servers: list[Device],
        satellites: Sequence[Device] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(request, limits, **kwargs)
        self.adapt_to(servers, satellites)


class RemintCsrStep(CsrStep, SatelliteFields):
    """The CSR page of Remint Certificate with an external CA."""

    common_name = forms.CharField(
        label=_("Common name"),
        max_length=253,
        required=False,
        help_text=_("A DNS name of the server."),
    )

    def __init__(
        self, servers: list[Device], satellites: Sequence[Device] = (), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.fields["organizational_unit"].label = _("Organization unit")
        self.adapt_to(servers, satellites)


class GenerateCsrForm(SubjectForm, ServerFields):
    """Generate CSR in the Actions menu, with the labels that the manual uses there."""

    common_name = forms.CharField(
        label=_("Common Name (CN)"), max_length=253, help_text=_("Example: mail.acme.example")
    )
    replaces = forms.BooleanField(
        label=_("Yes, replace the certificates that have already been imported"),
        error_messages={
            "required": _("To discard the imported certificates, select this checkbox.")
        },
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
        self.adapt_to(servers)
        if not replaces:
            del self.fields["replaces"]


class MultipleFileInput(forms.FileInput):
    """A file input for several files."""

    allow_multiple_selected = True


class MultipleFileField(forms.FileField):
    """A field for one or more files. Its value is a list of names and contents."""

    widget = MultipleFileInput

    def clean(self, data: Any, initial: Any = None) -> list[tuple[str, bytes]]:
        """Return the names and contents of the files. Limits their number and size."""
        given = data if isinstance(data, list | tuple) else [data]
        if len(given) > MAX_FILES:
            raise forms.ValidationError(_("You can upload up to %d files at a time.") % MAX_FILES)
        found = [super(MultipleFileField, self).clean(file, initial) for file in given or [None]]
        return [(one.name, read_upload(one, MAX_ZIP_SIZE)) for one in found]


class ImportForm(forms.Form):
    """Import Certificate."""

    file = MultipleFileField(
        label=_("Certificate"),
        allow_empty_file=True,
        widget=MultipleFileInput(attrs={"accept": f"{SUFFIXES},.zip", "autofocus": True}),
        help_text=_(
            "The certificate with its complete chain (.pem, .der, .p7b, .cer, "
            ".crt, .cert). If you upload several files or a zip file, each "
            "certificate is matched to a selected server by its key."
        ),
    )
