"""Forms of the setup pages. They check syntax; bootstrap.py checks the values."""

from __future__ import annotations

import socket
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from pki import keys
from zcc.runtime import environment

MAX_FILE_SIZE = 256 * 1024
KEY_LENGTHS = [(length, str(length)) for length in keys.KEY_LENGTHS]


def read_upload(given: Any) -> bytes:
    """Return the content of an uploaded file, unless it is too large."""
    if given.size > MAX_FILE_SIZE:
        raise forms.ValidationError(_("The file exceeds the 256 KiB limit. Nothing was changed."))
    data: bytes = given.read()
    return data


class TokenForm(forms.Form):
    """The setup token."""

    token = forms.CharField(
        label=_("Setup token"),
        max_length=100,
        help_text=_(
            "The web server printed this token when it started. See its console output or log."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )


class AdministratorForm(forms.Form):
    """The first administrator."""

    username = forms.CharField(label=_("First administrator's user name"), max_length=150)
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("At least 10 characters. Commonly used passwords are not allowed."),
    )
    confirm_password = forms.CharField(
        label=_("Confirm password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_confirm_password(self) -> str:
        """Check that the passwords match."""
        confirmation: str = self.cleaned_data["confirm_password"]
        if confirmation != self.cleaned_data.get("password"):
            raise forms.ValidationError(_("The passwords do not match."))
        return confirmation


class ZoneForm(forms.Form):
    """The zone, its first server, and its CA."""

    name = forms.CharField(label=_("Zone name"), max_length=64)
    server_name = forms.CharField(label=_("Server name"), max_length=64)
    fqdn = forms.CharField(
        label=_("Fully qualified domain name of this server"),
        max_length=253,
        help_text=_(
            "The server certificate is issued for this name. Short host names are not supported."
        ),
    )
    addresses = forms.CharField(
        label=_("IP addresses of this server"),
        max_length=500,
        help_text=_("Separate addresses with commas. Devices use these addresses to register."),
    )
    kind = forms.ChoiceField(
        label=_("Certificate authority"),
        choices=[
            ("internal", _("Internal: this server issues the certificates in the zone")),
            (
                "subordinate",
                _(
                    "Subordinate: this server issues the certificates, and your corporate CA "
                    "certifies it"
                ),
            ),
            ("external", _("External: an external CA issues the certificates")),
        ],
        widget=forms.RadioSelect,
        initial="internal",
    )
    subject = forms.CharField(
        label=_("Subject"), required=False, max_length=200, help_text=_("Default: the zone name.")
    )
    key_length = forms.TypedChoiceField(
        label=_("Key Length"), coerce=int, choices=KEY_LENGTHS, initial=keys.DEFAULT_KEY_LENGTH
    )
    years = forms.IntegerField(label=_("Valid for (years)"), min_value=1, max_value=10, initial=10)
    authority = forms.FileField(
        label=_("Root and intermediate certificates of the external CA"),
        required=False,
        help_text=_(
            "A single file (.der, .cer, .crt, .p7b, .pem, or .cert). "
            "The format is detected automatically."
        ),
    )

    def clean_authority(self) -> bytes | None:
        """Return the content of the file, which an external CA requires."""
        given = self.cleaned_data["authority"]
        if given is None and self.cleaned_data.get("kind") == "external":
            raise forms.ValidationError(
                _("Select the file that contains the root certificate of the CA.")
            )
        return read_upload(given) if given is not None else None

    def clean_addresses(self) -> list[str]:
        """Return the addresses as a list."""
        text: str = self.cleaned_data["addresses"]
        return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]


class InternalForm(ZoneForm, AdministratorForm):
    """Zone and administrator. With an external CA, the administrator is entered later."""

    field_order = (*ZoneForm.base_fields, *AdministratorForm.base_fields)
    # The browser would require fields that are hidden for the selected CA.
    use_required_attribute = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.data.get("kind") == "external":
            for name in AdministratorForm.base_fields:
                self.fields[name].required = False


class CertificateForm(AdministratorForm):
    """The first server's certificate from the external CA."""

    certificate = forms.FileField(
        label=_("Server certificate"),
        help_text=_(
            "The certificate that the external CA issued for the CSR, with or without its chain."
        ),
    )
    field_order = ("certificate",)

    def clean_certificate(self) -> bytes:
        """Return the content of the file."""
        return read_upload(self.cleaned_data["certificate"])


def get_initial_values() -> dict[str, str]:
    """Return initial values from the environment."""
    host = socket.gethostname()
    return {
        "server_name": environment.text("ZCC_SERVER_NAME", host.partition(".")[0]),
        "fqdn": environment.text("ZCC_SERVER_FQDN", host if "." in host else ""),
        "addresses": ", ".join(environment.items("ZCC_SERVER_ADDRESSES")),
    }
