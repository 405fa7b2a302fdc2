"""The form that imports the certificate of a subordinate zone CA."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from certificates.operations.presentation.ca_forms import (
    MAX_CERTIFICATE_SIZE,
    SUFFIXES,
    read_upload,
)
from console.pages.forms import ReauthenticationForm


class ImportCAForm(ReauthenticationForm):
    """Import CA Certificate: the file with the chain."""

    file: Any = forms.FileField(
        label=_("Certificate and chain"),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": SUFFIXES, "autofocus": True}),
        help_text=_(
            "PEM, DER, or PKCS #7 file with the certificate of the new zone CA, all intermediate "
            "CAs, and the root, in any order."
        ),
    )

    field_order = ("file", "password")

    def clean_file(self) -> bytes:
        """Return the content of the file, or raise ValidationError if it is too large."""
        return read_upload(self.cleaned_data["file"], MAX_CERTIFICATE_SIZE)
