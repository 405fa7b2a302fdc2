"""Forms of the acts on the CA key: move, back up, restore (manual, 1.2.6 to 1.2.8)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.operations.presentation.ca_forms import BACKUP_AT_MOST, read_upload
from console.pages.forms import PasswordAgain, offer


class MoveForm(PasswordAgain):
    """Move Certificate Authority (R100 to R104)."""

    server = forms.ChoiceField(
        label=_("Primary Server"),
        widget=forms.Select(attrs={"autofocus": True}),
        help_text=_("It holds the CA from then on. Only servers that answer are here."),
    )

    field_order = ("server", "password")

    def __init__(self, request: Any, servers: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(request, **kwargs)
        offer(self, "server", servers)


class BackupForm(PasswordAgain):
    """Backup CA (R110 to R114)."""

    passphrase = forms.CharField(
        label=_("Passphrase"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "autofocus": True}),
        help_text=_("At least 10 characters. Without it the backup cannot be restored."),
    )
    confirm = forms.CharField(
        label=_("Confirm"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("The same passphrase again."),
    )

    field_order = ("passphrase", "confirm", "password")

    def clean_confirm(self) -> str:
        """Refuse two passphrases that differ."""
        again: str = self.cleaned_data["confirm"]
        first = self.cleaned_data.get("passphrase")
        if first is not None and again != first:
            raise forms.ValidationError(_("The two passphrases differ. Nothing was backed up."))
        return again


class RestoreForm(PasswordAgain):
    """Restore CA (R115 to R121)."""

    file = forms.FileField(
        label=_("Backup file"),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".zip", "autofocus": True}),
        help_text=_("The zip file that Backup CA made."),
    )
    server = forms.ChoiceField(
        label=_("Primary Server"),
        help_text=_("It receives the CA and has the CA role from then on."),
    )
    passphrase = forms.CharField(
        label=_("Passphrase"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("The one that was used for the backup."),
    )

    field_order = ("file", "server", "passphrase", "password")

    def __init__(self, request: Any, servers: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(request, **kwargs)
        offer(self, "server", servers)

    def clean_file(self) -> bytes:
        """Read the file."""
        return read_upload(self.cleaned_data["file"], BACKUP_AT_MOST)
