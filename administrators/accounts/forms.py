"""Forms of login, of a user's own security settings, and of the administrators' dialogs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from administrators.accounts.roles import ROLES
from administrators.models import Administrator
from console.access.reauthentication import MAX_PASSKEY_LENGTH
from console.pages.forms import ReauthenticationForm

CODE_INPUT = {"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}
NEW_PASSWORD = {"autocomplete": "new-password"}
LoginMethod = Administrator.LoginMethod


class CodeForm(forms.Form):
    """The code of the authenticator, or a recovery code."""

    code = forms.CharField(label=_("Code"), max_length=40, widget=forms.TextInput(attrs=CODE_INPUT))


class SecondFactorForm(forms.Form):
    """A code, or a passkey, whose response a script enters."""

    code = forms.CharField(
        label=_("Code"), max_length=40, required=False, widget=forms.TextInput(attrs=CODE_INPUT)
    )
    passkey = forms.CharField(
        max_length=MAX_PASSKEY_LENGTH, required=False, widget=forms.HiddenInput
    )

    def clean_code(self) -> str:
        """Return the code, which is required without a passkey."""
        code: str = self.cleaned_data["code"]
        if not code and not self.data.get("passkey"):
            raise forms.ValidationError(_("Enter the code."))
        return code

    def get_factor(self) -> dict[str, str]:
        """Return the credential for the login backends: the passkey, or the code."""
        passkey = self.cleaned_data.get("passkey")
        return {"passkey": passkey} if passkey else {"code": self.cleaned_data["code"]}


class ChoosePassword(forms.Form):
    """A new password and its confirmation; the password policy is checked when it is saved."""

    new_password = forms.CharField(
        label=_("New password"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs=NEW_PASSWORD),
        help_text=_("At least 10 characters. We recommend a passphrase of several words."),
    )
    again = forms.CharField(
        label=_("Confirm new password"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs=NEW_PASSWORD),
    )

    def clean_again(self) -> str:
        """Return the confirmation; raise ValidationError if it differs from the password."""
        again: str = self.cleaned_data["again"]
        if again != self.cleaned_data.get("new_password", again):
            raise forms.ValidationError(_("The passwords do not match."))
        return again


class SetupCodeForm(forms.Form):
    """The code of a setup link, or the whole link."""

    code = forms.CharField(
        label=_("Setup code"),
        max_length=300,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autofocus": True, "spellcheck": "false"}
        ),
        help_text=_("The part of the setup link after the # character. You can paste the link."),
    )


class ChangePassword(ChoosePassword, ReauthenticationForm):
    """A user's own new password."""

    field_order = ("password", "new_password", "again")


class ConfirmForm(ReauthenticationForm):
    """A confirmation with nothing but reauthentication."""


class RolesForm(ReauthenticationForm):
    """The roles of an administrator."""

    roles = forms.MultipleChoiceField(
        label=_("Roles"),
        choices=[(role.key, role.label) for role in ROLES],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Select at least one role.")},
    )
    field_order: tuple[str, ...] = ("roles", "password")


class NewAdministratorForm(RolesForm):
    """A new administrator."""

    name = forms.CharField(
        label=_("User name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    email = forms.EmailField(label=_("Email address"), required=False, max_length=254)
    login_method = forms.ChoiceField(label=_("Login method"), choices=LoginMethod.choices)
    field_order = ("name", "email", "roles", "login_method", "password")

    def __init__(self, request: Any, *args: Any, oidc: bool, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        if not oidc:
            del self.fields["login_method"]


class PoliciesForm(ReauthenticationForm):
    """The policies for all administrators."""

    requires_second_factor = forms.BooleanField(
        label=_("Require two-factor authentication for password logins"),
        required=False,
        help_text=_("Administrators without a second factor must set one up at their next login."),
    )
    two_administrators = forms.BooleanField(
        label=_("Require two administrators for CA operations"),
        required=False,
        help_text=_(
            "A second administrator must approve Change CA, Remint CA, Move CA "
            "Role, Backup CA, Restore CA, Force Activation, and Roll Back "
            "within 24 hours."
        ),
    )
    field_order = ("requires_second_factor", "two_administrators", "password")
