"""Forms of passkeys."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from console.access.reauthentication import MAX_PASSKEY_LENGTH
from console.pages.forms import ReauthenticationForm


class PasskeyForm(ReauthenticationForm):
    """A new passkey. A script enters the response of the authenticator."""

    name = forms.CharField(
        label=_("Name"),
        max_length=60,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
        help_text=_("Example: Laptop, or Security key 1"),
    )
    response = forms.CharField(
        max_length=MAX_PASSKEY_LENGTH,
        widget=forms.HiddenInput,
        error_messages={
            "required": _(
                "The browser did not create a passkey. JavaScript is required. Nothing was changed."
            )
        },
    )
    field_order = ("password", "name", "response")
