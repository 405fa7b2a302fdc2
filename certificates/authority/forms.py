"""Forms of Move CA Role, Backup CA, and Restore CA.

See: manual 1.2.6 to 1.2.8
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.operations.presentation.ca_forms import MAX_BACKUP_SIZE, read_upload
from console.pages.forms import ReauthenticationForm, set_choices


class MoveForm(ReauthenticationForm):
    """The form of Move Certificate Authority."""

    server = forms.ChoiceField(
        label=_("Primary Server"),
        widget=forms.Select(attrs={"autofocus": True}),
        help_text=_(
            "The server that takes the CA role. Only servers whose worker responds are listed."
        ),
    )

    confirm = forms.BooleanField(
        label=_("Yes, I want to move the certificate authority"),
        error_messages={"required": _("To move the certificate authority, select this checkbox.")},
    )

    field_order = ("server", "confirm", "password")

    def __init__(self, request: Any, servers: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(request, **kwargs)
        set_choices(self, "server", servers)


class BackupForm(ReauthenticationForm):
    """The form of Backup CA."""

    passphrase = forms.CharField(
        label=_("Passphrase"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "autofocus": True}),
        help_text=_("At least 10 characters. You need this passphrase to restore the backup."),
    )
    confirm = forms.CharField(
        label=_("Confirm"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Enter the passphrase again."),
    )

    field_order = ("passphrase", "confirm", "password")

    def clean_confirm(self) -> str:
        """Raise ValidationError if the passphrases differ."""
        again: str = self.cleaned_data["confirm"]
        first = self.cleaned_data.get("passphrase")
        if first is not None and again != first:
            raise forms.ValidationError(_("The passphrases do not match. No backup was created."))
        return again


class RestoreForm(ReauthenticationForm):
    """The form of Restore CA."""

    file = forms.FileField(
        label=_("Backup file"),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".zip", "autofocus": True}),
        help_text=_("The zip file created by Backup CA."),
    )
    server = forms.ChoiceField(
        label=_("Primary Server"),
        help_text=_("The server to restore the CA to. This server takes the CA role."),
    )
    passphrase = forms.CharField(
        label=_("Passphrase"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("The passphrase that was used to create the backup."),
    )

    field_order = ("file", "server", "passphrase", "password")

    def __init__(self, request: Any, servers: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(request, **kwargs)
        set_choices(self, "server", servers)

    def clean_file(self) -> bytes:
        """Return the content of the uploaded file."""
        return read_upload(self.cleaned_data["file"], MAX_BACKUP_SIZE)
