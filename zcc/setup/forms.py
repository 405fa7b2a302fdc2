"""Forms of the first run: syntax only, what makes sense is judged where the zone is made."""

from __future__ import annotations

import socket
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from pki import keys
from zcc.runtime import environment

FILE_AT_MOST = 256 * 1024
KEY_LENGTHS = [(length, str(length)) for length in keys.KEY_LENGTHS]


def limited(given: Any) -> bytes:
    """Return an uploaded file's bytes; one that is too large is refused unread (S-90)."""
    if given.size > FILE_AT_MOST:
        raise forms.ValidationError(_("The file is larger than 256 KiB. Nothing was read."))
    data: bytes = given.read()
    return data


class TokenForm(forms.Form):
    """Asks for the token that the web server printed."""

    token = forms.CharField(
        label=_("Set-up token"),
        max_length=100,
        help_text=_("The web server printed it when it started; look at its console or log."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )


class AdministratorForm(forms.Form):
    """The first administrator."""

    username = forms.CharField(label=_("Name of the first administrator"), max_length=150)
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("At least 10 characters, and none of the common ones."),
    )
    confirm_password = forms.CharField(
        label=_("Confirm password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_confirm_password(self) -> str:
        """Refuse two different passwords."""
        again: str = self.cleaned_data["confirm_password"]
        if again != self.cleaned_data.get("password"):
            raise forms.ValidationError(_("The two passwords differ."))
        return again


class ZoneForm(forms.Form):
    """The zone, its first server and which kind of CA it begins with (R006)."""

    name = forms.CharField(label=_("Name of the zone"), max_length=64)
    server_name = forms.CharField(label=_("Name of this server"), max_length=64)
    fqdn = forms.CharField(
        label=_("Full DNS name of this server"),
        max_length=253,
        help_text=_("Its certificate carries this name; a short name does not do."),
    )
    addresses = forms.CharField(
        label=_("IP addresses of this server"),
        max_length=500,
        help_text=_("Separated by commas. Devices register by address."),
    )
    kind = forms.ChoiceField(
        label=_("Certificate authority"),
        choices=[
            ("internal", _("Internal: this server issues the certificates of the zone")),
            ("external", _("External: another CA issues them")),
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
        label=_("Trusted root and intermediates of the external CA"),
        required=False,
        help_text=_("One file: .der .cer .crt .p7b .pem or .cert, recognised by its content."),
    )

    def clean_authority(self) -> bytes | None:
        """Return the file's bytes; an external CA needs it."""
        given = self.cleaned_data["authority"]
        if given is None and self.cleaned_data.get("kind") == "external":
            raise forms.ValidationError(_("Choose the file with the CA's trusted root."))
        return limited(given) if given is not None else None

    def clean_addresses(self) -> list[str]:
        """Return the addresses as a list."""
        text: str = self.cleaned_data["addresses"]
        return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]


class InternalForm(ZoneForm, AdministratorForm):
    """Everything on one page; with an external CA the administrator is asked for at the end."""

    field_order = (*ZoneForm.base_fields, *AdministratorForm.base_fields)
    # The browser would wait for fields that the choice of the CA hides.
    use_required_attribute = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.data.get("kind") == "external":
            for name in AdministratorForm.base_fields:
                self.fields[name].required = False


class CertificateForm(AdministratorForm):
    """The first server's certificate from the external CA."""

    certificate = forms.FileField(
        label=_("Certificate of this server"),
        help_text=_("As the external CA returned it for the CSR, with or without its chain."),
    )
    field_order = ("certificate",)

    def clean_certificate(self) -> bytes:
        """Return the file's bytes."""
        return limited(self.cleaned_data["certificate"])


def known() -> dict[str, str]:
    """Return what the environment tells of this server, as initial values."""
    host = socket.gethostname()
    return {
        "server_name": environment.text("ZCC_SERVER_NAME", host.partition(".")[0]),
        "fqdn": environment.text("ZCC_SERVER_FQDN", host if "." in host else ""),
        "addresses": ", ".join(environment.items("ZCC_SERVER_ADDRESSES")),
    }
